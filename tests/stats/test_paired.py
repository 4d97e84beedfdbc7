from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct, t, ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from modbench.stats.intervals import Interval
from modbench.stats.paired import (
    Alternative,
    Standing,
    detectable,
    detectable_over_seeds,
    holm,
    mcnemar,
    paired_t,
    standing,
)

few = st.integers(0, 60)


@given(few, few)
def test_mcnemar_is_statsmodels(only_a: int, only_b: int) -> None:
    expected = reference_mcnemar([[5, only_a], [only_b, 7]], exact=True).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(min(1.0, expected))


@given(few, few)
def test_the_one_sided_test_sums_the_coins(only_a: int, only_b: int) -> None:
    n = only_a + only_b
    tail = sum(math.comb(n, i) for i in range(only_a + 1)) / 2**n
    assert mcnemar(only_a, only_b, "less") == pytest.approx(tail)
    assert mcnemar(only_a, only_b, "greater") == pytest.approx(mcnemar(only_b, only_a, "less"))


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=12), st.sampled_from(["two-sided", "less", "greater"]))
def test_the_t_test_is_scipys(thousandths: list[int], alternative: Alternative) -> None:
    found = paired_t([value / 1000 for value in thousandths], alternative)
    if len(set(thousandths)) > 1:
        assert found == pytest.approx(ttest_1samp(np.array(thousandths) / 1000, 0, alternative=alternative).pvalue)
    else:
        sign = {"less": thousandths[0] < 0, "greater": thousandths[0] > 0, "two-sided": thousandths[0] != 0}
        assert found == (0.0 if sign[alternative] else 1.0)


@given(st.lists(st.floats(0, 1), max_size=30))
@settings(max_examples=40, deadline=None)
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(list(expected))


@pytest.mark.parametrize(("n", "discordance"), [(400, 0.1), (1000, 0.2), (1319, 0.4), (200, 0.02)])
def test_a_difference_of_the_detectable_size_is_found_as_often_as_promised(n: int, discordance: float) -> None:
    size = detectable(n, discordance)
    assert size is not None
    rng, raised = np.random.default_rng(0), max(discordance, size)
    better, worse = (raised + size) / 2, (raised - size) / 2
    draws = rng.multinomial(n, [better, worse, 1 - raised], size=1500)
    found = np.mean([mcnemar(int(b), int(c)) < 0.05 for b, c, _ in draws])
    assert found == pytest.approx(0.8, abs=0.06)  # the exact test is a little more careful than its approximation


def test_more_documents_show_smaller_differences() -> None:
    sizes = [detectable(n, 0.2) for n in (100, 1000, 10_000)]
    assert all(sizes) and sizes == sorted(sizes, reverse=True)  # type: ignore[type-var]
    assert detectable(3, 0.5) is None
    with pytest.raises(ValueError):
        detectable(0, 0.1)


@pytest.mark.parametrize("seeds", [2, 3, 5, 8, 20])
@pytest.mark.parametrize("checks", [1, 3, 14, 100])
def test_what_seeds_would_show_is_scipys_and_statsmodels(seeds: int, checks: int) -> None:
    alpha, spread = 0.05 / checks, 1e-4
    found = detectable_over_seeds(seeds, spread, level=1 - 2 * alpha)
    assert found is not None
    shift = found / spread * math.sqrt(seeds)
    critical = t.isf(alpha, seeds - 1)
    assert nct.sf(critical, seeds - 1, shift) == pytest.approx(0.8, abs=1e-4)
    if seeds > 3:
        expected = TTestPower().solve_power(nobs=seeds, alpha=alpha, power=0.8, alternative="larger")
        assert found == pytest.approx(expected * spread, rel=1e-3)


@pytest.mark.parametrize(("seeds", "level"), [(5, 0.9), (5, 1 - 0.1 / 3), (10, 0.9)])
def test_a_loss_of_that_size_over_seeds_is_found_as_often_as_promised(seeds: int, level: float) -> None:
    size = detectable_over_seeds(seeds, 0.01, level=level)
    assert size is not None
    draws = np.random.default_rng(0).normal(-size, 0.01, (2000, seeds))
    found = np.mean([paired_t(list(draw), "less") < (1 - level) / 2 for draw in draws])
    assert found == pytest.approx(0.8, abs=0.03)


def test_no_loss_would_show_where_seeds_spread_too_far() -> None:
    assert detectable_over_seeds(5, 0.0) == 0.0
    assert detectable_over_seeds(5, 0.9) is None
    with pytest.raises(ValueError):
        detectable_over_seeds(1, 0.01)


@pytest.mark.parametrize(
    ("low", "high", "margin", "expected"),
    [
        (0.01, 0.05, 0.0, Standing.BETTER),
        (-0.05, -0.01, 0.0, Standing.WORSE),
        (-0.05, 0.01, 0.0, Standing.UNDECIDED),
        (-0.005, 0.01, 0.01, Standing.NOT_WORSE),
        (-0.009, -0.001, 0.01, Standing.NOT_WORSE),
        (-0.02, 0.01, 0.01, Standing.UNDECIDED),
        (-0.02, -0.001, 0.01, Standing.WORSE),
        (0.0, 0.0, 0.0, Standing.UNDECIDED),
    ],
)
def test_standing(low: float, high: float, margin: float, expected: Standing) -> None:
    assert standing(Interval(low, high), margin) is expected
