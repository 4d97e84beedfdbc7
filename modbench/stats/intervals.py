"""Intervals: for one accuracy, for a difference over seeds, for a paired difference over documents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEVEL = 0.95
"""The share of repetitions in which an interval holds the truth."""
DRAWS = 10_000
"""Bootstrap samples of a paired interval: its ends then vary by about 2 % of its width from seed to seed."""
DOUBT = 0.5
"""Documents that are added to each discordant class before resampling, as Agresti and Min (2005) add them to a table.

Without them documents on which two methods agree throughout would give an interval of width 0, however few they are.
"""


class Interval(NamedTuple):
    """A lower and an upper end."""

    low: float
    high: float


def wilson(correct: float, n: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval for the share correct / n, within 0 to 1.

    `correct` may be a mean over seeds that answered the same `n` documents: the interval is that of documents.
    Raises ValueError unless 0 <= correct <= n and n >= 1.
    """
    from scipy.special import ndtri

    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} correct of {n} is no share")
    share, z = correct / n, float(ndtri((1 + level) / 2))
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(max(0.0, center - reach) if correct else 0.0, min(1.0, center + reach) if correct < n else 1.0)


def seed_spread(differences: Sequence[float], floor: float = 0.0) -> float:
    """The standard deviation of one difference per seed (of at least two), as a sample's, and at least `floor`."""
    m = len(differences)
    center = math.fsum(differences) / m
    return max(floor, math.sqrt(math.fsum((d - center) ** 2 for d in differences) / (m - 1)))


def seed_interval(differences: Sequence[float], level: float = LEVEL, floor: float = 0.0) -> Interval | None:
    """Student's t interval for the mean of one difference per seed; None with fewer than two seeds.

    The spread over seeds is that of `seed_spread`.
    """
    from scipy.special import stdtrit

    m = len(differences)
    if m < 2:
        return None
    center = math.fsum(differences) / m
    reach = float(stdtrit(m - 1, (1 + level) / 2)) * seed_spread(differences, floor) / math.sqrt(m)
    return Interval(center - reach, center + reach)


def paired_interval(
    strata: Sequence[Mapping[float, int]], weights: Sequence[float], level: float = LEVEL, seed: int = 0
) -> Interval:
    """Percentile interval, by a stratified paired bootstrap over documents, for a weighted sum of mean differences.

    Each stratum (a task) counts its documents by their difference, from -1 to 1: correct under A minus correct under
    B, averaged over seeds. Documents of one difference are alike to the resampling, so that a multinomial draw of the
    counts replaces the draw of documents: the cost does not grow with their number. `DOUBT` says what is added.

    Raises ValueError if there is no stratum, if one has no document, or if the weights are not one per stratum.
    """
    import numpy as np

    if not strata or len(strata) != len(weights) or not all(sum(stratum.values()) for stratum in strata):
        raise ValueError("a paired interval needs documents in each stratum, and a weight for each")
    rng = np.random.default_rng(seed)
    total = np.zeros(DRAWS)
    for stratum, weight in zip(strata, weights, strict=True):
        n = sum(stratum.values())
        doubtful = {**stratum, **{sign: stratum.get(sign, 0) + DOUBT for sign in (-1.0, 1.0)}}
        values = np.array(sorted(doubtful))
        shares = np.array([doubtful[value] for value in values]) / (n + 2 * DOUBT)
        total += weight * (rng.multinomial(n, shares, size=DRAWS) @ values) / n
    low, high = np.quantile(total, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def wider(first: Interval, second: Interval | None) -> Interval:
    """The one of two intervals that is wider; the first where there is no second."""
    return second if second is not None and second.high - second.low > first.high - first.low else first
