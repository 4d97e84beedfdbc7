"""What a method costs, and which methods no other beats in both accuracy and cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from modbench.comparison.models import Cost, MethodRow
from modbench.comparison.outcomes import RunOutcomes

ADAPTER = "adapter"
COSTS: dict[str, Callable[[Cost], float | None]] = {
    "total": lambda cost: cost.parameters.total if cost.parameters else None,
    "adapter_bytes": lambda cost: cost.adapter_bytes,
    "train_seconds": lambda cost: cost.train_seconds,
    "eval_seconds": lambda cost: cost.eval_seconds,
    "peak_memory_bytes": lambda cost: cost.peak_memory_bytes,
}
"""What is better smaller, by the name that `MethodRow.pareto` gives it."""


def cost(runs: Sequence[RunOutcomes]) -> Cost:
    """The cost of one method from its runs' records; what no record says is None."""
    records = [run.record for run in runs if run.record is not None]
    training = [record.training for record in records if record.training is not None]
    evaluations = [record.evaluation for record in records]
    peaks = [part.peak_memory_bytes for part in training] + [part.peak_memory_bytes for part in evaluations]
    return Cost(
        parameters=records[0].parameters if records else None,
        adapter_bytes=next((size for run in runs if (size := _adapter_bytes(run)) is not None), None),
        train_seconds=_mean([part.seconds for part in training]),
        train_speed=_mean([part.tokens / part.seconds for part in training if part.seconds]),
        eval_seconds=_mean([part.seconds for part in evaluations]),
        eval_speed=_mean([part.tokens / part.seconds for part in evaluations if part.tokens and part.seconds]),
        peak_memory_bytes=max((peak for peak in peaks if peak is not None), default=None),
    )


def with_pareto(rows: Sequence[MethodRow]) -> list[MethodRow]:
    """`rows` with the costs on whose front of macro accuracy each lies: none is as good in both and better in one."""
    marked = []
    for row in rows:
        front = [name for name, of in COSTS.items() if _undominated(row, rows, of)]
        marked.append(row.model_copy(update={"pareto": front}))
    return marked


def _undominated(row: MethodRow, rows: Sequence[MethodRow], of: Callable[[Cost], float | None]) -> bool:
    mine = of(row.cost)
    if mine is None:
        return False
    for other in rows:
        theirs = of(other.cost)
        if theirs is None or other.macro.accuracy < row.macro.accuracy or theirs > mine:
            continue
        if other.macro.accuracy > row.macro.accuracy or theirs < mine:
            return False
    return True


def _adapter_bytes(run: RunOutcomes) -> int | None:
    """The size of the adapter's weights, from the run's folder; None where there is none."""
    folder = run.folder / ADAPTER if run.folder else Path("/nonexistent")
    sizes = [file.stat().st_size for file in folder.glob("*.safetensors")]
    return sum(sizes) if sizes else None


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
