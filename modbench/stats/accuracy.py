"""Accuracies, as fractions from 0 to 1, with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Estimate(NamedTuple):
    """A value and its standard error, None where that is unknown."""

    value: float
    stderr: float | None


def accuracy(correct: int, n: int) -> Estimate:
    """The share p = correct / n with the standard error of a mean, sqrt(p (1 - p) / (n - 1)); unknown for n = 1.

    Raises ValueError unless 0 <= correct <= n and n >= 1.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} correct of {n} is no accuracy")
    p = correct / n
    return Estimate(p, math.sqrt(p * (1 - p) / (n - 1)) if n > 1 else None)


def mean(estimates: Sequence[Estimate]) -> Estimate:
    """The unweighted mean of m independent estimates, standard error sqrt(sum of squared errors) / m.

    Unknown error if any is unknown. Over tasks this is the macro average. Over seeds, which answer the same problems,
    it holds the noise within each seed only: it is no measure of how problems or seeds in general differ.
    Raises ValueError if there are none.
    """
    if not estimates:
        raise ValueError("the mean of no estimates is unknown")
    errors = [estimate.stderr for estimate in estimates if estimate.stderr is not None]
    known = len(errors) == len(estimates)
    return Estimate(
        math.fsum(estimate.value for estimate in estimates) / len(estimates),
        math.hypot(*errors) / len(estimates) if known else None,
    )
