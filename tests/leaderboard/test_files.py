from __future__ import annotations

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
