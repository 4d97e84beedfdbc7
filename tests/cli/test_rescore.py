"""`modbench rescore` as a user runs it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from modbench.cli.app import app
from modbench.errors import ModbenchError
from modbench.records import Record, Sample, TaskResult, read_record, write_record, write_samples

ONE, CHOICE = "modbench_demo_one_step", "modbench_demo_choice"
Put = Callable[..., Path]


def modbench(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["rescore", *map(str, arguments)])


@pytest.fixture
def put(tmp_path: Path, make_record: Callable[..., Record]) -> Put:
    """A run of one task, in which every response was judged wrong."""

    def write(name: str, said: Iterable[tuple[str, str]], task: str = ONE) -> Path:
        folder = tmp_path / "runs" / name
        samples = [
            Sample(
                doc_id=n, doc_hash=f"h{n}", response=text, answer=None, gold=gold, metrics={"acc": 0.0}, question="?"
            )
            for n, (text, gold) in enumerate(said)
        ]
        write_samples(folder / "samples" / f"{task}.jsonl", samples)
        write_record(folder, make_record(tasks={task: TaskResult.from_counts(len(samples), 0)}))
        return folder

    return write


@pytest.fixture
def runs(put: Put, tmp_path: Path) -> Path:
    put("a", [("The answer is 4.", "4"), ("\x1bcThe answer is 5.", "5"), ("The answer is 4.", "5")])
    put("b", [("Nobody knows.", "4")])
    put("c", [("iron", "wood")], CHOICE)
    return tmp_path / "runs"


def test_the_table(runs: Path) -> None:
    done = modbench(runs, "--format", "csv")
    assert done.exit_code == 0
    assert list(csv.reader(done.stdout.splitlines())) == [
        ["run", "task", "n", "before", "after", "gained", "lost", "no answer", "unreadable"],
        [str(runs / "a"), ONE, "3", "0.0", str(2 / 3), "2", "0", "0", "0"],
        [str(runs / "b"), ONE, "1", "0.0", "0.0", "0", "0", "1", "0"],
    ]
    assert done.stderr.strip().endswith(CHOICE) and done.stderr.count("\n") == 1
    assert read_record(runs / "a").tasks[ONE].correct == 2
    (a, b) = json.loads(modbench(runs / "a", runs / "b", "--format", "json").stdout)
    assert (a["before"], a["after"], a["gained"], b["no answer"]) == (2 / 3, 2 / 3, 0, 1)
    assert " 66.7 " in modbench(runs).stdout


def test_a_dry_run_shows_samples_and_changes_nothing(runs: Path) -> None:
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    done = modbench(runs, "--dry-run", "--show", "1")
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before
    assert "wrong before, now correct" in done.stderr and done.stderr.count("problem ") == 1
    all_of_them = modbench(runs, "--dry-run", "--show", "9").stderr
    assert all_of_them.count("problem ") == 2 and "\x1b" not in all_of_them and r"\x1bcThe" in all_of_them


def test_a_damaged_run_is_said_and_the_others_are_done(runs: Path) -> None:
    (runs / "a" / "record.json").write_text("{")
    done = modbench(runs)
    assert done.exit_code == 2
    assert done.stderr.count("modbench: ") == 1 and str(runs / "a" / "record.json") in done.stderr
    assert read_record(runs / "b").rescored is not None and str(runs / "b") in done.stdout


def test_without_a_run_that_was_judged_there_is_no_table(runs: Path) -> None:
    for file in runs.rglob("record.json"):
        file.write_text("{")
    done = modbench(runs)
    assert (done.exit_code, done.stdout, done.stderr.count("modbench: ")) == (2, "", 3)
    assert json.loads(modbench(runs, "--format", "json").stdout) == []


@pytest.mark.parametrize(("arguments", "says"), [(["nowhere"], "no finished run"), ([".", "-f", "tabel"], "table")])
def test_bad_arguments(arguments: list[Any], says: str) -> None:
    with pytest.raises(ModbenchError, match=says):
        raise modbench(*arguments).exception or AssertionError
