"""What has to be equal of two runs' tasks besides the documents, and how a difference is said."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from modbench.comparison.outcomes import RunOutcomes
from modbench.errors import ModbenchError

LONG = 60
"""From this length on, of two JSON objects only what differs is said."""


def check_conditions(runs: Sequence[RunOutcomes], task: str) -> None:
    """ModbenchError for two runs that differ in a condition of `task`; what a run does not say fits every other."""
    known: dict[str, tuple[str, RunOutcomes]] = {}
    for run in runs:
        for name, value in run.tasks[task].conditions.items():
            other, first = known.setdefault(name, (value, run))
            if other != value:
                ours = first.facts is not None and run.facts is not None and name in ("metric", "settings")
                rescore = ", or apply the same rules to both with `modbench rescore`" if ours else ""
                raise ModbenchError(
                    f"{first.place} and {run.place} differ in the {name} of {task}, {_apart(other, value)}: "
                    f"run both alike{rescore}"
                )


def said(value: object) -> str:
    """A value as it stands in a message: in one line, cut where it is long, eight digits of a SHA-256."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if re.fullmatch("[0-9a-f]{64}", text):
        return text[:8]
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else f"{flat[:57]}..."


def _apart(one: str, other: str) -> str:
    """How two conditions differ, in words."""
    mine, theirs = _object(one), _object(other)
    if mine is None or theirs is None or len(one) + len(other) < LONG:
        return f"{said(one)} and {said(other)}"
    names = [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
    values = [(name, said(mine.get(name)), said(theirs.get(name))) for name in names]
    return ", ".join(name if a == b else f"{name} {a} and {b}" for name, a, b in values)


def _object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
