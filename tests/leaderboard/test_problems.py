"""What is wrong with a leaderboard file is named, and refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modbench.comparison.outcomes import RunOutcomes
from modbench.errors import ModbenchError
from modbench.leaderboard import Problem, from_runs, problems, read_leaderboard, write_leaderboard

MakeOutcomes = Callable[..., RunOutcomes]
Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda row: row["tasks"]["modbench_one"].update(accuracy=0.51), "accuracy 0.51 is not correct / n = 0.5"),
        (
            lambda row: row["tasks"]["modbench_one"].update(accuracy=0.5 + 5e-10),
            "accuracy 0.5000000005 is not correct / n = 0.5",
        ),
        (
            lambda row: (
                row["tasks"]["modbench_one"].update(metrics={"exact_match": 0.75}),
                row["outcomes"]["modbench_one"]["conditions"].update(metric="exact_match"),
            ),
            "modbench_one: exact_match 0.75 is not the accuracy 0.5",
        ),
        (lambda row: row["tasks"]["modbench_one"].update(correct=3), "accuracy 0.5 is not correct / n = 0.75"),
        (lambda row: row["mean"].update(accuracy=0.545), "mean accuracy 0.545 is not the 0.5 of the tasks"),
        (lambda row: row["mean"].update(stderr=None), "mean stderr None"),
        (lambda row: row.update(kind="guessed"), "'guessed'"),
        (lambda row: row.update(kind="published"), "source: Field required"),
        (lambda row: row.update(seed="0"), "seed: Input should be a valid integer"),
        (lambda row: row.update(extra=1), "extra: Extra inputs"),
        (lambda row: row["outcomes"]["modbench_one"].update(correct="8A=="), "4 correct by its verdicts, 2 by its"),
        (
            lambda row: row["outcomes"]["modbench_one"].update(correct="8AA="),
            "the packed verdicts of modbench_one hold",
        ),
        (
            lambda row: row["outcomes"]["modbench_one"].update(correct="/w=="),
            "the packed verdicts of modbench_one hold",
        ),
        (lambda row: row["outcomes"]["modbench_one"].update(correct="é"), "verdicts of modbench_one are not base64"),
        (lambda row: row["outcomes"]["modbench_one"].update(correct="8A="), "verdicts of modbench_one are not base64"),
        (
            lambda row: row["outcomes"]["modbench_one"].update(seen="?"),
            "the packed `seen` of modbench_one are not base",
        ),
        (lambda row: row["outcomes"]["modbench_two"].update(seen="AAA="), "the packed `seen` of modbench_two hold 16"),
        (lambda row: row["outcomes"].pop("modbench_two"), "outcomes of modbench_one in a row on"),
    ],
)
def test_numbers_that_do_not_follow_are_named(
    tmp_path: Path, contents: dict[str, Any], change: Change, reason: str
) -> None:
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(contents))
    assert problems(path) == []
    change(contents["rows"][1])
    path.write_text(json.dumps(contents))
    found = problems(path)
    assert {problem.row for problem in found} == {"row 2 (mod_k seed 0)"}
    assert any(reason in problem.reason for problem in found)
    with pytest.raises(ModbenchError) as caught:
        read_leaderboard(path)
    assert "row 2 (mod_k seed 0)" in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_problem_is_named_at_once(tmp_path: Path, contents: dict[str, Any]) -> None:
    path = tmp_path / "demo.json"
    base, mod_k = contents["rows"]
    contents["rows"] = [base, copy.deepcopy(mod_k), mod_k, copy.deepcopy(mod_k)]
    base["mean"]["accuracy"] = 0.4
    contents["rows"][3]["tasks"]["modbench_two"]["accuracy"] = 0.4
    path.write_text(json.dumps(contents))
    assert [(row, reason.partition(" is ")[0]) for row, reason in problems(path)] == [
        ("row 1 (base seed 0)", "mean accuracy 0.4"),
        ("row 4 (mod_k seed 0)", "tasks.modbench_two: accuracy 0.4"),
        ("row 3 (mod_k seed 0)", "is there twice"),
    ]


def test_one_run_under_two_identities_is_named(
    tmp_path: Path, contents: dict[str, Any], make_outcomes: MakeOutcomes
) -> None:
    path = tmp_path / "demo.json"
    contents["rows"].append(contents["rows"][1] | {"identity_digest": "f" * 64})
    path.write_text(json.dumps(contents))
    (problem,) = problems(path)
    digest = contents["rows"][1]["identity_digest"][:8]
    assert problem.row == "row 3 (mod_k seed 0)"
    assert problem.reason.startswith(f"is one run under two identities, {digest} and ffffffff: ")
    contents["rows"][2]["created"] = "2025-01-02T03:04:06+00:00"  # run again, with the same verdicts
    path.write_text(json.dumps(contents))
    assert problems(path) == []
    contents["rows"][2]["created"] = contents["rows"][1]["created"]
    contents["rows"].pop(1)
    path.write_text(written := json.dumps(contents))
    assert problems(path) == []  # nothing tells the copy from a run
    with pytest.raises(ModbenchError, match=r"mod_k seed 0 is one run under two identities.*: leave one of them out"):
        write_leaderboard(path, from_runs([make_outcomes()]))
    assert path.read_text() == written


def test_rows_out_of_order_are_named(tmp_path: Path, contents: dict[str, Any], make_outcomes: MakeOutcomes) -> None:
    path = tmp_path / "demo.json"
    base, mod_k = contents["rows"]
    path.write_text(json.dumps(contents | {"rows": [mod_k, base]}))
    said = "stands behind mod_k seed 0: rows are sorted by kind, method, seed and identity"
    assert problems(path) == [Problem("row 2 (base seed 0)", said)]
    broken = copy.deepcopy(mod_k) | {"seed": "1"}  # what is wrong by itself does not shift the numbers
    path.write_text(json.dumps(contents | {"rows": [broken, mod_k, base]}))
    assert [problem.row for problem in problems(path)] == ["row 1 (mod_k seed 1)", "row 3 (base seed 0)"]
    with pytest.raises(ModbenchError, match=r"row 1.*and 1 more problem"):
        read_leaderboard(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "schema_version is None"),
        ('{"schema_version": true, "rows": []}', "schema_version is True"),
        ('{"schema_version": 4}', "schema_version is 4, this modbench reads 1, 2, 3 (a later one wrote it)"),
        ('{"schema_version": 3, "rows": 5}', "rows: Input should be a valid list"),
        ('{"schema_version": 1, "rows": [5]}', "valid dictionary"),
        ('{"schema_version": 3, "suite": "a", "model": null, "data": {}, "rows": [], "x": NaN}', "NaN"),
        (r'{"schema_version": 3, "suite": "\ud800", "model": null, "data": {}, "rows": []}', "surrogates not allowed"),
    ],
)
def test_something_else_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "demo.json"
    path.write_text(text)
    assert any(reason in str(problem) for problem in problems(path))
    with pytest.raises(ModbenchError, match=r"demo\.json"):
        read_leaderboard(path)


def test_measured_rows_need_a_model(tmp_path: Path, contents: dict[str, Any]) -> None:
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(contents | {"model": None}))
    assert problems(path) == [Problem("", "measured rows without a model")]


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path, contents: dict[str, Any]) -> None:
    path = tmp_path / "demo.json"
    contents["rows"][0]["method"] = "\x1b[2Jbase"
    path.write_text(json.dumps(contents))
    assert problems(path) and all(str(problem).isprintable() for problem in problems(path))
