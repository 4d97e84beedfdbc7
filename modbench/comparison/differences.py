"""Each method against the baseline: how far apart, with what certainty, and what these documents could have shown."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

from modbench.comparison.models import MACRO, MICRO, Difference
from modbench.comparison.outcomes import RunOutcomes
from modbench.stats.intervals import paired_interval, seed_interval, wider
from modbench.stats.paired import detectable, holm, mcnemar, standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Signs = dict[int, "NDArray[np.int8]"]
"""By seed, for each document 1 where only the method solves it, -1 where only the baseline does."""


def differences(
    methods: Mapping[str, Sequence[RunOutcomes]], baseline: str, margin: float = 0.0, only: Container[str] | None = None
) -> list[Difference]:
    """Every other method minus the `baseline`, by task and over tasks; methods without a common seed are left out.

    The p values of all of them, one for each task and seed, are adjusted together, also where `only` some of the rows
    (tasks, `MACRO`, `MICRO`) are wanted.
    """
    theirs = {run.seed: run for run in methods[baseline]}
    signs = {}
    for method, runs in methods.items():
        pairs = [(run, theirs[run.seed]) for run in runs if run.seed in theirs]
        if method != baseline and pairs:
            signs[method] = _signs(pairs)
    p_values = {
        (method, task, seed): _p_value(of_seed)
        for method, tasks in signs.items()
        for task, seeds in tasks.items()
        for seed, of_seed in seeds.items()
    }
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    rows = []
    for method, tasks in signs.items():
        for name, weights in _weights(tasks).items():
            if only is None or name in only:
                row = _difference(method, baseline, name, {task: tasks[task] for task in weights}, weights, margin)
                tests = [(method, name, seed) for seed in row.seeds if name in tasks]
                rows.append(
                    row.model_copy(
                        update={
                            "p_values": {test[2]: p_values[test] for test in tests},
                            "adjusted": {test[2]: adjusted[test] for test in tests},
                        }
                    )
                )
    return rows


def _signs(pairs: Sequence[tuple[RunOutcomes, RunOutcomes]]) -> dict[str, Signs]:
    """The signs of each task, from a method's run and the baseline's of the same seed."""
    import numpy as np

    return {
        task: {
            mine.seed: mine.tasks[task].correct.astype(np.int8) - other.tasks[task].correct.astype(np.int8)
            for mine, other in pairs
        }
        for task in pairs[0][0].tasks
    }


def _weights(tasks: Mapping[str, Signs]) -> dict[str, dict[str, float]]:
    """What each row weighs each task with."""
    weights = {task: {task: 1.0} for task in tasks}
    if len(tasks) > 1:
        sizes = {task: len(next(iter(signs.values()))) for task, signs in tasks.items()}
        n = sum(sizes.values())
        weights[MACRO] = dict.fromkeys(tasks, 1 / len(tasks))
        weights[MICRO] = {task: size / n for task, size in sizes.items()}
    return weights


def _difference(
    method: str,
    baseline: str,
    name: str,
    tasks: Mapping[str, Signs],
    weights: Mapping[str, float],
    margin: float,
) -> Difference:
    """The row `name`, still without its p values."""
    seeds = list(next(iter(tasks.values())))
    by_seed = [math.fsum(weights[task] * float(signs[seed].mean()) for task, signs in tasks.items()) for seed in seeds]
    n = sum(len(signs[seeds[0]]) for signs in tasks.values())
    discordant = sum(int((of_seed != 0).sum()) for signs in tasks.values() for of_seed in signs.values())
    discordance = discordant / len(seeds) / n
    over_documents = paired_interval(
        [_counted(list(signs.values())) for signs in tasks.values()], list(weights.values())
    )
    over_seeds = seed_interval(by_seed)
    return Difference(
        method=method,
        baseline=baseline,
        task=name,
        seeds=seeds,
        difference=math.fsum(by_seed) / len(by_seed),
        interval=over_documents,
        seed_interval=over_seeds,
        discordance=discordance,
        p_values={},
        adjusted={},
        detectable=None if name == MACRO else detectable(n, discordance),
        standing=standing(wider(over_documents, over_seeds), margin),
    )


def _counted(signs: Sequence[NDArray[np.int8]]) -> dict[float, int]:
    """How many documents have each mean difference over seeds."""
    import numpy as np

    seeds = len(signs)
    counts = np.bincount(np.sum(signs, axis=0, dtype=np.int64) + seeds, minlength=2 * seeds + 1)
    return {(index - seeds) / seeds: int(count) for index, count in enumerate(counts) if count}


def _p_value(signs: NDArray[np.int8]) -> float:
    return mcnemar(int((signs > 0).sum()), int((signs < 0).sum()))
