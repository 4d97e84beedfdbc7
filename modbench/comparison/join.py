"""Which runs may be compared, and on which documents: joined by document, never by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from modbench.comparison.conditions import check_conditions
from modbench.comparison.outcomes import Facts, RunOutcomes, TaskOutcomes, documents_digest
from modbench.comparison.prompts import check_templates, in_the_same_words, uncompared
from modbench.errors import ModbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def join(runs: Sequence[RunOutcomes], intersect: bool = False) -> tuple[list[RunOutcomes], list[str]]:
    """`runs` on the same tasks and documents, in the same order of both, and notes on what was left out for it.

    Runs that differ in tasks, documents or the prompts of single documents are refused, or with `intersect` reduced to
    what all of them have. Runs of other bases, with another metric, prompt or task version, of one method and seed
    twice, or of one method that trains different parameters are always refused: ModbenchError.
    """
    if not runs:
        raise ModbenchError("there is nothing to compare: run at least one method first")
    _check_methods(runs)
    _check_bases(runs)
    tasks = [task for task in runs[0].tasks if all(task in run.tasks for run in runs)]
    notes = _left_out_tasks(runs, tasks, intersect) + [note for run in runs for note in run.notes]
    for task in tasks:
        check_conditions(runs, task)
        check_templates(runs, task)
    kept: list[dict[str, TaskOutcomes]] = [{} for _ in runs]
    for task in tasks:
        aligned, reduced = _aligned(runs, task, intersect)
        aligned, unlike = in_the_same_words(runs, aligned, task, intersect)
        notes += [*reduced, *unlike]
        for of, outcomes in zip(kept, aligned, strict=True):
            of[task] = outcomes
    return [replace(run, tasks=of) for run, of in zip(runs, kept, strict=True)], notes + uncompared(runs, tasks)


def _check_methods(runs: Sequence[RunOutcomes]) -> None:
    seen: dict[tuple[str, int], RunOutcomes] = {}
    first: dict[str, RunOutcomes] = {}
    for run in runs:
        twin = seen.get((run.method, run.seed))
        if twin is not None:
            raise ModbenchError(f"{twin.place} and {run.place} are both {run.name}: compare one of them")
        seen[run.method, run.seed] = run
        other = first.setdefault(run.method, run)
        if run.facts and other.facts and _trained(run.facts) != _trained(other.facts):
            raise ModbenchError(f"{other.place} and {run.place} train different parameters: compare one of them")


def _trained(facts: Facts) -> object:
    return facts.parameters, facts.late_layers


def _check_bases(runs: Sequence[RunOutcomes]) -> None:
    ours = [run for run in runs if run.facts is not None]
    aspects: dict[str, Callable[[RunOutcomes], object]] = {
        "suites": lambda run: run.facts and run.facts.suite,
        "model weights": lambda run: run.facts and run.facts.model.sha256,
    }
    for what, of in aspects.items():
        for run in ours[1:]:
            if of(run) != of(ours[0]):
                raise ModbenchError(
                    f"{ours[0].place} and {run.place} have different {what}, {of(ours[0])} and {of(run)}: "
                    "compare runs that differ in method and seed only"
                )


def _left_out_tasks(runs: Sequence[RunOutcomes], common: Sequence[str], intersect: bool) -> list[str]:
    everything = list(dict.fromkeys(task for run in runs for task in run.tasks))
    missing = [task for task in everything if task not in common]
    if not missing:
        return []
    lacking = {task: [run.name for run in runs if task not in run.tasks] for task in missing}
    absent = [f"{task} is not in {_few(names, ', ')}" for task, names in lacking.items()]
    if not intersect:
        raise ModbenchError(
            f"the runs have different tasks ({_few(absent, '; ')}): run all with the same, or add --intersect"
        )
    if not common:
        raise ModbenchError(f"the runs have no task in common ({_few(absent, '; ')})")
    return [f"left out: {'; '.join(absent)}"]


def _few(names: Sequence[str], between: str) -> str:
    """The first three, and how many more there are: a message is one line."""
    more = len(names) - 3
    return between.join([*names[:3], *([f"and {more} more"] if more > 0 else [])])


def _aligned(runs: Sequence[RunOutcomes], task: str, intersect: bool) -> tuple[list[TaskOutcomes], list[str]]:
    outcomes = [run.tasks[task] for run in runs]
    if len({of.documents for of in outcomes}) == 1:
        return outcomes, []
    unknown = next((run for run in runs if run.tasks[task].keys is None), None)
    if unknown is not None:
        raise ModbenchError(f"{unknown.name} answered other documents of {task} than the runs that it is compared with")
    if not intersect:
        other = next(run for run in runs if run.tasks[task].documents != outcomes[0].documents)
        apart = set(outcomes[0].keys or ()) ^ set(other.tasks[task].keys or ())
        raise ModbenchError(
            f"{runs[0].place} and {other.place} answered different documents of {task} ({len(apart):,} in one only, "
            f"such as {min(apart)[:16]}): run both with the same data and limit, or add --intersect"
        )
    common = set(outcomes[0].keys or ())
    for of in outcomes[1:]:
        common.intersection_update(of.keys or ())
    if not common:
        raise ModbenchError(f"the runs have no document of {task} in common")
    most = max(of.n for of in outcomes)
    note = f"{task}: reduced to the {len(common):,} documents that all runs answered, of at most {most:,}"
    keys = tuple(sorted(common))
    digest = documents_digest(keys)
    return [of.only(_within(of.keys or (), common), keys, digest) for of in outcomes], [note]


def _within(keys: tuple[str, ...], common: set[str]) -> NDArray[np.bool_]:
    import numpy as np

    return np.fromiter((key in common for key in keys), dtype=bool, count=len(keys))
