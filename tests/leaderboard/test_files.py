from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from modbench import resources
from modbench.comparison.outcomes import RunOutcomes
from modbench.errors import ModbenchError
from modbench.leaderboard import (
    Problem,
    from_runs,
    locate,
    outcomes,
    problems,
    published,
    read_leaderboard,
    shipped,
    write_leaderboard,
)
from modbench.records import ModelInfo

from ..killing import Killed, kill_at

MakeOutcomes = Callable[..., RunOutcomes]
Change = Callable[[dict[str, Any]], object]
ROOT = Path(__file__).resolve().parents[2]


def test_adding_is_idempotent_and_sorted(tmp_path: Path, make_outcomes: MakeOutcomes) -> None:
    path, other = tmp_path / "a" / "demo.json", tmp_path / "other.json"
    runs = [make_outcomes(), make_outcomes("base"), make_outcomes(seed=1)]
    assert write_leaderboard(path, from_runs(runs[:2])) == read_leaderboard(path)
    write_leaderboard(path, from_runs(runs[2:]))
    written = path.read_bytes()
    for run in runs:
        write_leaderboard(path, from_runs([run]))
        assert path.read_bytes() == written
    for run in reversed(runs):
        write_leaderboard(other, from_runs([run]))
    assert other.read_bytes() == written
    assert [file.name for file in path.parent.iterdir()] == ["demo.json"]


def test_what_does_not_fit_leaves_the_file_as_it_is(tmp_path: Path, make_outcomes: MakeOutcomes) -> None:
    path = tmp_path / "demo.json"
    write_leaderboard(path, from_runs([make_outcomes()]))
    before = path.read_bytes()
    with pytest.raises(ModbenchError, match="other weights"):
        write_leaderboard(
            path, from_runs([make_outcomes(model=ModelInfo(name="tiny", revision=None, sha256="c" * 64))])
        )
    path.write_bytes(damaged := before[:-40])
    with pytest.raises(ModbenchError, match=r"demo\.json"):
        write_leaderboard(path, from_runs([make_outcomes()]))
    assert path.read_bytes() == damaged


def test_a_writer_killed_at_any_step_leaves_the_old_file_or_the_new(
    tmp_path: Path, make_outcomes: MakeOutcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old, new = tmp_path / "demo.json", from_runs([make_outcomes()]), from_runs([make_outcomes("base")])
    seen = set()
    for at in range(1, 20):
        path.unlink(missing_ok=True)
        write_leaderboard(path, old)
        with monkeypatch.context() as patch:
            count = kill_at(patch, at)
            with suppress(Killed):
                write_leaderboard(path, new)
            finished = count() < at
        seen.add(tuple(row.method for row in read_leaderboard(path).rows))
        if finished:
            break
    assert finished and seen == {("mod_k",), ("base", "mod_k")}
    write_leaderboard(path, new)  # what a kill leaves behind is in nobody's way


ADD = """
import sys
from pathlib import Path
from modbench.comparison.load import from_record
from modbench.leaderboard import from_runs, write_leaderboard
from modbench.records import read_record
path, *folders = map(Path, sys.argv[1:])
boards = [from_runs([from_record(folder, read_record(folder))]) for folder in folders]
print("ready", flush=True)
sys.stdin.readline()
for board in boards:
    write_leaderboard(path, board)
"""


def test_several_processes_add_at_once(tmp_path: Path, make_outcomes: MakeOutcomes) -> None:
    runs = [make_outcomes(seed=seed) for seed in range(12)]
    path = tmp_path / "demo.json"
    parts = [[str(run.folder) for run in runs[first::4]] for first in range(4)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ADD, str(path)]
    writers = [
        subprocess.Popen([*command, *part], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        for part in parts
    ]
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert read_leaderboard(path) == from_runs(runs)
    assert {file.name for file in tmp_path.iterdir()} == {"demo.json", "runs"}


# What is refused


@pytest.fixture
def contents(make_outcomes: MakeOutcomes) -> dict[str, Any]:
    """A sound leaderboard of two rows as JSON: base, then mod_k."""
    return from_runs([make_outcomes(), make_outcomes("base")]).model_dump(mode="json")


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


# Older versions


@pytest.mark.parametrize("version", [1, 2])
def test_older_versions_are_read_and_added_to(
    tmp_path: Path, contents: dict[str, Any], make_outcomes: MakeOutcomes, version: int
) -> None:
    path = tmp_path / "demo.json"
    old = contents | {"schema_version": version}
    for row in old["rows"]:
        row["source"] = row.pop("kind")
        del row["outcomes"], row["adapter"], row["adapter_bytes"]
        if version == 1:
            del row["rescored"]
            for result in row["tasks"].values():
                del result["unreadable"], result["metrics"]
    path.write_text(json.dumps(old))
    assert problems(path) == []
    board = read_leaderboard(path)
    assert [row.outcomes for row in board.measured] == [None, None] and outcomes(board) == []
    rows = write_leaderboard(path, from_runs([make_outcomes(seed=1)])).measured
    assert [(row.name, row.outcomes is None) for row in rows] == [
        ("base seed 0", True),
        ("mod_k seed 0", True),
        ("mod_k seed 1", False),
    ]
    assert json.loads(path.read_text())["schema_version"] == 3
    old["rows"][0]["source"] = "guessed"
    path.write_text(json.dumps(old))
    assert "row 1 (base seed 0)" in str(problems(path)[0])


def test_the_first_committed_leaderboard_is_read(tmp_path: Path) -> None:
    """A row as version 1 was written, of the demo suite."""
    row = {
        "source": "measured",
        "method": "lora_all",
        "seed": 0,
        "tasks": {
            "modbench_demo_one_step": {
                "n": 400,
                "correct": 360,
                "accuracy": 0.9,
                "stderr": 0.015018785229652764,
                "no_answer": 0,
            }
        },
        "mean": {"accuracy": 0.9, "stderr": 0.015018785229652764},
        "parameters": {"lora": 276480, "norms": 0, "router": 0, "total": 276480, "overhead_percent": 42.85714285714286},
        "late_layers": [],
        "gates": None,
        "training": None,
        "evaluation": {"seconds": 18.5, "tokens": 11660, "peak_memory_bytes": 784195584},
        "environment": {"packages": {"torch": "2.13.0"}, "hardware": "a processor", "threads": 1, "python": "3.11.7"},
        "identity_digest": "47417f7c8569d9c101275eb1e7c445544b036864e1cfa136ac2e53a84b69a230",
        "created": "2026-11-23T17:01:34+00:00",
    }
    model = {"name": "demo", "revision": None, "sha256": "b" * 64, "note": None}
    path = tmp_path / "demo.json"
    path.write_text(json.dumps({"schema_version": 1, "suite": "demo", "model": model, "data": {}, "rows": [row]}))
    (read,) = read_leaderboard(path).measured
    assert (read.name, read.mean.accuracy, read.outcomes, read.adapter, read.rescored) == (
        "lora_all seed 0",
        0.9,
        None,
        None,
        None,
    )


# What is shipped


def test_shipped_leaderboards_are_sound_whatever_their_version() -> None:
    assert {"demo", "smollm2-math", "llama-7b-math", "llama2-7b-math"} <= shipped().keys()
    assert "schema" not in shipped()
    for suite, path in shipped().items():
        assert problems(path) == []
        assert (board := published(suite)) == read_leaderboard(path) and board is not None and board.suite == suite
        rows = json.loads(path.read_text())["rows"]
        assert [row.identity_digest for row in board.measured] == [
            row["identity_digest"] for row in rows if "identity_digest" in row
        ]
    assert published("nowhere") is None and published("schema") is None


def test_a_leaderboard_is_found_by_file_or_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("demo") == resources.folder("leaderboards") / "demo.json"
    Path("mine.json").write_text("{}")
    assert locate("mine.json") == Path("mine.json")
    for name in ("demos", "schema", "mine"):
        with pytest.raises(ModbenchError, match="unknown leaderboard"):
            locate(name)
    for name in ("demos.json", "boards/demo"):
        with pytest.raises(ModbenchError, match=f"there is no file {name}: .* suite that has a leaderboard: demo, "):
            locate(name)
    Path("demo").mkdir()
    assert locate("demo") == resources.folder("leaderboards") / "demo.json"
    with pytest.raises(ModbenchError, match="is a folder"):
        locate(".")
    with pytest.raises(ModbenchError, match="no leaderboard"):
        problems(tmp_path / "absent.json")
