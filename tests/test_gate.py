"""The gate: who regressed, who did not, and when it cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from modbench.errors import ModbenchError
from modbench.gate import Limits, Status, check, verdict
from modbench.stats.paired import detectable, detectable_over_seeds, holm

from .gate_runs import N, accuracy_of, facts, pair, run


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
    apart = [np.mean(old.tasks["x"].correct != new.tasks["x"].correct) for old, new in zip(before, after, strict=True)]
    assert (found.n, found.seeds) == (N, 5) and found.discordance == pytest.approx(np.mean(apart))
    assert found.spread == pytest.approx(np.std(gaps, ddof=1))
    assert found.detectable == pytest.approx(detectable_over_seeds(5, float(np.std(gaps, ddof=1)), level=0.9))
    few = accuracy_of(check(before[:4], after[:4]))
    assert few.status is Status.CANNOT_TELL and "5 seeds on both sides, 4 are there" in few.said


def test_unknown_adapters_are_not_taken_for_the_same() -> None:
    solved = np.ones(10, dtype=bool)
    unknown = run(solved, adapter=None)
    assert verdict(check([unknown], [unknown])) is Status.CANNOT_TELL
    untuned = run(solved, adapter=None, total=0)
    assert verdict(check([untuned], [untuned])) is Status.PASSED
    assert verdict(check([run(solved)], [replace(run(solved), facts=None)])) is Status.CANNOT_TELL


def test_a_retrained_seed_cannot_hide_among_unchanged_ones() -> None:
    rng = np.random.default_rng(5)
    sides = [pair(rng, 0.2) for _ in range(8)]
    before = [replace(old, seed=seed) for seed, (old, _) in enumerate(sides)]
    for retrained in (1, 4, 5):
        new = [replace(sides[seed][1], seed=seed, facts=facts(adapter="new")) for seed in range(retrained)]
        found = [entry for entry in check(before, [*new, *before[retrained:]]) if entry.kind == "accuracy"]
        assert [entry.seed for entry in found] == [*range(retrained, 8), None]
        together = found[-1]
        if retrained < 5:
            assert together.status is Status.CANNOT_TELL and f"{retrained} are there" in together.said
        else:
            gaps = [
                float(one.tasks["x"].correct.mean()) - float(other.tasks["x"].correct.mean())
                for one, other in zip(new, before, strict=False)
            ]
            assert together.raw == pytest.approx(scipy.stats.ttest_1samp(gaps, 0, alternative="less").pvalue)


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


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf")])
def test_a_ratio_that_nothing_can_keep_is_refused(ratio: float) -> None:
    for name in ("speed", "memory"):
        with pytest.raises(ModbenchError, match=f"--{name}.*above 0"):
            Limits(**{name: ratio})


def test_what_lm_eval_does_not_say_is_not_taken_for_passed() -> None:
    solved = np.ones(100, dtype=bool)
    old = [run(solved, seed=seed) for seed in range(5)]
    foreign = [replace(of, facts=None) for of in old]
    checks = check(old, foreign, Limits(memory=2.0))
    told = [(of.kind, of.seed, of.status) for of in checks]
    assert told[0] == ("accuracy", None, Status.PASSED)
    assert told[1:3] == [(kind, 0, Status.CANNOT_TELL) for kind in ("parameters", "memory")] and len(told) == 11


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


def test_a_task_that_only_some_seeds_rows_have_is_named() -> None:
    solved = np.ones(100, dtype=bool)
    old = [run(solved, seed=seed) for seed in range(5)]
    more = run(solved, task="y").tasks["y"]
    old[3] = replace(old[3], tasks={**old[3].tasks, "y": more})
    new = [replace(of, tasks={**of.tasks, "y": more}, facts=facts(adapter="new")) for of in old]
    found = {(of.task, of.seed): of for of in check(old, new) if of.kind == "accuracy"}
    assert found["x", None].status is Status.PASSED
    assert found.keys() == {("x", None), *(("y", seed) for seed in (0, 1, 2, 4))}
    assert all("row of this seed lacks it" in found["y", seed].said for seed in (0, 1, 2, 4))


def test_every_seed_that_cannot_be_compared_is_named() -> None:
    solved = np.ones(100, dtype=bool)
    old = [run(solved, seed=seed) for seed in range(5)]
    new = [run(solved[seed > 2 :], seed=seed, adapter="new") for seed in range(5)]
    assert [of.seed for of in check(old, new) if of.status is Status.CANNOT_TELL] == [3, 4]
