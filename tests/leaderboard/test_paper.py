from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from modbench.leaderboard import Problem, problems, published, shipped
from modbench.leaderboard.paper import boards
from modbench.records import Parameters

# From the table of arXiv:2410.13077, once more: AddSub ... SVAMP and the printed mean.
TABLE = """
llama-7b-math lora_not_k 38.7 13.4 37.3 56.3 78.2 59.8 42.3 46.6
llama-7b-math lora_all 41.3 15.4 38.5 58.0 81.0 62.9 44.2 48.8
llama-7b-math lora_all_mod_k 42.0 15.8 39.1 58.5 81.3 62.9 44.9 49.2
llama-7b-math mod_k 41.5 16.1 38.2 58.4 80.7 62.3 43.8 48.7
llama2-7b-math lora_not_k 46.3 20.5 39.7 60.6 81.4 62.0 43.2 50.5
llama2-7b-math lora_all 51.1 24.4 43.6 62.6 84.2 66.9 47.7 54.5
llama2-7b-math lora_all_mod_k 51.2 25.5 43.9 63.1 84.3 67.3 48.0 54.8
llama2-7b-math mod_k 50.1 24.3 43.4 63.7 82.2 66.8 47.5 54.0
"""
LINES = [line.split() for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("line", LINES, ids=lambda line: "-".join(line[:2]))
def test_the_shipped_rows_are_the_papers(line: list[str]) -> None:
    suite, method, *numbers, printed = line
    board = published(suite)
    assert board is not None and board.model is None and board.data == {}
    (row,) = [row for row in board.published if row.method == method]
    assert list(row.tasks) == [
        f"modbench_{name}" for name in ("addsub", "aqua", "gsm8k", "mawps", "multiarith", "singleeq", "svamp")
    ]
    assert [result.accuracy for result in row.tasks.values()] == [float(Fraction(text) / 100) for text in numbers]
    assert {(result.n, result.correct, result.stderr) for result in row.tasks.values()} == {(None, None, None)}
    exact = sum(map(Fraction, numbers)) / 7
    assert row.mean.accuracy == pytest.approx(float(exact) / 100, abs=1e-12) and row.mean.stderr is None
    assert row.printed.mean == printed
    assert row.printed.mean_agrees == (f"{float(exact):.1f}" == printed)
    assert row.printed.mean_agrees == ((suite, method) != ("llama2-7b-math", "lora_all"))
    assert "arXiv:2410.13077" in row.source.citation and row.model in row.source.table


@pytest.mark.parametrize("suite", ["llama-7b-math", "llama2-7b-math"])
def test_parameters_are_counted_beside_the_printed_overheads(suite: str) -> None:
    board = published(suite)
    assert board is not None
    found = {row.method: (row.parameters, row.printed.overhead, row.printed.overhead_agrees) for row in board.published}
    assert {method: (of.total, printed, agrees) for method, (of, printed, agrees) in found.items()} == {
        "lora_not_k": (50_839_552, None, None),
        "lora_all": (56_098_816, "10.3", True),
        "mod_k": (50_839_552 + 20_480, "0.04", True),
        "lora_all_mod_k": (56_098_816 + 20_480, "10.4", True),
    }
    assert found["mod_k"][0] == Parameters(
        lora=50_839_552, norms=2 * 4096, router=3 * 4096, total=50_860_032, overhead_percent=100 * 20_480 / 50_839_552
    )


def test_the_shipped_files_hold_what_the_code_says() -> None:
    for board in boards():
        shipped_board = published(board.suite)
        assert shipped_board is not None and shipped_board.published == board.published


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("mean_agrees", True, "printed mean_agrees is False, not True"),
        ("overhead_agrees", False, "printed overhead_agrees is True, not False"),
        ("mean", "54.4", "printed mean_agrees is True, not False"),
        ("mean", "54,5", "printed.mean"),
    ],
)
def test_what_is_said_of_printed_numbers_is_checked(tmp_path: Path, field: str, value: object, reason: str) -> None:
    contents = json.loads(shipped()["llama2-7b-math"].read_text())
    (row,) = [row for row in contents["rows"] if row["method"] == "lora_all"]
    row["printed"][field] = value
    path = tmp_path / "board.json"
    path.write_text(json.dumps(contents))
    (problem,) = problems(path)
    assert problem.row == "row 1 (lora_all)" and reason in problem.reason


def test_a_published_row_is_there_once(tmp_path: Path) -> None:
    contents = json.loads(shipped()["llama-7b-math"].read_text())
    contents["rows"].append(contents["rows"][0])
    path = tmp_path / "board.json"
    path.write_text(json.dumps(contents))
    assert problems(path) == [Problem("row 5 (lora_all)", "is there twice")]
