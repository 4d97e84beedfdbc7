"""What the methods of a comparison cost, as tables: parameters, and time and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.layout import Block, Table, spaced

if TYPE_CHECKING:
    from modbench.comparison.models import Comparison, MethodRow

FRONT = "*"
Column = Callable[["MethodRow"], str]


def cost_blocks(comparison: Comparison) -> list[Block]:
    """Trained parameters by part, and what training and evaluation took; none where nothing is known."""
    if all(row.cost.parameters is None for row in comparison.methods):
        return []
    front = f"With {FRONT}: no other method is as accurate (macro) at less" if len(comparison.methods) > 1 else ""
    parameters = [f"Trained parameters; overhead over {comparison.over}; late layers count from 0"]
    times = ["Time and memory: means over seeds, the highest peak; tok/s: tokens per second"]
    blocks = [
        Block("parameters", parameters, _cells(comparison, _PARAMETERS), _values(comparison)),
        Block("cost", times, _cells(comparison, _TIMES), None),
    ]
    return [Block(of.name, [*of.said, *([front] if front else [])], of.cells, of.values) for of in blocks]


def _marked(row: MethodRow, name: str, text: str, several: bool) -> str:
    return text + FRONT if several and name in row.pareto else text


def _part(name: str) -> Column:
    return lambda row: cells.count(getattr(row.cost.parameters, name)) if row.cost.parameters else cells.UNKNOWN


def _layers(row: MethodRow) -> str:
    return spaced(row.late_layers) if row.gates else cells.UNKNOWN


_PARAMETERS: dict[str, tuple[Column, str | None]] = {
    "LoRA": (_part("lora"), None),
    "norms": (_part("norms"), None),
    "router": (_part("router"), None),
    "trained": (_part("total"), "total"),
    "overhead": (lambda row: cells.overhead(row.cost.overhead), None),
    "adapter MiB": (lambda row: cells.mebibytes(row.cost.adapter_bytes, 2), "adapter_bytes"),
    "late layers": (_layers, None),
    "mean gates": (lambda row: cells.decimals(row.gates), None),
}
_TIMES: dict[str, tuple[Column, str | None]] = {
    "train s": (lambda row: cells.seconds(row.cost.train_seconds), "train_seconds"),
    "train tok/s": (lambda row: cells.speed(row.cost.train_speed), None),
    "eval s": (lambda row: cells.seconds(row.cost.eval_seconds), "eval_seconds"),
    "eval tok/s": (lambda row: cells.speed(row.cost.eval_speed), None),
    "peak MiB": (lambda row: cells.mebibytes(row.cost.peak_memory_bytes), "peak_memory_bytes"),
}


def _cells(comparison: Comparison, columns: dict[str, tuple[Column, str | None]]) -> Table:
    several = len(comparison.methods) > 1
    rows: list[list[object]] = [
        [row.method, *(_marked(row, name or "", of(row), several) for of, name in columns.values())]
        for row in comparison.methods
    ]
    return ["method", *columns], rows


def _values(comparison: Comparison) -> Table:
    parts = ("lora", "norms", "router", "total")
    costs = (
        *("overhead", "adapter_bytes", "train_seconds", "train_speed"),
        *("eval_seconds", "eval_speed", "peak_memory_bytes"),
    )
    rows: list[list[object]] = [
        [
            row.method,
            *(getattr(row.cost.parameters, part) if row.cost.parameters else None for part in parts),
            *(getattr(row.cost, name) for name in costs),
            *(spaced(row.late_layers), spaced(row.gates or []), " ".join(row.pareto)),
        ]
        for row in comparison.methods
    ]
    named = ("overhead_percent", *costs[1:])
    return ["method", *parts, *named, "late_layers", "gates", "pareto"], rows
