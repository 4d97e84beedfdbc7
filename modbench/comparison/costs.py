"""What a method costs, and which methods no other beats in both accuracy and cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from modbench.comparison.models import Cost, MethodRow
from modbench.comparison.outcomes import RunOutcomes

COSTS: dict[str, Callable[[Cost], float | None]] = {
    "total": lambda cost: cost.parameters.total if cost.parameters else None,
    "adapter_bytes": lambda cost: cost.adapter_bytes,
    "train_seconds": lambda cost: cost.train_seconds,
    "eval_seconds": lambda cost: cost.eval_seconds,
    "peak_memory_bytes": lambda cost: cost.peak_memory_bytes,
}
"""What is better smaller, by the name that `MethodRow.pareto` gives it."""


def cost(runs: Sequence[RunOutcomes], reference: int | None) -> Cost:
    """The cost of one method from what is known of its runs; what is known of none is None.

    Its overhead is over `reference` trained parameters, or where that is None, over `lora_not_k`'s as recorded.
    """
    facts = [run.facts for run in runs if run.facts is not None]
    training = [of.training for of in facts if of.training is not None]
    evaluations = [of.evaluation for of in facts]
    peaks = [part.peak_memory_bytes for part in training] + [part.peak_memory_bytes for part in evaluations]
    parameters = facts[0].parameters if facts else None
    overhead = parameters.overhead_percent if parameters else None
    if parameters and reference is not None:
        overhead = 100 * (parameters.total - reference) / reference
    return Cost(
        parameters=parameters,
        overhead=overhead,
        adapter_bytes=next((of.adapter_bytes for of in facts if of.adapter_bytes is not None), None),
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


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
