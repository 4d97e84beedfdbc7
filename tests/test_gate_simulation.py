"""The whole gate by simulation: how often it is wrong, and how often it sees what is there."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from modbench.comparison.outcomes import RunOutcomes
from modbench.gate import Limits, Status, check, verdict
from modbench.stats.paired import detectable_over_seeds

from .gate_runs import TRAINING, N, accuracy_of, facts, pair, trainings

BOUND = 64
"""The 99 % bound of 5 % in 1,000."""


@pytest.mark.long
@pytest.mark.parametrize("discordance", [0.1, 0.2, 0.4])
def test_equal_pairs_raise_few_alarms(discordance: float) -> None:
    rng = np.random.default_rng(0)
    alarms = sum(
        verdict(check([old], [new])) is not Status.PASSED for old, new in (pair(rng, discordance) for _ in range(1000))
    )
    assert alarms <= BOUND


@pytest.mark.long
def test_equal_pairs_on_several_tasks_raise_few_alarms() -> None:
    rng, alarms = np.random.default_rng(10), 0
    for _ in range(1000):
        pairs = {f"at {discordance}": pair(rng, discordance) for discordance in (0.1, 0.2, 0.4)}
        sides = (
            RunOutcomes("mod_k", 0, {task: of[side].tasks["x"] for task, of in pairs.items()}, "tiny", facts())
            for side in (0, 1)
        )
        alarms += verdict(check(*([side] for side in sides))) is not Status.PASSED
    assert alarms <= BOUND


@pytest.mark.long
def test_equal_trainings_raise_few_alarms() -> None:
    rng = np.random.default_rng(11)
    alarms = sum(verdict(check(*trainings(rng, tasks=3))) is not Status.PASSED for _ in range(1000))
    assert alarms <= BOUND


@pytest.mark.long
def test_a_loss_over_trainings_is_caught_as_often_as_said() -> None:
    rng = np.random.default_rng(12)
    loss = detectable_over_seeds(5, (2 * (TRAINING**2 + 0.6 * 0.4 / N)) ** 0.5, level=0.9)
    assert loss is not None
    found = [accuracy_of(check(*trainings(rng, loss=loss))) for _ in range(500)]
    assert np.mean([of.status is Status.REGRESSED for of in found]) == pytest.approx(0.8, abs=0.05)
    assert np.mean([of.detectable for of in found]) == pytest.approx(loss, rel=0.1)  # the spread seen is a bit small


@pytest.mark.long
@pytest.mark.parametrize("discordance", [0.1, 0.2, 0.4])
def test_a_loss_of_the_margin_is_seldom_taken_for_none(discordance: float) -> None:
    rng = np.random.default_rng(13)
    found = [
        verdict(check([old], [new], Limits(margin=0.02)))
        for old, new in (pair(rng, discordance, 0.02) for _ in range(1000))
    ]
    bound = scipy.stats.binom.ppf(0.99, 1000, 0.025)  # each end of a 95 % interval
    assert found.count(Status.PASSED) <= bound and found.count(Status.REGRESSED) <= bound


@pytest.mark.long
@pytest.mark.parametrize(("discordance", "share"), [(0.06, 0.95), (0.12, 0.95), (0.18, 0.95), (0.3, 0.8)])
def test_a_loss_of_five_points_is_caught(discordance: float, share: float) -> None:
    rng = np.random.default_rng(1)
    caught = sum(
        verdict(check([old], [new])) is Status.REGRESSED
        for old, new in (pair(rng, discordance, 0.05) for _ in range(400))
    )
    assert caught >= share * 400
