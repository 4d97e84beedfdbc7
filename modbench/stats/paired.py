"""Is a paired difference real? Exact McNemar, paired t, Holm's adjustment, what they could show, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from modbench.stats.intervals import LEVEL, Interval, seed_spread

POWER = 0.8
"""The share of repetitions in which a difference of the detectable size would be found."""

Alternative = Literal["two-sided", "less", "greater"]


class Standing(StrEnum):
    """How a method stands against its baseline."""

    BETTER = "better"
    NOT_WORSE = "not worse"
    WORSE = "worse"
    UNDECIDED = "undecided"


def mcnemar(only_a: int, only_b: int, alternative: Alternative = "two-sided") -> float:
    """Exact McNemar p value: were A and B equally good, each discordant document would go either way like a coin.

    `less` asks whether A solves fewer than B. Without discordant documents it is 1.
    """
    from scipy.special import bdtr

    discordant = only_a + only_b
    if not discordant:
        return 1.0
    solved = {"less": only_a, "greater": only_b, "two-sided": min(only_a, only_b)}[alternative]
    tail = float(bdtr(solved, discordant, 0.5))
    return min(1.0, 2 * tail) if alternative == "two-sided" else tail


def paired_t(differences: Sequence[float], alternative: Alternative = "two-sided", floor: float = 0.0) -> float:
    """Student's paired t test of one difference per seed against 0; `less` asks whether they are below 0.

    The spread over seeds is that of `seed_spread`. Without a `floor` differences that are all equal (to 12 places)
    leave no doubt: p is then 0 or 1 by their sign (1 for no difference at all).
    Raises ValueError with fewer than two.
    """
    from scipy.special import stdtr

    m = len(differences)
    if m < 2:
        raise ValueError(f"{m} differences: a t test needs two")
    center = math.fsum(differences) / m
    spread = seed_spread(differences, floor)
    if spread < 1e-12:
        away = {"less": center < 0, "greater": center > 0, "two-sided": center != 0}[alternative]
        return 0.0 if away else 1.0
    below = float(stdtr(m - 1, center / spread * math.sqrt(m)))
    return {"less": below, "greater": 1 - below, "two-sided": 2 * min(below, 1 - below)}[alternative]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given: each p times the number of those not below it, kept monotone."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def detectable(n: int, discordance: float, power: float = POWER, level: float = LEVEL) -> float | None:
    """The smallest difference of accuracies that McNemar's test on `n` documents would find with that `power`.

    `discordance` is the share of documents on which the two differ; it cannot be smaller than the difference itself,
    so that it is raised to it where it is. Connor's (1987) normal approximation for the two-sided test at
    1 - `level`: sqrt(n) d = z_level sqrt(p) + z_power sqrt(p - d^2). None where not even a difference of 1 would do.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    if n < 1 or not 0 <= discordance <= 1:
        raise ValueError(f"{n} documents at discordance {discordance}: no such comparison")
    z_level, z_power = float(ndtri((1 + level) / 2)), float(ndtri(power))

    def excess(d: float) -> float:
        p = max(discordance, d)
        return math.sqrt(n) * d - z_level * math.sqrt(p) - z_power * math.sqrt(max(p - d * d, 0.0))

    smallest = 1e-12
    if excess(1.0) < 0:
        return None
    return float(brentq(excess, smallest, 1.0)) if excess(smallest) < 0 else smallest


def detectable_over_seeds(seeds: int, spread: float, power: float = POWER, level: float = LEVEL) -> float | None:
    """The smallest loss of accuracy that the one-sided paired t test over so many seeds would find with that `power`.

    `spread` is the standard deviation of the differences over seeds. The test is at (1 - `level`) / 2, as the one-sided
    half of `detectable`'s, and its statistic is noncentral t. None where not even a loss of 1 would do.
    Raises ValueError with fewer than two seeds.
    """
    from scipy.special import nctdtrinc, stdtrit

    if seeds < 2:
        raise ValueError(f"{seeds} differences: a t test needs two")
    critical = float(stdtrit(seeds - 1, (1 + level) / 2))
    smallest = float(nctdtrinc(seeds - 1, 1 - power, critical)) * spread / math.sqrt(seeds)
    return smallest if smallest <= 1 else None


def standing(interval: Interval, margin: float = 0.0) -> Standing:
    """What the interval of a difference says: better above 0, not worse above -`margin`, worse below 0."""
    if interval.low > 0:
        return Standing.BETTER
    if margin > 0 and interval.low > -margin:
        return Standing.NOT_WORSE
    return Standing.WORSE if interval.high < 0 else Standing.UNDECIDED
