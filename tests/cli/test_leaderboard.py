"""`modbench leaderboard` as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from modbench import resources
from modbench.cli.app import app
from modbench.cli.grid import prepare
from modbench.cli.options import Grid
from modbench.errors import ModbenchError
from modbench.leaderboard import read_leaderboard
from modbench.records import Record, TaskResult, identity_digest, write_record, write_samples

MakeRun = Callable[..., tuple[Path, Record]]
ONE = {"modbench_one": [True, False]}


def leaderboard(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["leaderboard", *map(str, arguments)])


@pytest.fixture
def runs(make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_run("base", ONE)
    make_run("mod_k", {"modbench_one": [True, True]}, seed=1)
    monkeypatch.chdir(tmp_path)
    return Path("runs")


# show


def test_show_lists_what_there_is_and_prints_one() -> None:
    done = leaderboard("show", "--format", "json")
    assert done.exit_code == 0
    assert {row["suite"] for row in json.loads(done.stdout)} >= {"demo", "smollm2-math", "llama-7b-math"}
    done = leaderboard("show", "llama2-7b-math")
    assert done.exit_code == 0 and "the source prints a mean of 54.5; its accuracies give 54.4" in done.stdout
    path = resources.folder("leaderboards") / "llama2-7b-math.json"
    assert leaderboard("show", path).stdout == done.stdout
    assert isinstance(leaderboard("show", "dem").exception, ModbenchError)
    assert isinstance(leaderboard("show", "--format", "html").exception, ModbenchError)


# add


def test_add_takes_folders_and_adding_again_changes_nothing(runs: Path) -> None:
    done = leaderboard("add", runs)
    assert done.exit_code == 0 and done.stderr == "leaderboards/demo.json: 2 rows\n"
    assert [line.split()[0] for line in done.stdout.splitlines()[-2:]] == ["mod_k", "base"]
    path = Path("leaderboards/demo.json")
    written = path.read_bytes()
    assert leaderboard("add", runs / "demo" / "mod_k", runs).exit_code == 0 and path.read_bytes() == written
    leaderboard("add", runs / "demo" / "mod_k", "--to", "other.json")
    leaderboard("add", runs / "demo" / "base", "--to", "other.json")
    assert Path("other.json").read_bytes() == written
    assert all(row.outcomes for row in read_leaderboard(path).measured)


def test_a_dry_run_prints_and_writes_nothing(runs: Path) -> None:
    done = leaderboard("add", runs, "--dry-run", "--format", "csv")
    assert [row["method"] for row in csv.DictReader(done.stdout.splitlines())] == ["mod_k", "base"]
    assert done.stderr == "" and {path.name for path in Path().iterdir()} == {"runs"}


def test_add_takes_methods_with_the_options_of_the_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_record: Callable[..., Record], make_sample: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    benchmark, (plan,) = prepare(Grid(methods=["base"], limit=2))
    tasks = {}
    for task in benchmark.suite.tasks:
        samples = [make_sample(0, True), make_sample(1, False)]
        write_samples(benchmark.folder(plan) / "samples" / f"{task}.jsonl", samples)
        tasks[task] = TaskResult.from_counts(2, 1)
    digest = identity_digest(plan.identity)
    record = make_record(method="base", identity=plan.identity, identity_digest=digest, tasks=tasks)
    write_record(benchmark.folder(plan), record)
    done = leaderboard("add", "base", "mod_k", "--limit", 2)
    assert done.exit_code == 0
    assert "left out, not finished: mod_k seed 0" in done.stderr
    (row,) = read_leaderboard(Path("leaderboards/demo.json")).measured
    assert (row.name, row.identity_digest, row.mean.accuracy) == ("base seed 0", digest, 0.5)
    assert isinstance(leaderboard("add", "base", "--limit", 3).exception, ModbenchError)  # nothing is finished


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("runs", "mod_k"), "'mod_k' is no folder"),
        (("runs", "--seeds", "1"), "options that choose runs"),
        (("runs/nowhere",), "no finished run in runs/nowhere"),
        (("mod_kk",), "unknown method 'mod_kk'"),
    ],
)
def test_what_cannot_be_added_is_said_in_one_line(runs: Path, arguments: tuple[str, ...], message: str) -> None:
    error = leaderboard("add", *arguments).exception
    assert isinstance(error, ModbenchError) and message in str(error) and "\n" not in str(error)
    assert not Path("leaderboards").exists()


def test_samples_that_contradict_the_record_are_not_added(runs: Path) -> None:
    samples = runs / "demo/base/seed-0/samples/modbench_one.jsonl"
    samples.write_text(samples.read_text().splitlines(keepends=True)[0])
    error = leaderboard("add", runs).exception
    assert isinstance(error, ModbenchError) and "1 correct of 1, but record.json says 1 of 2" in str(error)
    assert not Path("leaderboards").exists()


# validate


def test_validate_checks_all_that_is_shipped() -> None:
    done = leaderboard("validate")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.endswith("leaderboards, 0 problems\n")
    assert leaderboard("validate", "demo", "--format", "json").stdout == "[]\n"


def test_validate_names_file_row_and_reason(runs: Path) -> None:
    leaderboard("add", runs)
    path = Path("leaderboards/demo.json")
    contents = json.loads(path.read_text())
    contents["rows"][1]["mean"]["accuracy"] = 0.99
    path.write_text(json.dumps(contents))
    done = leaderboard("validate", path, "llama-7b-math", "--format", "json")
    assert done.exit_code == 1
    (problem,) = json.loads(done.stdout)
    assert (problem["file"], problem["row"]) == (str(path), "row 2 (mod_k seed 1)")
    assert problem["problem"] == "mean accuracy 0.99 is not the 1.0 of the tasks"
    assert "0.99" in leaderboard("validate", path).stdout
    path.write_text("{")
    assert leaderboard("validate", path).exit_code == 1
    assert isinstance(leaderboard("validate", "nowhere.json").exception, ModbenchError)


# diff


def test_diff_lists_changes_and_can_exit_with_one(runs: Path) -> None:
    leaderboard("add", runs / "demo" / "base", "--to", "old.json")
    leaderboard("add", runs, "--to", "new.json")
    done = leaderboard("diff", "old.json", "new.json", "--format", "json")
    assert done.exit_code == 0 and done.stderr == "3 differences\n"
    assert [(row["change"], row["row"], row["field"], row["new"]) for row in json.loads(done.stdout)] == [
        ("added", "mod_k seed 1", "modbench_one", 1.0),
        ("added", "mod_k seed 1", "mean", 1.0),
        ("added", "mod_k seed 1", "trained", 1100),
    ]
    assert leaderboard("diff", "old.json", "new.json", "--exit-code").exit_code == 1
    same = leaderboard("diff", "new.json", "new.json", "--exit-code")
    assert (same.exit_code, same.stdout, same.stderr) == (0, "", "0 differences\n")


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom modbench.cli.app import app\n"
        "assert CliRunner().invoke(app, ['leaderboard', 'show', 'demo']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['leaderboard', 'validate']).exit_code == 0\n"
        "print({'torch', 'transformers', 'peft', 'lm_eval', 'datasets', 'accelerate'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert found.stdout == "set()\n"


def test_a_terminal_that_lacks_a_sign_gets_its_number() -> None:
    command = [sys.executable, "-m", "modbench", "leaderboard", "show", "demo"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and r"\xb1" in done.stdout, done.stderr
