"""`modbench check` that is broken off: by bad input, by a crash, by a reader that goes away."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ..conftest import MakeRun
from .check_runs import SOLVED, WORSE, check, run_of


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["demmo"], "did you mean demo"),
        (["{board}", "mod_kk", "--runs", "runs"], "did you mean mod_k"),
        (["{board}", "--runs", "none"], "none holds no run"),
        (["{board}", "--margin", "1"], "such as 1pp"),
        (["{board}", "--speed", "0"], "--speed 0: give a ratio above 0"),
        (["{board}", "--memory", "nan"], "--memory nan: give a ratio above 0"),
        (["{board}", "--format", "tabel"], "did you mean table"),
        (["{cut}", "--runs", "runs"], "cut.json is not what modbench wrote"),
        (["{board}", "--runs", "damaged"], "line 1: cut off"),
        (["{board}", "--runs", "contradicting"], "but record.json says"),
        (["{board}", "--runs", "newer"], "schema_version is 99"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(arguments: list[str], says: str, board: Path, tmp_path: Path, make_run: MakeRun) -> None:
    (tmp_path / "cut.json").write_text(board.read_text()[:-50])
    for name in ("damaged", "contradicting", "newer"):
        shutil.copytree(run_of(make_run, SOLVED), tmp_path / name)
    samples = tmp_path / "damaged" / "samples" / "modbench_one.jsonl"
    samples.write_text(samples.read_text().splitlines()[0])
    samples = tmp_path / "contradicting" / "samples" / "modbench_one.jsonl"
    samples.write_text("".join(samples.read_text().splitlines(keepends=True)[1:]))
    record = tmp_path / "newer" / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"schema_version": 99}))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    given = [text.format(board=board, cut=tmp_path / "cut.json") for text in arguments]
    command = [sys.executable, "-m", "modbench", "check", *given, "--junit", "out/x.xml", "--summary", "out/x.md"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and says in done.stderr
    # What a CI service shows then is this error, not the reports of an earlier call; all else is as it was.
    out = tmp_path / "out"
    (error,) = ElementTree.parse(out / "x.xml").getroot().iter("error")
    assert says in str(error.get("message")) and "nothing was checked" in (out / "x.md").read_text()
    shutil.rmtree(out)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_report_of_an_earlier_call_does_not_stay(board: Path, runs: Path, make_run: MakeRun, tmp_path: Path) -> None:
    run_of(make_run, SOLVED)
    xml, page = tmp_path / "check.xml", tmp_path / "check.md"
    reports = ("--junit", str(xml), "--summary", str(page))
    assert check(board, runs, *reports).exit_code == 0
    assert ElementTree.parse(xml).getroot().get("errors") == "0" and "passed" in page.read_text()
    board.write_text("{")
    check(board, runs, *reports)
    assert ElementTree.parse(xml).getroot().get("errors") == "1" and "passed" not in page.read_text()


def test_reports_that_cannot_be_written_are_bad_input(board: Path, runs: Path, make_run: MakeRun) -> None:
    run_of(make_run, SOLVED)
    command = [sys.executable, "-m", "modbench", "check", str(board), "--runs", str(runs), "--junit", str(board / "x")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_a_crash_is_not_taken_for_a_regression(board: Path, runs: Path, make_run: MakeRun, tmp_path: Path) -> None:
    run_of(make_run, SOLVED)
    code = (
        "import sys, modbench.gate_documents, modbench.cli\n"
        "def crash(*_): raise RuntimeError('no such thing')\n"
        "modbench.gate_documents.findings = crash\n"
        "modbench.cli.main()"
    )
    command = [sys.executable, "-c", code, "check", str(board), "--runs", str(runs), "--junit", "check.xml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 70 and "Traceback" in done.stderr and "RuntimeError: no such thing" in done.stderr
    (error,) = ElementTree.parse(tmp_path / "check.xml").getroot().iter("error")
    assert error.get("message") == "no such thing"


@pytest.mark.parametrize(("right", "code"), [(SOLVED, 0), (WORSE, 1)], ids=["passed", "regressed"])
def test_the_verdict_stands_where_nobody_reads_the_table(
    right: list[bool], code: int, board: Path, runs: Path, make_run: MakeRun
) -> None:
    run_of(make_run, right)
    command = [sys.executable, "-m", "modbench", "check", str(board), "--runs", str(runs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(120) == code
