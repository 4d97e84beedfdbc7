from __future__ import annotations

from collections.abc import Callable

import pytest

from modbench.comparison.outcomes import RunOutcomes
from modbench.leaderboard import from_runs
from modbench.leaderboard.diff import Change, diff
from modbench.records import ModelInfo, Parameters

MakeOutcomes = Callable[..., RunOutcomes]


def test_nothing_differs_from_itself(make_outcomes: MakeOutcomes) -> None:
    board = from_runs([make_outcomes(), make_outcomes("base")])
    assert diff(board, board) == []


def test_rows_are_added_removed_and_changed(make_outcomes: MakeOutcomes) -> None:
    old = from_runs([make_outcomes(), make_outcomes("base", {"modbench_one": [True, False]})])
    grown = Parameters(lora=1000, norms=40, router=80, total=1120, overhead_percent=12.0)
    right = {"modbench_one": [True] * 4, "modbench_two": [True, False]}
    new = from_runs(
        [make_outcomes(verdicts=right, parameters=grown), make_outcomes("lora_all", {"modbench_one": [True]})]
    )
    found = diff(old, new)
    assert found == [
        Change("changed", "mod_k seed 0", "modbench_one", 0.5, 1.0),
        Change("changed", "mod_k seed 0", "mean", 0.5, 0.75),
        Change("changed", "mod_k seed 0", "trained", 1100, 1120),
        Change("changed", "mod_k seed 0", "outcomes"),
        Change("removed", "base seed 0", "modbench_one", 0.5, None),
        Change("removed", "base seed 0", "mean", 0.5, None),
        Change("removed", "base seed 0", "trained", 1100, None),
        Change("added", "lora_all seed 0", "modbench_one", None, 1.0),
        Change("added", "lora_all seed 0", "mean", None, 1.0),
        Change("added", "lora_all seed 0", "trained", None, 1100),
    ]
    assert [change.difference for change in found[:5]] == [0.5, 0.25, 20, None, None]


def test_rows_pair_by_identity_first_then_by_method_and_seed(make_outcomes: MakeOutcomes) -> None:
    old = from_runs(
        [make_outcomes(identity={"x": 1}), make_outcomes(identity={"x": 2}, verdicts={"one": [True, False]})]
    )
    new = from_runs(
        [make_outcomes(identity={"x": 2}, verdicts={"one": [True, False]}), make_outcomes(identity={"x": 3})]
    )
    (change,) = diff(old, new)
    assert change == Change("changed", "mod_k seed 0", "identity_digest")


def test_tasks_of_one_side_only(make_outcomes: MakeOutcomes) -> None:
    old, new = (from_runs([make_outcomes(verdicts={task: [True, False]})]) for task in ("one", "two"))
    assert [(change.field, change.old, change.new) for change in diff(old, new)] == [
        ("one", 0.5, None),
        ("two", None, 0.5),
        ("outcomes", None, None),
    ]


def test_the_leaderboards_as_a_whole(make_outcomes: MakeOutcomes) -> None:
    old = from_runs([make_outcomes(data={"demo": "b" * 64})])
    model = ModelInfo(name="big", revision=None, sha256="c" * 64)
    new = from_runs([make_outcomes(data={"demo": "d" * 64, "more": "e" * 64}, suite="other", model=model)])
    assert diff(old, new) == [
        Change("changed", "", "suite", "demo", "other"),
        Change("changed", "", "model", "tiny (aaaaaaaa)", "big (cccccccc)"),
        Change("changed", "", "data demo", "bbbbbbbb", "dddddddd"),
        Change("changed", "", "data more", None, "eeeeeeee"),
    ]
    assert diff(old, new)[0].difference is None


@pytest.mark.parametrize("swap", [False, True])
def test_there_and_back(make_outcomes: MakeOutcomes, swap: bool) -> None:
    boards = [from_runs([make_outcomes()]), from_runs([make_outcomes("base")])]
    first, second = reversed(boards) if swap else boards
    forth, back = diff(first, second), diff(second, first)
    assert {(c.row, c.field, c.old, c.new) for c in forth} == {(c.row, c.field, c.new, c.old) for c in back}
