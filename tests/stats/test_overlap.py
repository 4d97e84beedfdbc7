from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from modbench.errors import ModbenchError
from modbench.records import Sample
from modbench.stats.overlap import Overlap, overlap, solved, verdicts

counts = st.integers(0, 50)


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_counts_are_those_of_sets(pairs: list[tuple[bool, bool]]) -> None:
    a = {number for number, (in_a, _) in enumerate(pairs) if in_a}
    b = {number for number, (_, in_b) in enumerate(pairs) if in_b}
    found = overlap(
        {("task", str(number), 0): number in a for number in range(len(pairs))},
        {("task", str(number), 0): number in b for number in reversed(range(len(pairs)))},
    )
    assert found == Overlap(len(a & b), len(a - b), len(b - a), len(pairs) - len(a | b))
    assert found.jaccard == (len(a & b) / len(a | b) if a | b else None)


def test_repeated_problems_are_told_apart_by_their_order(make_sample: Callable[..., Sample]) -> None:
    answers = [make_sample(2, True, "twice"), make_sample(0, False, "twice"), make_sample(1, True, "once")]
    found = verdicts({"one": answers, "two": [make_sample(0, True, "twice")]})
    assert found == {
        ("one", "twice", 0): False,
        ("one", "once", 0): True,
        ("one", "twice", 1): True,
        ("two", "twice", 0): True,
    }
    assert solved(found) == {("one", "once", 0), ("one", "twice", 1), ("two", "twice", 0)}


def test_different_problems_are_refused() -> None:
    a = {("task", "x", 0): True, ("task", "y", 0): True}
    b = {("task", "x", 0): True, ("task", "z", 0): True, ("task", "z", 1): True}
    with pytest.raises(ModbenchError, match="1 only the first, 2 only the second, such as 'y' of task"):
        overlap(a, b)


@given(counts, counts, counts, counts)
def test_agreement_is_statsmodels_kappa(both: int, only_a: int, only_b: int, neither: int) -> None:
    found = Overlap(both, only_a, only_b, neither)
    n = both + only_a + only_b + neither
    a, b = (both + only_a, both + only_b)
    if found.n and (a, b) not in ((0, 0), (n, n)):
        expected = cohens_kappa([[both, only_a], [only_b, neither]], return_results=False)
        assert found.kappa == pytest.approx(float(expected), abs=1e-12)
    else:
        assert found.kappa is None


@given(counts, counts, counts, counts)
def test_yules_q_is_that_of_the_odds_ratio(both: int, only_a: int, only_b: int, neither: int) -> None:
    found = Overlap(both, only_a, only_b, neither).yule_q
    if only_a * only_b:
        odds = both * neither / (only_a * only_b)
        assert found == pytest.approx((odds - 1) / (odds + 1))
    else:
        assert found == (1.0 if both * neither else None)


def test_overlaps_add_up() -> None:
    assert Overlap(1, 2, 3, 4) + Overlap(10, 20, 30, 40) == Overlap(11, 22, 33, 44)
