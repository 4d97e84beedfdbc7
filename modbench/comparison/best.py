"""The best method of each task, and which others no test tells from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modbench.comparison.differences import differences
from modbench.comparison.models import MACRO, MICRO, Best, Difference, MethodRow
from modbench.comparison.outcomes import RunOutcomes
from modbench.stats.intervals import LEVEL
from modbench.stats.paired import Standing


def best(methods: Mapping[str, Sequence[RunOutcomes]], rows: Sequence[MethodRow]) -> dict[str, Best]:
    """By task, and for the two means over tasks; `Best` says by which test."""
    columns = {task: {row.method: row.tasks[task].accuracy for row in rows} for task in rows[0].tasks}
    columns[MACRO] = {row.method: row.macro.accuracy for row in rows}
    columns[MICRO] = {row.method: row.micro.accuracy for row in rows}
    leaders = {name: _highest(accuracies) for name, accuracies in columns.items()}
    # A single task is its own mean.
    rows_of = {name: name if len(rows[0].tasks) > 1 else next(iter(rows[0].tasks)) for name in columns}
    against = {
        first: differences(methods, first, only={rows_of[name] for name, of in leaders.items() if of[0] == first})
        for first in {of[0] for of in leaders.values()}
    }
    return {
        name: Best(
            methods=of,
            tied=[
                row.method
                for row in against[of[0]]
                if row.task == rows_of[name] and row.method not in of and not _worse(row)
            ],
        )
        for name, of in leaders.items()
    }


def _highest(accuracies: Mapping[str, float]) -> list[str]:
    most = max(accuracies.values())
    return [method for method, value in accuracies.items() if value == most]


def _worse(row: Difference) -> bool:
    if row.adjusted and len(row.seeds) == 1:
        return row.difference < 0 and min(row.adjusted.values()) < 1 - LEVEL
    return row.standing is Standing.WORSE
