"""Who solves what: the overlap of each two methods, and the solved sets of all of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from modbench.comparison.models import Intersection, PairOverlap, SolvedSets
from modbench.comparison.outcomes import RunOutcomes
from modbench.comparison.scores import all_documents
from modbench.stats.overlap import Overlap
from modbench.stats.solved import MOST, intersections, overlaps

LARGEST = 1000
"""How many exclusive intersections are listed: twenty methods have a million."""

Methods = Mapping[str, Sequence[RunOutcomes]]


def pair_overlaps(methods: Methods) -> list[PairOverlap]:
    """The overlap of each two methods, added up over the seeds that both have; pairs without one are left out."""
    import numpy as np

    names = list(methods)
    by_seed = {name: {run.seed: all_documents(run.tasks) for run in runs} for name, runs in methods.items()}
    totals = {pair: (Overlap(0, 0, 0, 0), list[int]()) for pair in combinations(names, 2)}
    for seed in sorted({seed for of in by_seed.values() for seed in of}):
        having = [name for name in names if seed in by_seed[name]]
        found = overlaps(np.stack([by_seed[name][seed] for name in having]))
        for (i, j), overlap in found.items():
            total, seeds = totals[having[i], having[j]]
            totals[having[i], having[j]] = (total + overlap, [*seeds, seed])
    return [
        PairOverlap(
            a=a,
            b=b,
            seeds=seeds,
            both=total.both,
            only_a=total.only_a,
            only_b=total.only_b,
            neither=total.neither,
            jaccard=total.jaccard,
            kappa=total.kappa,
            yule_q=total.yule_q,
        )
        for (a, b), (total, seeds) in totals.items()
        if seeds
    ]


def solved_sets(methods: Methods) -> SolvedSets | None:
    """The solved sets of all methods at once; None without a seed that all have, and for over `MOST` methods."""
    import numpy as np

    names = list(methods)
    seeds = sorted(set.intersection(*({run.seed for run in runs} for runs in methods.values())))
    if not seeds or len(names) > MOST:
        return None
    matrix = np.stack(
        [
            np.concatenate([all_documents(run.tasks) for run in sorted(methods[name], key=_seed) if run.seed in seeds])
            for name in names
        ]
    )
    bars = intersections(matrix, LARGEST)
    by_how_many = matrix.sum(axis=0)
    union = int((by_how_many > 0).sum())
    return SolvedSets(
        seeds=seeds,
        n=matrix.shape[1],
        union=union,
        rest=matrix.shape[1] - sum(bars.values()),
        intersections=[Intersection(methods=[names[i] for i in key], count=count) for key, count in bars.items()],
        attained={name: int(row.sum()) / union if union else None for name, row in zip(names, matrix, strict=True)},
        unique={name: int((by_how_many[row] == 1).sum()) for name, row in zip(names, matrix, strict=True)},
    )


def _seed(run: RunOutcomes) -> int:
    return run.seed
