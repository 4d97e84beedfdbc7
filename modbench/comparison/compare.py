"""Runs side by side: how many problems each method solves, which ones, at what cost, and whether it is real."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from modbench.comparison.best import best
from modbench.comparison.costs import cost, with_pareto
from modbench.comparison.differences import differences
from modbench.comparison.join import join
from modbench.comparison.models import Clean, Comparison, MethodRow
from modbench.comparison.outcomes import RunOutcomes
from modbench.comparison.scores import (
    all_documents,
    clean_macro,
    clean_scores,
    macro_score,
    task_score,
    verdicts_of,
)
from modbench.comparison.sets import pair_overlaps, solved_sets
from modbench.errors import ModbenchError, unknown
from modbench.stats.solved import MOST

BASELINE = "lora_all"
"""The method that an ensemble has to beat: the baseline where it is among those compared, else the first of them."""
OVER = "lora_not_k"
"""What every record has its overhead over, whether it was run or not."""


def compare(
    runs: Sequence[RunOutcomes],
    baseline: str | None = None,
    margin: float = 0.0,
    intersect: bool = False,
    over: str = OVER,
) -> Comparison:
    """Compares runs, methods in the order in which they first come.

    Args:
        baseline: the method that the others are held against; `BASELINE` if it is there, else the first.
        margin: how much worse, as a fraction, still counts as "not worse".
        intersect: reduce runs to the tasks and documents that all have, instead of refusing them.
        over: the method whose trained parameters overheads count from; `OVER` need not be among those compared.

    Raises ModbenchError if there are none, or if they are not comparable (see `join`), for an unknown baseline, and for
    an `over` whose trained parameters are not known.
    """
    joined, notes = join(runs, intersect)
    methods: dict[str, list[RunOutcomes]] = {run.method: [] for run in joined}
    for run in sorted(joined, key=lambda run: run.seed):
        methods[run.method].append(run)
    if baseline is not None and baseline not in methods:
        raise unknown("baseline", baseline, methods)
    if not 0 <= margin < 1:
        raise ModbenchError(f"a margin of {100 * margin:g} points is none: give one from 0pp to below 100pp")
    against = baseline or (BASELINE if BASELINE in methods else next(iter(methods)))
    first = next((run.facts for run in joined if run.facts is not None), None)
    bases = {run.model for run in joined}
    reference, clean = _reference(methods, over), clean_scores(methods)
    rows = with_pareto([_row(method, of, clean[method], reference) for method, of in methods.items()])
    return Comparison(
        suite=first.suite if first else None,
        model=first.model if first and len(bases) == 1 else None,
        problems={task: of.n for task, of in joined[0].tasks.items()},
        seeds=sorted({run.seed for run in joined}),
        baseline=against,
        margin=margin,
        over=over,
        methods=rows,
        best=best(methods, rows),
        differences=differences(methods, against, margin),
        overlaps=pair_overlaps(methods),
        solved=solved_sets(methods),
        notes=notes + _notes(methods, against),
    )


def _reference(methods: Mapping[str, Sequence[RunOutcomes]], over: str) -> int | None:
    """The trained parameters of `over`; None where those of every record's own overhead are meant."""
    if over == OVER:
        return None
    if over not in methods:
        raise unknown("method to count overheads from", over, [OVER, *methods])
    trained = next((run.facts.parameters.total for run in methods[over] if run.facts is not None), None)
    if not trained:
        raise ModbenchError(
            f"the trained parameters of {over} are {'none' if trained == 0 else 'unknown'}: "
            f"name another method with --over"
        )
    return trained


def _row(method: str, runs: Sequence[RunOutcomes], clean: dict[str, Clean], reference: int | None) -> MethodRow:
    facts = [run.facts for run in runs if run.facts is not None]
    tasks = {task: task_score(verdicts_of(runs, task)) for task in runs[0].tasks}
    gates = [of.gates for of in facts if of.gates is not None]
    return MethodRow(
        method=method,
        seeds=[run.seed for run in runs],
        tasks=tasks,
        macro=macro_score(list(tasks.values())),
        micro=task_score({run.seed: all_documents(run.tasks) for run in runs}),
        clean=clean,
        clean_macro=clean_macro(clean),
        no_answer={task: _total([of.tasks[task].no_answer for of in facts]) for task in tasks},
        unreadable={task: _total([of.tasks[task].unreadable for of in facts]) for task in tasks},
        late_layers=facts[0].late_layers if facts else [],
        gates=[math.fsum(layer) / len(layer) for layer in zip(*gates, strict=True)] if gates else None,
        cost=cost(runs, reference),
        pareto=[],
    )


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _notes(methods: dict[str, list[RunOutcomes]], baseline: str) -> list[str]:
    theirs = {run.seed for run in methods[baseline]}
    common = {method: theirs & {run.seed for run in runs} for method, runs in methods.items() if method != baseline}
    apart = [method for method, of in common.items() if not of]
    notes = [f"{', '.join(apart)} and {baseline} have no seed in common: no difference"] if apart else []
    single = [method for method, of in common.items() if len(of) == 1]
    if single:
        notes.append(
            f"{', '.join(single)} and {baseline} are compared with one seed each: "
            "their intervals hold for these trained models only"
        )
    if len(methods) > MOST:
        notes.append(f"solved sets of all methods at once are left out: there are over {MOST}")
    return notes
