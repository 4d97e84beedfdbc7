"""Each method against the baseline: how far apart, with what certainty, and what these documents could have shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modbench.comparison.models import MACRO, MICRO, Difference
from modbench.comparison.outcomes import RunOutcomes
from modbench.stats.intervals import paired_interval, seed_interval, wider
from modbench.stats.paired import detectable, holm, mcnemar, standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Pair = tuple[RunOutcomes, RunOutcomes]
"""A method's run and the baseline's of the same seed."""


def differences(methods: Mapping[str, Sequence[RunOutcomes]], baseline: str, margin: float) -> list[Difference]:
    """Every other method minus the `baseline`, by task and over tasks; methods without a common seed are left out.

    The p values of all of them, one for each task and seed, are adjusted together.
    """
    theirs = {run.seed: run for run in methods[baseline]}
    found: list[Difference] = []
    for method, runs in methods.items():
        pairs = [(run, theirs[run.seed]) for run in runs if run.seed in theirs]
        if method != baseline and pairs:
            found += _of_method(method, baseline, pairs, margin)
    return _adjusted(found)


def _of_method(method: str, baseline: str, pairs: Sequence[Pair], margin: float) -> list[Difference]:
    tasks = list(pairs[0][0].tasks)
    sizes = {task: pairs[0][0].tasks[task].n for task in tasks}
    n = sum(sizes.values())
    weights = {task: {task: 1.0} for task in tasks}
    if len(tasks) > 1:
        weights[MACRO] = dict.fromkeys(tasks, 1 / len(tasks))
        weights[MICRO] = {task: sizes[task] / n for task in tasks}
    apart = {task: {mine.seed: _signs(mine, other, task) for mine, other in pairs} for task in tasks}
    strata = {task: _counted(list(of.values())) for task, of in apart.items()}
    rows = []
    for name, of in weights.items():
        by_seed = {
            mine.seed: math.fsum(weight * float(apart[task][mine.seed].mean()) for task, weight in of.items())
            for mine, _ in pairs
        }
        documents = sum(sizes[task] for task in of)
        discordant = {seed: sum(int((apart[task][seed] != 0).sum()) for task in of) for seed in by_seed}
        discordance = sum(discordant.values()) / len(discordant) / documents
        over_documents = paired_interval([strata[task] for task in of], list(of.values()))
        over_seeds = seed_interval(list(by_seed.values()))
        single = len(of) == 1 and name in apart
        rows.append(
            Difference(
                method=method,
                baseline=baseline,
                task=name,
                seeds=list(by_seed),
                difference=math.fsum(by_seed.values()) / len(by_seed),
                interval=over_documents,
                seed_interval=over_seeds,
                discordance=discordance,
                p_values={seed: _p_value(signs) for seed, signs in apart[name].items()} if single else {},
                adjusted={},
                detectable=None if name == MACRO else detectable(documents, discordance),
                standing=standing(wider(over_documents, over_seeds), margin),
            )
        )
    return rows


def _signs(mine: RunOutcomes, other: RunOutcomes, task: str) -> NDArray[np.int8]:
    """For each document 1 where only the method solves it, -1 where only the baseline does."""
    import numpy as np

    return mine.tasks[task].correct.astype(np.int8) - other.tasks[task].correct.astype(np.int8)


def _counted(signs: Sequence[NDArray[np.int8]]) -> dict[float, int]:
    """How many documents have each mean difference over seeds."""
    import numpy as np

    seeds = len(signs)
    counts = np.bincount(np.sum(signs, axis=0, dtype=np.int64) + seeds, minlength=2 * seeds + 1)
    return {(index - seeds) / seeds: int(count) for index, count in enumerate(counts) if count}


def _p_value(signs: NDArray[np.int8]) -> float:
    return mcnemar(int((signs > 0).sum()), int((signs < 0).sum()))


def _adjusted(rows: Sequence[Difference]) -> list[Difference]:
    adjusted = iter(holm([p for row in rows for p in row.p_values.values()]))
    return [row.model_copy(update={"adjusted": {seed: next(adjusted) for seed in row.p_values}}) for row in rows]
