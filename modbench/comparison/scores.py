"""Accuracies of one method over its seeds: by task, over tasks, and on the problems that it was not trained on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modbench.comparison.models import Clean, Score
from modbench.comparison.outcomes import RunOutcomes, TaskOutcomes
from modbench.stats.intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdicts = Mapping[int, "NDArray[np.bool_]"]
"""The verdicts of each seed, on the same documents in the same order."""


def task_score(verdicts: Verdicts) -> Score:
    """The accuracy on one task. Its standard error is that of documents, each with its mean over seeds."""
    import numpy as np

    per_document = np.mean(list(verdicts.values()), axis=0)
    n = len(per_document)
    by_seed = {seed: float(of.mean()) for seed, of in verdicts.items()}
    interval = wilson(float(per_document.sum()), n)
    return Score(
        accuracy=float(per_document.mean()),
        stderr=float(per_document.std(ddof=1)) / math.sqrt(n) if n > 1 else None,
        low=interval.low,
        high=interval.high,
        spread=_spread(by_seed),
        seeds=by_seed,
    )


def macro_score(tasks: Sequence[Score]) -> Score:
    """The unweighted mean over tasks, which are independent sets of documents."""
    by_seed = {seed: math.fsum(score.seeds[seed] for score in tasks) / len(tasks) for seed in tasks[0].seeds}
    errors = [score.stderr for score in tasks if score.stderr is not None]
    return Score(
        accuracy=math.fsum(score.accuracy for score in tasks) / len(tasks),
        stderr=math.hypot(*errors) / len(tasks) if len(errors) == len(tasks) else None,
        low=None,
        high=None,
        spread=_spread(by_seed),
        seeds=by_seed,
    )


def clean_scores(methods: Mapping[str, Sequence[RunOutcomes]]) -> dict[str, dict[str, Clean]]:
    """For each method and task how many problems its training data contained, and its accuracy on those that no
    method's did, so that all answer the same ones.

    A problem that any seed was trained on counts as seen, and a method without trained parameters has seen none.
    """
    found: dict[str, dict[str, Clean]] = {method: {} for method in methods}
    for task in next(iter(methods.values()))[0].tasks:
        own = {method: _any([_seen(run, task) for run in runs]) for method, runs in methods.items()}
        anyone = _any(list(own.values()))
        for method, runs in methods.items():
            seen, score = own[method], None
            if anyone is not None and not anyone.all():
                score = task_score({run.seed: run.tasks[task].correct[~anyone] for run in runs})
            found[method][task] = Clean(
                n=None if anyone is None else int((~anyone).sum()),
                seen=None if seen is None else int(seen.sum()),
                score=score,
            )
    return found


def clean_macro(clean: Mapping[str, Clean]) -> Score | None:
    """The unweighted mean of the clean accuracies; None if a task has none."""
    scores = [of.score for of in clean.values() if of.score is not None]
    return macro_score(scores) if len(scores) == len(clean) else None


def _seen(run: RunOutcomes, task: str) -> NDArray[np.bool_] | None:
    import numpy as np

    outcomes = run.tasks[task]
    # `training` is None also where somebody else trained the adapter.
    untrained = run.facts is not None and run.facts.parameters.total == 0
    return np.zeros(outcomes.n, dtype=bool) if untrained else outcomes.seen


def _any(flags: Sequence[NDArray[np.bool_] | None]) -> NDArray[np.bool_] | None:
    """Which problems any of `flags` marks; unknown where any is."""
    import numpy as np

    known = [flag for flag in flags if flag is not None]
    return np.logical_or.reduce(known) if len(known) == len(flags) else None


def verdicts_of(runs: Sequence[RunOutcomes], task: str) -> dict[int, NDArray[np.bool_]]:
    """The verdicts of one method's `runs` on `task`, by seed."""
    return {run.seed: run.tasks[task].correct for run in runs}


def all_documents(tasks: Mapping[str, TaskOutcomes]) -> NDArray[np.bool_]:
    """The verdicts on the documents of all tasks, one task after the other."""
    import numpy as np

    return np.concatenate([of.correct for of in tasks.values()])


def _spread(by_seed: Mapping[int, float]) -> float | None:
    return statistics.stdev(by_seed.values()) if len(by_seed) > 1 else None
