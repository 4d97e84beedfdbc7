"""Which methods are called best, and which tied with them, against the tests spelt out."""

from __future__ import annotations

import pytest
import scipy.stats

from modbench.comparison.compare import compare
from modbench.comparison.models import MACRO, MICRO
from modbench.comparison.outcomes import RunOutcomes, TaskOutcomes
from modbench.stats.paired import Standing, holm

N = 200


def run(method: str, seed: int = 0, **solved: set[int]) -> RunOutcomes:
    """A run that solves those of `N` documents of each task."""
    tasks = {
        task: TaskOutcomes.of([f"{task}{place:03}" for place in range(N)], [place in of for place in range(N)])
        for task, of in solved.items()
    }
    return RunOutcomes(method, seed, tasks, model="tiny")


def test_one_seed_goes_by_mcnemar_adjusted_over_all_that_is_compared_with_the_best() -> None:
    whole = set(range(100))
    # Alone p of `near` would be 0.039 on x: adjusted over the four tests it is no longer below 0.05.
    solved = {"best": (whole, whole), "near": (whole - set(range(9)) | {100}, whole), "far": (set(range(60)), whole)}
    found = compare([run(method, x=x, y=y) for method, (x, y) in solved.items()])
    alone = [scipy.stats.binomtest(1, 10).pvalue, 1.0, scipy.stats.binomtest(0, 40).pvalue, 1.0]
    assert alone[0] < 0.05 < holm(alone)[0] and holm(alone)[2] < 0.05
    assert (found.best["x"].methods, found.best["x"].tied) == (["best"], ["near"])
    assert (found.best["y"].methods, found.best["y"].tied) == (["best", "near", "far"], [])


def test_several_seeds_go_by_the_wider_interval() -> None:
    runs = [run("best", seed, x=set(range(100))) for seed in (0, 1)]
    runs += [run("even", seed, x=set(range(80))) for seed in (0, 1)]
    runs += [run("lucky", 0, x=set(range(99))), run("lucky", 1, x=set(range(40)))]
    found = compare(runs, baseline="best")
    standings = {row.method: row.standing for row in found.differences}
    assert standings == {"even": Standing.WORSE, "lucky": Standing.UNDECIDED}
    assert found.best["x"].tied == ["lucky"]
    # One task is its own mean.
    assert found.best[MACRO] == found.best[MICRO] == found.best["x"]


@pytest.mark.parametrize("baseline", ["a", "b", "c"])
def test_the_best_of_each_column_does_not_depend_on_the_baseline(baseline: str) -> None:
    runs = [run("a", x=set(range(90)), y=set(range(50))), run("b", x=set(range(50)), y=set(range(90)))]
    runs += [run("c", x=set(range(88)), y=set(range(88)))]
    found = compare(runs, baseline=baseline)
    assert {name: of.methods for name, of in found.best.items()} == {"x": ["a"], "y": ["b"], MACRO: ["c"], MICRO: ["c"]}
    assert {name: of.tied for name, of in found.best.items()} == {"x": ["c"], "y": ["c"], MACRO: [], MICRO: []}


def test_who_has_no_seed_in_common_with_the_best_is_not_called_tied() -> None:
    found = compare([run("a", 0, x=set(range(9))), run("b", 1, x=set(range(9, 17)))])
    assert (found.best["x"].methods, found.best["x"].tied) == (["a"], [])
