"""A comparison against loops over documents, Python's sets and scipy."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace
from itertools import combinations

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from modbench.comparison.compare import compare
from modbench.comparison.models import MACRO, MICRO, Comparison, Difference
from modbench.comparison.outcomes import RunOutcomes, TaskOutcomes
from modbench.errors import ModbenchError
from modbench.stats.paired import Standing, holm

Verdicts = dict[str, dict[str, bool]]
"""By task and document."""


def run(method: str, verdicts: Verdicts, seed: int = 0, seen: set[str] | None = None) -> RunOutcomes:
    def outcomes(of: dict[str, bool]) -> TaskOutcomes:
        known = None if seen is None else [key in seen for key in of]
        return TaskOutcomes.of(list(of), list(of.values()), known, {"metric": "exact_match"})

    return RunOutcomes(method, seed, {task: outcomes(of) for task, of in verdicts.items()}, model="tiny")


def drawn(rate: float, seed: int, n: int = 60) -> Verdicts:
    draw = random.Random(f"{rate}/{seed}")
    return {task: {f"{task}{i}": draw.random() < rate for i in range(size)} for task, size in (("x", n), ("y", n // 2))}


GRID = {(method, seed): drawn(rate, seed) for method, rate in (("a", 0.5), ("b", 0.6), ("c", 0.9)) for seed in (0, 1)}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare([run(method, of, seed) for (method, seed), of in GRID.items()], baseline="a")


def difference(comparison: Comparison, method: str, task: str) -> Difference:
    (found,) = (row for row in comparison.differences if (row.method, row.task) == (method, task))
    return found


def test_accuracies_are_means_over_seeds(comparison: Comparison) -> None:
    for row in comparison.methods:
        by_seed = {
            task: [statistics.mean(GRID[row.method, seed][task].values()) for seed in (0, 1)] for task in ("x", "y")
        }
        for task, values in by_seed.items():
            score = row.tasks[task]
            assert list(score.seeds.values()) == pytest.approx(values)
            assert score.accuracy == pytest.approx(statistics.mean(values))
            assert score.spread == pytest.approx(statistics.stdev(values))
            documents = [
                statistics.mean(GRID[row.method, seed][task][key] for seed in (0, 1)) for key in GRID["a", 0][task]
            ]
            assert score.stderr == pytest.approx(statistics.stdev(documents) / math.sqrt(len(documents)))
        assert row.macro.accuracy == pytest.approx((row.tasks["x"].accuracy + row.tasks["y"].accuracy) / 2)
        assert row.micro.accuracy == pytest.approx((2 * row.tasks["x"].accuracy + row.tasks["y"].accuracy) / 3)


def test_differences_are_paired(comparison: Comparison) -> None:
    p_values = {}
    for method in ("b", "c"):
        for task in ("x", "y"):
            row = difference(comparison, method, task)
            gaps = []
            for seed in (0, 1):
                mine, theirs = GRID[method, seed][task], GRID["a", seed][task]
                only_mine = sum(mine[key] and not theirs[key] for key in mine)
                only_theirs = sum(theirs[key] and not mine[key] for key in mine)
                gaps.append((only_mine - only_theirs) / len(mine))
                p = scipy.stats.binomtest(only_mine, only_mine + only_theirs).pvalue
                assert row.p_values[seed] == pytest.approx(p)
                p_values[method, task, seed] = p
            assert row.difference == pytest.approx(statistics.mean(gaps))
            spread = statistics.stdev(gaps) / math.sqrt(2)
            expected = scipy.stats.t.interval(0.95, 1, statistics.mean(gaps), spread)
            assert row.seed_interval == pytest.approx(expected)
            assert row.interval[0] < row.difference < row.interval[1]
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    for (method, task, seed), p in adjusted.items():
        assert difference(comparison, method, task).adjusted[seed] == pytest.approx(p)


def test_means_over_tasks(comparison: Comparison) -> None:
    for method in ("b", "c"):
        x, y = (difference(comparison, method, task).difference for task in ("x", "y"))
        assert difference(comparison, method, MACRO).difference == pytest.approx((x + y) / 2)
        assert difference(comparison, method, MICRO).difference == pytest.approx((2 * x + y) / 3)
        assert difference(comparison, method, MICRO).p_values == {}


def test_the_wider_interval_decides() -> None:
    rates = {"a": [0.3, 0.3], "b": [0.5, 0.8]}
    runs = [run(method, drawn(rate, seed, 400), seed) for method, of in rates.items() for seed, rate in enumerate(of)]
    both = difference(compare(runs, "a"), "b", "x")
    assert both.interval[0] > 0 and both.seed_interval is not None and both.seed_interval[0] < 0
    assert both.standing is Standing.UNDECIDED
    alone = difference(compare([run for run in runs if run.seed == 0], "a"), "b", "x")
    assert alone.standing is Standing.BETTER and alone.seed_interval is None


def test_one_seed_says_how_far_its_intervals_carry() -> None:
    found = compare([run("a", drawn(0.5, 0)), run("b", drawn(0.5, 1))])
    assert found.notes == [
        "b and a are compared with one seed each: their intervals hold for these trained models only"
    ]
    apart = compare([run("a", drawn(0.5, 0)), run("b", drawn(0.5, 1), seed=1)])
    assert apart.notes == ["b and a have no seed in common: no difference"]
    assert apart.differences == [] and apart.overlaps == [] and apart.solved is None


@given(st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[st.booleans()] * m), min_size=1, max_size=12)))
@settings(max_examples=60, deadline=None)
def test_solved_sets_are_those_of_python(table: list[tuple[bool, ...]]) -> None:
    names = "abcd"[: len(table[0])]
    sets = {name: {key for key, row in enumerate(table) if row[i]} for i, name in enumerate(names)}
    found = compare([run(name, {"x": {str(key): key in sets[name] for key in range(len(table))}}) for name in names])
    assert [(pair.a, pair.b) for pair in found.overlaps] == list(combinations(names, 2))
    for pair in found.overlaps:
        a, b = sets[pair.a], sets[pair.b]
        counts = len(a & b), len(a - b), len(b - a), len(table) - len(a | b)
        assert (pair.both, pair.only_a, pair.only_b, pair.neither) == counts
    assert found.solved is not None
    union = set().union(*sets.values())
    assert (found.solved.n, found.solved.union, found.solved.rest) == (len(table), len(union), 0)
    for bar in found.solved.intersections:
        assert bar.count == sum(all(row[i] == (name in bar.methods) for i, name in enumerate(names)) for row in table)
    for name in names:
        others = set().union(*(sets[other] for other in names if other != name))
        assert found.solved.unique[name] == len(sets[name] - others)
        assert found.solved.attained[name] == (len(sets[name]) / len(union) if union else None)


def test_clean_accuracy_is_over_what_no_method_was_trained_on() -> None:
    verdicts = {"x": {"p": True, "q": True, "r": False}}
    a, b = compare(
        [run("a", verdicts, seen={"p"}), run("b", {"x": {"r": True, "q": True, "p": True}}, seen={"q"})]
    ).methods
    assert (a.clean["x"].n, a.clean["x"].seen, b.clean["x"].n, b.clean["x"].seen) == (1, 1, 1, 1)
    scores = a.clean["x"].score, b.clean["x"].score
    assert [score and score.accuracy for score in scores] == [0.0, 1.0]
    (everything,) = compare([run("a", verdicts, seen={"p", "q", "r"})]).methods
    assert (everything.clean["x"].n, everything.clean["x"].score) == (0, None)
    (unknown,) = compare([run("a", verdicts)]).methods
    assert (unknown.clean["x"].n, unknown.clean["x"].seen, unknown.clean["x"].score) == (None, None, None)


def test_documents_are_joined_by_key_not_by_position() -> None:
    a = run("a", {"x": {"p": True, "q": False, "r": False}})
    b = run("b", {"x": {"r": False, "q": False, "p": True}})
    (pair,) = compare([a, b]).overlaps
    assert (pair.both, pair.only_a, pair.only_b, pair.neither) == (1, 0, 0, 2)


def test_other_documents_are_refused_or_intersected() -> None:
    a = run("a", {"x": {"p": True, "q": False}})
    b = run("b", {"x": {"p": False, "z": True}})
    with pytest.raises(
        ModbenchError, match=r"answered different documents of x \(2 in one only, such as q\).*--intersect"
    ):
        compare([a, b])
    found = compare([a, b], intersect=True)
    assert found.problems == {"x": 1}
    assert found.notes[0] == "x: reduced to the 1 documents that all runs answered, of at most 2"
    with pytest.raises(ModbenchError, match="no document of x in common"):
        compare([a, run("b", {"x": {"z": True}})], intersect=True)
    kept_only = replace(b, tasks={"x": replace(b.tasks["x"], keys=None)})
    with pytest.raises(ModbenchError, match="b seed 0 answered other documents"):
        compare([a, kept_only], intersect=True)


def test_other_tasks_are_refused_or_left_out() -> None:
    a, b = run("a", {"x": {"p": True}, "y": {"q": True}}), run("b", {"x": {"p": False}})
    with pytest.raises(ModbenchError, match="y is not in b seed 0"):
        compare([a, b])
    assert compare([a, b], intersect=True).problems == {"x": 1}
    with pytest.raises(ModbenchError, match="no task in common"):
        compare([b, run("a", {"y": {"q": True}})], intersect=True)


def test_many_missing_tasks_are_one_short_line() -> None:
    several = run("a", {name: {"p": True} for name in "tuvwxyz"})
    runs = [several, *(run(name, {"t": {"p": True}}) for name in "bcdef")]
    with pytest.raises(
        ModbenchError, match=r"u is not in b seed 0, c seed 0, d seed 0, and 2 more; .*; and 3 more"
    ) as one:
        compare(runs)
    assert "x is" not in str(one.value)
    assert all(f"{task} is not in" in compare(runs, intersect=True).notes[0] for task in "uvwxyz")


def test_other_conditions_are_refused() -> None:
    a, b = run("a", {"x": {"p": True}}), run("b", {"x": {"p": True}})
    other = replace(b, tasks={"x": replace(b.tasks["x"], conditions={"metric": "llm_adapters"})})
    with pytest.raises(ModbenchError, match="differ in the metric of x, exact_match and llm_adapters"):
        compare([a, other])
    unsaid = replace(b, tasks={"x": replace(b.tasks["x"], conditions={})})
    assert compare([a, unsaid]).problems == {"x": 1}


def test_bad_requests() -> None:
    a = run("a", {"x": {"p": True}})
    with pytest.raises(ModbenchError, match="nothing to compare"):
        compare([])
    with pytest.raises(ModbenchError, match="are both a seed 0"):
        compare([a, a])
    with pytest.raises(ModbenchError, match="unknown baseline 'lora'"):
        compare([a], baseline="lora")
    with pytest.raises(ModbenchError, match="margin"):
        compare([a], margin=1.0)
