from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import sem

from modbench.stats.accuracy import Estimate, accuracy, mean


@given(st.lists(st.booleans(), min_size=2, max_size=200))
def test_accuracy_is_the_mean_and_its_standard_error(verdicts: list[bool]) -> None:
    found = accuracy(sum(verdicts), len(verdicts))
    assert found.value == pytest.approx(np.mean(verdicts))
    assert found.stderr == pytest.approx(sem(np.array(verdicts, dtype=float)), abs=1e-12)


def test_one_problem_has_no_standard_error() -> None:
    assert accuracy(1, 1) == (1.0, None)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(correct: int, n: int) -> None:
    with pytest.raises(ValueError):
        accuracy(correct, n)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_mean_of_estimates(pairs: list[tuple[float, float]]) -> None:
    found = mean([Estimate(*pair) for pair in pairs])
    values, errors = np.array(pairs).T
    assert found.value == pytest.approx(values.mean())
    assert found.stderr == pytest.approx(math.sqrt((errors**2).sum()) / len(pairs))


def test_the_error_of_a_mean_is_that_of_a_simulation() -> None:
    generator = np.random.default_rng(0)
    sizes, shares = (40, 100, 400), (0.3, 0.5, 0.9)
    draws = np.mean([generator.binomial(n, p, 20000) / n for n, p in zip(sizes, shares, strict=True)], axis=0)
    stated = mean([accuracy(round(n * p), n) for n, p in zip(sizes, shares, strict=True)])
    assert stated.stderr == pytest.approx(draws.std(), rel=0.03)


def test_an_unknown_error_makes_the_error_of_the_mean_unknown() -> None:
    assert mean([Estimate(0.5, 0.1), Estimate(1.0, None)]) == (0.75, None)
    with pytest.raises(ValueError):
        mean([])
