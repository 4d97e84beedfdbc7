"""`python -m modbench.leaderboard` writes the files of `leaderboards/` that follow from code."""

from __future__ import annotations

from pathlib import Path

from modbench import resources
from modbench.atomic import write_json
from modbench.leaderboard.files import SCHEMA_FILE, write_leaderboard
from modbench.leaderboard.paper import boards
from modbench.leaderboard.schema import json_schema


def write(folder: Path) -> None:
    """Write the JSON Schema and the paper's rows, which join the measured ones where there are some."""
    write_json(folder / SCHEMA_FILE, json_schema())
    for board in boards():
        write_leaderboard(folder / f"{board.suite}.json", board)


if __name__ == "__main__":
    write(resources.folder("leaderboards"))
