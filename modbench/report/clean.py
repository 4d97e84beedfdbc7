"""How much of the test sets the compared methods were trained on, in words and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.layout import Block, Table, short

if TYPE_CHECKING:
    from modbench.comparison.models import Comparison, MethodRow, Score


def seen_caption(comparison: Comparison) -> list[str]:
    """A line on the test problems in each method's own training data; none where that is unknown for all of them."""
    said: dict[str, list[str]] = {}
    for row in comparison.methods:
        said.setdefault(_said(comparison, row), []).append(row.method)
    if list(said) == ["none"]:
        return ["No test problem is in the training data"]
    if list(said) == ["unknown"]:
        return []
    parts = [f"{', '.join(methods)}: {share}" for share, methods in said.items()]
    return ["Test problems in the method's own training data: " + "; ".join(parts)]


def clean_block(comparison: Comparison) -> Block:
    """The accuracies on the problems that no method was trained on, beside the full ones."""
    said = [
        "Clean: the problems that no training data of these methods contains, equal in letters and digits",
        "Accuracies in percent ± standard error",
    ]
    return Block("clean", said, _cells(comparison), _values(comparison))


def _said(comparison: Comparison, row: MethodRow) -> str:
    shares = {task: _share(comparison, task, of.seen) for task, of in row.clean.items() if of.seen != 0}
    if not shares:
        return "none"
    if all(of.seen is None for of in row.clean.values()):
        return "unknown"
    return ", ".join(
        f"{short(task)} " + ("unknown" if share is None else f"{cells.percent(share, None)} %")
        for task, share in shares.items()
    )


def _share(comparison: Comparison, task: str, seen: int | None) -> float | None:
    return None if seen is None else seen / comparison.problems[task]


def _cells(comparison: Comparison) -> Table:
    headers = ["method", "task", "problems", "seen %", "accuracy", "clean problems", "clean accuracy"]
    rows: list[list[object]] = []
    for row in comparison.methods:
        for task, full in row.tasks.items():
            clean = row.clean[task]
            share = _share(comparison, task, clean.seen)
            rows.append(
                [
                    row.method,
                    short(task),
                    cells.count(comparison.problems[task]),
                    cells.UNKNOWN if share is None else cells.percent(share, None),
                    _score(full),
                    cells.count(clean.n),
                    _score(clean.score),
                ]
            )
        rows.append([row.method, "macro", "", "", _score(row.macro), "", _score(row.clean_macro)])
    return headers, rows


def _score(score: Score | None) -> str:
    return cells.UNKNOWN if score is None else cells.percent(score.accuracy, score.stderr)


def _values(comparison: Comparison) -> Table:
    headers = ["method", "task", "problems", "seen", "accuracy", "stderr"]
    rows: list[list[object]] = []
    for row in comparison.methods:
        for task, full in row.tasks.items():
            clean = row.clean[task]
            rows.append(
                [
                    *(row.method, task, comparison.problems[task], clean.seen, full.accuracy, full.stderr),
                    *(clean.n, *_parts(clean.score)),
                ]
            )
        rows.append(
            [*(row.method, "macro", None, None, row.macro.accuracy, row.macro.stderr, None), *_parts(row.clean_macro)]
        )
    return [*headers, "clean_problems", "clean_accuracy", "clean_stderr"], rows


def _parts(score: Score | None) -> tuple[float | None, float | None]:
    return (score.accuracy, score.stderr) if score else (None, None)
