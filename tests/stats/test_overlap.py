from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from modbench.stats.overlap import Overlap
from modbench.stats.solved import overlaps

counts = st.integers(0, 50)


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_counts_are_those_of_sets(pairs: list[tuple[bool, bool]]) -> None:
    a = {number for number, (in_a, _) in enumerate(pairs) if in_a}
    b = {number for number, (_, in_b) in enumerate(pairs) if in_b}
    found = overlaps(np.array(pairs, dtype=bool).reshape(-1, 2).T)[0, 1]
    assert found == Overlap(len(a & b), len(a - b), len(b - a), len(pairs) - len(a | b))
    assert found.jaccard == (len(a & b) / len(a | b) if a | b else None)


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
