from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modbench.comparison.load import from_record
from modbench.errors import ModbenchError
from modbench.leaderboard import Leaderboard, from_runs, published
from modbench.leaderboard.diff import Change
from modbench.records import Parameters, Record
from modbench.report.leaderboards import diff_rows, notes, overview_rows, render_leaderboard


@pytest.fixture
def board(make_run: Callable[..., tuple[Path, Record]]) -> Leaderboard:
    untrained = Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None)
    runs = [
        make_run("base", {"modbench_one": [True, False]}, parameters=untrained, gates=None, training=None),
        make_run("mod_k", {"modbench_one": [True, True], "modbench_two": [True]}, seed=1),
    ]
    return from_runs([from_record(*run) for run in runs])


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_best_mean_comes_first(board: Leaderboard) -> None:
    assert lines(render_leaderboard(board, "table")) == [
        "Suite demo, model tiny",
        "Accuracy in percent ± standard error; overhead of trained parameters over lora_not_k; layers count from 0",
        "",
        "method seed one two mean trained overhead late layers mean gates",
        "-------- ------ ----------- ----- ----------- --------- ---------- ------------- --------------",
        "mod_k 1 100.0 ± 0.0 100.0 100.0 1,100 +10.00 % 9 10 11 0.25 0.25 0.50",
        "base 0 50.0 ± 50.0 - 50.0 ± 50.0 0 - - -",
    ]


def test_csv_and_json_are_exact(board: Leaderboard) -> None:
    first, second = csv.DictReader(render_leaderboard(board, "csv").splitlines())
    assert (first["method"], first["kind"], first["mean_accuracy"], first["total"]) == (
        "mod_k",
        "measured",
        "1.0",
        "1100",
    )
    assert (second["modbench_two_accuracy"], second["modbench_one_stderr"]) == ("", "0.5")
    value = json.loads(render_leaderboard(board, "json"))
    assert [row["identity_digest"] for row in value] == [row.identity_digest for row in reversed(board.measured)]
    assert (value[0]["train_seconds"], value[1]["train_seconds"]) == (10.5, None)


def test_published_rows_stand_beside_what_was_printed() -> None:
    board = published("llama2-7b-math")
    assert board is not None
    assert notes(board) == ["lora_all: the source prints a mean of 54.5; its accuracies give 54.4"]
    shown = lines(render_leaderboard(board, "markdown"))
    assert notes(board)[0] in shown and any("arXiv:2410.13077" in line for line in shown)
    (row,) = [line for line in shown if line.startswith("| mod_k |")]
    assert row.split(" | ")[2:] == [
        *("-", "50.1", "24.3", "43.4", "63.7", "82.2", "66.8", "47.5", "54.0", "54.0"),
        *("50,860,032", "+0.0403 %", "+0.04 %", "29 30 31", "- |"),
    ]
    (exact,) = [row for row in json.loads(render_leaderboard(board, "json")) if row["method"] == "lora_all"]
    assert (exact["printed_mean_percent"], exact["printed_overhead_percent"], exact["total"]) == (
        "54.5",
        "10.3",
        56098816,
    )
    assert exact["adapter"] is None and exact["seed"] is None


def test_latex_is_a_table_of_booktabs(board: Leaderboard) -> None:
    text = render_leaderboard(board, "latex")
    assert text.startswith("% Suite demo") and r"\toprule" in text and r"lora\_not\_k" not in text.split("\n\n")[1]
    with pytest.raises(ModbenchError, match="unknown format"):
        render_leaderboard(board, "html")


def test_the_overview(board: Leaderboard) -> None:
    empty = Leaderboard(suite="new", model=None, data={}, rows=[])
    headers, rows = overview_rows({"demo": board, "new": empty})
    assert headers == ["suite", "model", "tasks", "published", "measured", "best", "mean"]
    assert rows == [["demo", "tiny", 2, 0, 2, "mod_k seed 1", "100.0"], ["new", "", 0, 0, 0, None, None]]
    assert overview_rows({"demo": board}, exact=True)[1][0][-1] == 1.0


def test_differences_in_percent_and_exact() -> None:
    changes = [
        Change("changed", "mod_k seed 0", "modbench_one", 0.5, 0.25),
        Change("changed", "mod_k seed 0", "trained", 1100, 1120),
        Change("removed", "base seed 0", "mean", 0.125, None),
        Change("changed", "", "suite", "a", "b"),
    ]
    assert diff_rows(changes)[1] == [
        ["changed", "mod_k seed 0", "one", "50.0", "25.0", "-25.0"],
        ["changed", "mod_k seed 0", "trained", "1,100", "1,120", "+20"],
        ["removed", "base seed 0", "mean", "12.5", "-", "-"],
        ["changed", "", "suite", "a", "b", "-"],
    ]
    assert diff_rows(changes, exact=True)[1][0] == ["changed", "mod_k seed 0", "modbench_one", 0.5, 0.25, -0.25]
