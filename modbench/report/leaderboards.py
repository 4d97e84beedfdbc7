"""Leaderboards, what is wrong with them, and what changed between two, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.formats import render_rows
from modbench.report.layout import Table, caption, short, spaced

if TYPE_CHECKING:
    from modbench.leaderboard import Leaderboard, MeasuredRow, Row
    from modbench.leaderboard.diff import Change

EXACT = ("csv", "json")
"""Formats that give fractions and counts in full."""


def render_leaderboard(board: Leaderboard, format: str) -> str:
    """One row per run, best mean first; percents under a caption, or in `csv` and `json` fractions in full precision.

    Raises ModbenchError for an unknown format.
    """
    if format in EXACT:
        return render_rows(*_values(board), format)
    headers, rows = _cells(board)
    if format == "latex":
        # A page has no room for columns that say nothing.
        told = [
            header
            for header, column in zip(headers, zip(*rows, strict=True), strict=False)
            if {*column} != {cells.UNKNOWN}
        ]
        rows = [[cell for header, cell in zip(headers, row, strict=True) if header in told] for row in rows]
        headers = told if rows else headers
    return "\n\n".join([caption(_caption(board), format), render_rows(headers, rows, format)])


def overview_rows(boards: Mapping[str, Leaderboard], exact: bool = False) -> Table:
    """One row per leaderboard: how many rows of each kind, and the best of them."""
    headers = ["suite", "model", "tasks", "published", "measured", "best", "mean"]
    rows: list[list[object]] = []
    for suite, board in boards.items():
        best = _ranked(board)[0] if board.rows else None
        mean = None if best is None else best.mean.accuracy
        rows.append(
            [
                *(suite, _model(board), len(_tasks(board)), len(board.published), len(board.measured)),
                *(best and best.name, mean if exact or mean is None else cells.percent(mean, None)),
            ]
        )
    return headers, rows


def diff_rows(changes: Sequence[Change], exact: bool = False) -> Table:
    """One row per change; accuracies and their differences in percent, or with `exact` as fractions."""
    headers = ["change", "row", "field", "old", "new", "difference"]
    rows: list[list[object]] = []
    for change in changes:
        numbers = [change.old, change.new, change.difference]
        if not exact:
            count = change.field == "trained"
            numbers = [
                *(value if isinstance(value, str) else _number(value, count) for value in numbers[:2]),
                _number(change.difference, count, sign="+"),
            ]
        rows.append([change.kind, change.row, change.field if exact else short(change.field), *numbers])
    return headers, rows


def notes(board: Leaderboard) -> list[str]:
    """Where the source prints something else than follows from its own numbers."""
    found = []
    for row in board.published:
        if not row.printed.mean_agrees:
            ours = cells.percent(row.mean.accuracy, None)
            found.append(f"{row.method}: the source prints a mean of {row.printed.mean}; its accuracies give {ours}")
        if row.printed.overhead_agrees is False:
            ours = cells.overhead(row.parameters.overhead_percent)
            found.append(f"{row.method}: the source prints +{row.printed.overhead} % of parameters; counted: {ours}")
    return found


def _cells(board: Leaderboard) -> Table:
    tasks, printed = _tasks(board), bool(board.published)
    headers = [
        *("method", *(["kind"] if printed else []), "seed", *map(short, tasks), "mean"),
        *(["printed mean"] if printed else []),
        *("trained", "overhead", *(["printed overhead"] if printed else []), "late layers", "mean gates"),
    ]
    rows: list[list[object]] = []
    for row in _ranked(board):
        results = [row.tasks.get(task) for task in tasks]
        beside = row.printed if row.kind == "published" else None
        overhead = f"+{beside.overhead} %" if beside and beside.overhead else cells.UNKNOWN
        rows.append(
            [
                row.method,
                *([row.kind] if printed else []),
                cells.UNKNOWN if row.seed is None else row.seed,
                *(cells.percent(found.accuracy, found.stderr) if found else cells.UNKNOWN for found in results),
                cells.percent(row.mean.accuracy, row.mean.stderr),
                *([beside.mean if beside else cells.UNKNOWN] if printed else []),
                cells.count(row.parameters.total),
                cells.overhead(row.parameters.overhead_percent),
                *([overhead] if printed else []),
                (spaced(row.late_layers) if row.gates or beside else "") or cells.UNKNOWN,
                cells.decimals(row.gates),
            ]
        )
    return headers, rows


def _values(board: Leaderboard) -> Table:
    tasks = _tasks(board)
    headers = [
        *(
            "method",
            "kind",
            "seed",
            *(f"{name}_{part}" for name in (*tasks, "mean") for part in ("accuracy", "stderr")),
        ),
        *("printed_mean_percent", "lora", "norms", "router", "total", "overhead_percent", "printed_overhead_percent"),
        *("late_layers", "gates", "train_seconds", "eval_seconds"),
        *("adapter", "adapter_bytes", "created", "identity_digest"),
    ]
    rows: list[list[object]] = []
    for row in _ranked(board):
        estimates = [*map(row.tasks.get, tasks), row.mean]
        beside = row.printed if row.kind == "published" else None
        rows.append(
            [
                *(row.method, row.kind, row.seed),
                *(part for found in estimates for part in ((found.accuracy, found.stderr) if found else (None, None))),
                beside and beside.mean,
                *row.parameters.model_dump(include={"lora", "norms", "router", "total", "overhead_percent"}).values(),
                beside and beside.overhead,
                *(spaced(row.late_layers), spaced(row.gates or [])),
                *(_provenance(row) if row.kind == "measured" else [None] * 6),
            ]
        )
    return headers, rows


def _provenance(row: MeasuredRow) -> list[object]:
    return [
        *(row.training.seconds if row.training else None, row.evaluation.seconds),
        *(row.adapter, row.adapter_bytes, row.created, row.identity_digest),
    ]


def _caption(board: Leaderboard) -> list[str]:
    sources = dict.fromkeys(f"Published: {row.source.citation}, {row.source.table}" for row in board.published)
    note = f" ({board.model.note})" if board.model and board.model.note else ""
    return [
        f"Suite {board.suite}, model {_model(board)}{note}",
        *sources,
        "Accuracy in percent ± standard error; overhead of trained parameters over lora_not_k; layers count from 0",
        *notes(board),
    ]


def _model(board: Leaderboard) -> str:
    names = dict.fromkeys(row.model for row in board.published)
    return ", ".join(([board.model.name] if board.model else []) + list(names))


def _tasks(board: Leaderboard) -> list[str]:
    return list(dict.fromkeys(task for row in board.rows for task in row.tasks))


def _ranked(board: Leaderboard) -> list[Row]:
    return sorted(board.rows, key=lambda row: -row.mean.accuracy)


def _number(value: float | None, count: bool, sign: str = "") -> str:
    if value is None:
        return cells.UNKNOWN
    return f"{value:{sign},.0f}" if count else f"{100 * value:{sign}.1f}"
