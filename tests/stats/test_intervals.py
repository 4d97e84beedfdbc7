from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from modbench.stats.intervals import Interval, paired_interval, seed_interval, seed_spread, wider, wilson


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_where_the_score_test_turns(counts: tuple[int, int]) -> None:
    correct, n = counts
    interval = wilson(correct, n)
    expected = scipy.stats.binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert tuple(interval) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= interval.low <= correct / n <= interval.high <= 1
    z = scipy.stats.norm.ppf(0.975)
    for end in interval:
        if 0 < end < 1:
            assert abs(correct / n - end) == pytest.approx(z * (end * (1 - end) / n) ** 0.5, rel=1e-6)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError):
        wilson(3, 2)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
def test_the_seed_interval_is_students(differences: list[float]) -> None:
    spread = np.std(differences, ddof=1) / len(differences) ** 0.5
    found = seed_interval(differences)
    assert found is not None
    if spread > 1e-9:
        expected = scipy.stats.t.interval(0.95, len(differences) - 1, np.mean(differences), spread)
        assert tuple(found) == pytest.approx(tuple(expected), rel=1e-6, abs=1e-9)
    assert seed_interval(differences[:1]) is None


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20), st.floats(0, 0.1))
def test_the_spread_over_seeds_is_a_samples_and_no_less_than_its_floor(differences: list[float], floor: float) -> None:
    assert seed_spread(differences, floor) == pytest.approx(max(floor, np.std(differences, ddof=1)), abs=1e-12)


def by_documents(strata: list[list[float]], weights: list[float]) -> Interval:
    """The same bootstrap, document by document."""
    draw = random.Random(1)

    def mean(documents: list[float]) -> float:
        return sum(draw.choices(documents, k=len(documents))) / len(documents)

    totals = sorted(sum(w * mean(of) for of, w in zip(strata, weights, strict=True)) for _ in range(4000))
    return Interval(totals[100], totals[-101])


def test_drawing_counts_equals_drawing_documents() -> None:
    draw = random.Random(0)
    strata = [
        draw.choices([-1.0, 0.0, 1.0], [1, 6, 2], k=400),
        draw.choices([-1.0, -0.5, 0.0, 0.5, 1.0], [1, 2, 5, 3, 1], k=150),
    ]
    weights = [0.5, 0.5]
    found = paired_interval([Counter(documents) for documents in strata], weights)
    expected = by_documents(strata, weights)
    assert tuple(found) == pytest.approx(tuple(expected), abs=0.006)
    assert found == paired_interval([Counter(documents) for documents in strata], weights)


def test_it_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held, repetitions = 0, 300
    for seed in range(repetitions):
        b, c, both, neither = rng.multinomial(300, [0.12, 0.07, 0.5, 0.31])
        interval = paired_interval([{1.0: int(b), -1.0: int(c), 0.0: int(both + neither)}], [1.0], seed=seed)
        held += interval.low <= 0.05 <= interval.high
    assert scipy.stats.binomtest(held, repetitions, 0.95).pvalue > 0.001


def test_agreement_on_a_few_documents_is_no_proof_of_equality() -> None:
    few, many = (paired_interval([{0.0: n}], [1.0]) for n in (10, 10_000))
    assert few.low < -0.05 < 0.05 < few.high
    assert -0.001 < many.low <= 0 <= many.high < 0.001


@pytest.mark.parametrize(("strata", "weights"), [([], []), ([{0.0: 0}], [1.0]), ([{0.0: 1}], [0.5, 0.5])])
def test_nothing_to_resample_is_refused(strata: list[dict[float, int]], weights: list[float]) -> None:
    with pytest.raises(ValueError):
        paired_interval(strata, weights)


def test_the_wider_interval_counts() -> None:
    narrow, wide = Interval(0.1, 0.2), Interval(-0.1, 0.3)
    assert wider(narrow, wide) == wider(wide, narrow) == wide
    assert wider(narrow, None) == narrow
