"""Whether plain runs of the harness put the same documents to their models in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, compress

from modbench.comparison.outcomes import Asked, RunOutcomes, TaskOutcomes, documents_digest
from modbench.errors import ModbenchError


def check_templates(runs: Sequence[RunOutcomes], task: str) -> None:
    """ModbenchError for two runs with different chat templates if they are of one model, or if they show examples
    drawn with different seeds: with other templates all prompts differ, so that theirs cannot tell."""
    for (first, one), (second, other) in combinations(_known(runs, task), 2):
        if one.template == other.template:
            continue
        named = f"{first.place} and {second.place}"
        if first.model == second.model:
            raise ModbenchError(
                f"{named} asked one model, {first.model}, {task} with different chat templates "
                f"({_template(one)} and {_template(other)}): run both alike"
            )
        if one.fewshot_seed != other.fewshot_seed:
            raise ModbenchError(
                f"{named} drew the examples of {task} with different seeds ({one.fewshot_seed} and "
                f"{other.fewshot_seed}): run both with the same --seed"
            )


def in_the_same_words(
    runs: Sequence[RunOutcomes], outcomes: Sequence[TaskOutcomes], task: str, intersect: bool
) -> tuple[list[TaskOutcomes], list[str]]:
    """The `outcomes` of `task`, one per run and on the same documents, on those that had the same prompt in all runs
    with the same chat template, and a note on what was left out for it.

    Without `intersect`, and if nothing remains, ModbenchError. Runs whose prompts are not known are compared with any.
    """
    import numpy as np

    first: dict[str | None, tuple[RunOutcomes, Asked]] = {}
    alike = np.ones(outcomes[0].n, dtype=bool)
    keys = next((of.keys for of in outcomes if of.keys is not None), ())
    for run, of in zip(runs, outcomes, strict=True):
        if of.asked is None:
            continue
        other, asked = first.setdefault(of.asked.template, (run, of.asked))
        same = of.asked.prompts == asked.prompts
        apart = int((~same).sum())
        if apart and (apart == of.n or not intersect):
            remedy = "" if apart == of.n else ", or leave these documents out with --intersect"
            example = keys[int(same.argmin())][:16]
            raise ModbenchError(
                f"{other.place} and {run.place} asked {apart:,} of {of.n:,} documents of {task} in different prompts, "
                f"or judged them by different golds (such as {example}): run both with the same "
                f"examples and seed{remedy}"
            )
        alike &= same
    left = int(alike.sum())
    if left == len(alike):
        return list(outcomes), []
    if not left:
        raise ModbenchError(f"the runs asked no document of {task} in the same prompt: compare fewer of them")
    kept = tuple(compress(keys, alike))
    digest = documents_digest(kept)
    note = f"{task}: left out {len(alike) - left:,} of {len(alike):,} documents with different prompts or golds"
    return [of.only(alike, kept, digest) for of in outcomes], [note]


def uncompared(runs: Sequence[RunOutcomes], tasks: Sequence[str]) -> list[str]:
    """Notes on runs of which no equal prompts could be asked for: with other chat templates, or with none stored."""
    by_text: dict[str, list[str]] = {}
    for task in tasks:
        for text in _uncompared(runs, task):
            by_text.setdefault(text, []).append(task)
    return [text if len(of) == len(tasks) else f"{', '.join(of)}: {text}" for text, of in by_text.items()]


def _uncompared(runs: Sequence[RunOutcomes], task: str) -> list[str]:
    known = _known(runs, task)
    notes = []
    by_template: dict[str, dict[str, None]] = {}
    for run, asked in known:
        by_template.setdefault(_template(asked), {})[run.method] = None
    if len(by_template) > 1:
        listed = "; ".join(f"{', '.join(methods)}: {template}" for template, methods in by_template.items())
        notes.append(f"asked with different chat templates ({listed}): prompts are compared within each only")
    without = list(dict.fromkeys(run.method for run in runs if run.tasks[task].asked is None))
    if known and without:
        notes.append(f"the prompts of {', '.join(without)} are not stored: they are compared with no other's")
    return notes


def _known(runs: Sequence[RunOutcomes], task: str) -> list[tuple[RunOutcomes, Asked]]:
    return [(run, asked) for run in runs if (asked := run.tasks[task].asked) is not None]


def _template(asked: Asked) -> str:
    return "none" if asked.template is None else asked.template[:8]
