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


def clean_scores(runs: Sequence[RunOutcomes]) -> dict[str, Clean] | None:
    """For each task how many problems the training data contained, and the accuracy on the others.

    None where it is unknown for some task or seed. Training data do not depend on the seed; should they, a problem that
    any seed was trained on counts as seen.
    """
    import numpy as np

    found = {}
    for task in runs[0].tasks:
        flags = [flag for run in runs if (flag := run.tasks[task].seen) is not None]
        if len(flags) < len(runs):
            return None
        unseen = ~np.logical_or.reduce(flags)
        rest = {run.seed: run.tasks[task].correct[unseen] for run in runs} if unseen.any() else None
        seen = int((~unseen).sum())
        found[task] = Clean(n=len(unseen), seen=seen, score=task_score(rest) if rest else None)
    return found


def verdicts_of(runs: Sequence[RunOutcomes], task: str) -> dict[int, NDArray[np.bool_]]:
    """The verdicts of one method's `runs` on `task`, by seed."""
    return {run.seed: run.tasks[task].correct for run in runs}


def all_documents(tasks: Mapping[str, TaskOutcomes]) -> NDArray[np.bool_]:
    """The verdicts on the documents of all tasks, one task after the other."""
    import numpy as np

    return np.concatenate([of.correct for of in tasks.values()])


def _spread(by_seed: Mapping[int, float]) -> float | None:
    return statistics.stdev(by_seed.values()) if len(by_seed) > 1 else None
