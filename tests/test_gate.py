"""The gate: who regressed, who did not, and when it cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from modbench.comparison.outcomes import Facts, RunOutcomes, TaskOutcomes
from modbench.gate import Check, Limits, Status, check, verdict
from modbench.records import Evaluation, ModelInfo, Parameters
from modbench.stats.paired import detectable, holm

N = 1000


def facts(adapter: str | None = "a", total: int = 100, seconds: float = 10.0, peak: int | None = 2**20) -> Facts:
    parameters = Parameters(lora=total, norms=0, router=0, total=total, overhead_percent=None)
    evaluation = Evaluation(seconds=seconds, tokens=None, peak_memory_bytes=peak)
    model = ModelInfo(name="tiny", revision=None, sha256="a" * 64)
    return Facts("suite", model, parameters, [], None, None, evaluation, {}, adapter, None)


def run(correct: np.ndarray, seed: int = 0, method: str = "mod_k", task: str = "x", **known: object) -> RunOutcomes:
    keys = [f"{task}{index:05d}" for index in range(len(correct))]
    return RunOutcomes(method, seed, {task: TaskOutcomes.of(keys, correct)}, "tiny", facts(**known))  # type: ignore[arg-type]


def pair(rng: np.random.Generator, discordance: float, loss: float = 0.0) -> tuple[RunOutcomes, RunOutcomes]:
    """Two runs whose true accuracies differ by `loss`, at the true share `discordance` of documents that differ."""
    kind = rng.choice(4, size=N, p=[(discordance + loss) / 2, (discordance - loss) / 2, 0.3, 0.7 - discordance])
    return run((kind == 0) | (kind == 2)), run((kind == 1) | (kind == 2))


def accuracy_of(checks: list[Check]) -> Check:
    (found,) = (entry for entry in checks if entry.kind == "accuracy")
    return found


@pytest.mark.long
@pytest.mark.parametrize("discordance", [0.1, 0.2, 0.4])
def test_equal_pairs_raise_few_alarms(discordance: float) -> None:
    rng = np.random.default_rng(0)
    alarms = sum(
        verdict(check([old], [new])) is not Status.PASSED for old, new in (pair(rng, discordance) for _ in range(1000))
    )
    assert alarms <= 64  # the 99 % bound of 5 %


@pytest.mark.long
@pytest.mark.parametrize(("discordance", "share"), [(0.06, 0.95), (0.12, 0.95), (0.18, 0.95), (0.3, 0.8)])
def test_a_loss_of_five_points_is_caught(discordance: float, share: float) -> None:
    rng = np.random.default_rng(1)
    caught = sum(
        verdict(check([old], [new])) is Status.REGRESSED
        for old, new in (pair(rng, discordance, 0.05) for _ in range(400))
    )
    assert caught >= share * 400


def test_an_accuracy_is_judged_by_its_documents() -> None:
    before, after = np.ones(N, dtype=bool), np.ones(N, dtype=bool)
    before[500:] = False
    after[450:] = False
    after[990:] = True
    found = accuracy_of(check([run(before)], [run(after)]))
    assert (found.before, found.after) == (0.5, 0.46)
    assert found.raw == pytest.approx(scipy.stats.binomtest(10, 60, alternative="less").pvalue)
    assert found.status is Status.REGRESSED and found.p_value == found.raw and found.discordance == 0.06
    assert found.lost == tuple(f"x{index:05d}" for index in range(450, 500))
    assert found.gained == tuple(f"x{index:05d}" for index in range(990, 1000))
    better = accuracy_of(check([run(after)], [run(before)]))
    assert better.status is Status.PASSED and len(better.gained) == 50


def test_all_accuracies_are_adjusted_together() -> None:
    rng = np.random.default_rng(2)
    pairs = [pair(rng, 0.2, 0.03) for _ in range(6)]
    before, after = ([replace(entry[side], method=f"m{i}") for i, entry in enumerate(pairs)] for side in (0, 1))
    checks = [entry for entry in check(before, after) if entry.kind == "accuracy"]
    assert [entry.p_value for entry in checks] == pytest.approx(holm([entry.raw or 0.0 for entry in checks]))


def test_non_inferiority_wants_proof() -> None:
    rng = np.random.default_rng(3)
    equal = pair(rng, 0.1)
    assert verdict(check(*([side] for side in equal), Limits(margin=0.05))) is Status.PASSED  # type: ignore[arg-type]
    tight = accuracy_of(check([equal[0]], [equal[1]], Limits(margin=0.001)))
    assert tight.status is Status.CANNOT_TELL and "margin of 0.1 points" in tight.said
    lost = pair(rng, 0.15, 0.12)
    assert verdict(check([lost[0]], [lost[1]], Limits(margin=0.02))) is Status.REGRESSED


def test_a_retrained_adapter_needs_five_seeds() -> None:
    rng = np.random.default_rng(4)
    sides = [pair(rng, 0.2, 0.05) for _ in range(5)]
    before = [replace(old, seed=seed) for seed, (old, _) in enumerate(sides)]
    after = [replace(new, seed=seed, facts=facts(adapter=f"new{seed}")) for seed, (_, new) in enumerate(sides)]
    found = accuracy_of(check(before, after))
    gaps = [
        new.tasks["x"].correct.mean() - old.tasks["x"].correct.mean() for old, new in zip(before, after, strict=True)
    ]
    assert found.raw == pytest.approx(scipy.stats.ttest_1samp(gaps, 0, alternative="less").pvalue)
    assert found.seed is None and found.status is Status.REGRESSED
    often = [np.sum([entry.tasks["x"].correct for entry in side], axis=0) for side in (before, after)]
    assert found.lost == tuple(f"x{at:05d}" for at in range(N) if often[0][at] >= 3 and often[1][at] <= 2)
    assert found.gained == tuple(f"x{at:05d}" for at in range(N) if often[0][at] <= 2 and often[1][at] >= 3)
    few = accuracy_of(check(before[:4], after[:4]))
    assert few.status is Status.CANNOT_TELL and "5 seeds on both sides, 4 are there" in few.said


def test_unknown_adapters_are_not_taken_for_the_same() -> None:
    solved = np.ones(10, dtype=bool)
    unknown = run(solved, adapter=None)
    assert verdict(check([unknown], [unknown])) is Status.CANNOT_TELL
    untuned = run(solved, adapter=None, total=0)
    assert verdict(check([untuned], [untuned])) is Status.PASSED
    assert verdict(check([run(solved)], [replace(run(solved), facts=None)])) is Status.CANNOT_TELL


def test_where_some_seeds_are_the_same_all_of_them_count() -> None:
    rng = np.random.default_rng(5)
    sides = [pair(rng, 0.2) for _ in range(5)]
    before = [replace(old, seed=seed) for seed, (old, _) in enumerate(sides)]
    after = [before[0], *(replace(sides[seed][1], seed=seed, facts=facts(adapter="new")) for seed in range(1, 5))]
    found = [entry for entry in check(before, after) if entry.kind == "accuracy"]
    assert [entry.seed for entry in found] == [0, None]
    gaps = [
        new.tasks["x"].correct.mean() - old.tasks["x"].correct.mean() for old, new in zip(before, after, strict=True)
    ]
    assert found[1].raw == pytest.approx(scipy.stats.ttest_1samp(gaps, 0, alternative="less").pvalue)


def test_power_is_that_of_the_adjusted_level() -> None:
    rng = np.random.default_rng(6)
    old, new = pair(rng, 0.2)
    alone = accuracy_of(check([old], [new]))
    three = check(*([replace(side, method=name) for name in "abc"] for side in (old, new)))
    assert alone.discordance is not None and alone.n == N
    assert alone.detectable == detectable(N, alone.discordance, level=0.9)
    assert three[0].detectable == pytest.approx(detectable(N, alone.discordance, level=1 - 0.1 / 3))


def test_more_parameters_are_a_regression() -> None:
    solved = np.ones(10, dtype=bool)
    checks = check([run(solved)], [run(solved, total=101)])
    assert [(entry.kind, entry.status) for entry in checks] == [
        ("accuracy", Status.PASSED),
        ("parameters", Status.REGRESSED),
    ]
    assert verdict(check([run(solved)], [run(solved, total=99)])) is Status.PASSED


def test_speed_and_memory_are_checked_on_request() -> None:
    solved = np.ones(10, dtype=bool)
    slow, large = run(solved, seconds=21.0), run(solved, peak=2**22)
    assert verdict(check([run(solved)], [slow])) is Status.PASSED
    assert verdict(check([run(solved)], [slow], Limits(speed=2.0))) is Status.REGRESSED
    assert verdict(check([run(solved)], [slow], Limits(speed=2.2))) is Status.PASSED
    assert verdict(check([run(solved)], [large], Limits(memory=2.0))) is Status.REGRESSED
    assert verdict(check([run(solved)], [run(solved, peak=None)], Limits(memory=2.0))) is Status.CANNOT_TELL


def test_it_says_when_it_cannot_tell() -> None:
    solved = np.ones(10, dtype=bool)
    old = run(solved)
    for new, said in (
        ([], "no run of it is there"),
        ([run(solved, seed=3)], "no run of this seed is there"),
        ([run(solved, task="y")], "the new run has not answered it"),
        ([run(solved[:9])], "different documents of x"),
        ([replace(old, tasks={"x": replace(old.tasks["x"], conditions={"settings": "v2"})})], None),
    ):
        checks = check([old], new)
        if said is None:
            assert verdict(checks) is Status.PASSED  # one side does not say: nothing is held against it
        else:
            assert verdict(checks) is Status.CANNOT_TELL and any(said in entry.said for entry in checks)
    assert verdict([]) is Status.CANNOT_TELL


def test_a_regression_outweighs_what_cannot_be_told() -> None:
    solved = np.ones(100, dtype=bool)
    before = [run(solved), run(solved, method="lora_all")]
    assert verdict(check(before, [run(~solved)])) is Status.REGRESSED


def test_a_document_less_in_every_seed_is_no_proof() -> None:
    before, after = np.ones(400, dtype=bool), np.ones(400, dtype=bool)
    after[7] = False
    old = [run(before, seed=seed) for seed in range(5)]
    new = [run(after, seed=seed, adapter=f"new{seed}") for seed in range(5)]
    found = accuracy_of(check(old, new))
    assert found.status is Status.PASSED and found.interval is not None and found.interval.high > 0


def test_a_seed_that_was_left_out_is_named() -> None:
    solved = np.ones(100, dtype=bool)
    old = [run(solved, seed=seed) for seed in range(6)]
    new = [run(solved, seed=seed, adapter=f"new{seed}") for seed in range(5)]
    (missing,) = (entry for entry in check(old, new) if entry.status is Status.CANNOT_TELL)
    assert (missing.seed, missing.said) == (5, "no run of this seed is there")
