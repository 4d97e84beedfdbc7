"""Results of a suite in one JSON file: rows as published and rows as measured, with their verdicts by document."""

from modbench.leaderboard.files import (
    Problem,
    locate,
    problems,
    published,
    read_leaderboard,
    shipped,
    write_leaderboard,
)
from modbench.leaderboard.rows import from_runs, left_out, merge, outcomes
from modbench.leaderboard.schema import Leaderboard, Mean, MeasuredRow, Outcomes, PublishedRow, Row, json_schema

__all__ = [
    "Leaderboard",
    "Mean",
    "MeasuredRow",
    "Outcomes",
    "Problem",
    "PublishedRow",
    "Row",
    "from_runs",
    "json_schema",
    "left_out",
    "locate",
    "merge",
    "outcomes",
    "problems",
    "published",
    "read_leaderboard",
    "shipped",
    "write_leaderboard",
]
