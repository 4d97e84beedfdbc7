"""`modbench check`: exit codes, what it prints and writes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import Result
from typer.testing import CliRunner

from modbench.cli.app import app
from modbench.comparison.load import from_record
from modbench.leaderboard import from_runs, write_leaderboard

from ..conftest import MakeRun

ROOT = Path(__file__).parents[2]
SOLVED = [True] * 90 + [False] * 10
WORSE = [False] * 20 + [True] * 70 + [False] * 9 + [True]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Where `make_run` puts runs."""
    return tmp_path / "runs"


@pytest.fixture
def board(tmp_path: Path, runs: Path, make_run: MakeRun) -> Path:
    """A leaderboard of one run, which then is gone."""
    path = tmp_path / "board.json"
    add(path, run_of(make_run, SOLVED))
    shutil.rmtree(runs)
    return path


def run_of(make_run: MakeRun, right: Iterable[bool], adapter: bytes = b"weights", **fields: Any) -> Path:
    """The folder of a finished run of `mod_k` with this adapter."""
    folder, _ = make_run("mod_k", {"modbench_one": right}, **fields)
    (folder / "adapter").mkdir(exist_ok=True)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(adapter)
    return folder


def add(board: Path, *folders: Path) -> None:
    from modbench.records import read_record

    write_leaderboard(board, from_runs([from_record(folder, read_record(folder)) for folder in folders]))


def check(board: Path, runs: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["check", str(board), "--runs", str(runs), *options])


def test_it_passes_where_nothing_changed(board: Path, runs: Path, make_run: MakeRun) -> None:
    run_of(make_run, SOLVED)
    done = check(board, runs)
    assert done.exit_code == 0 and done.stdout.endswith("\npassed: of 2 checks 2 passed\n")


def test_a_regression_is_printed_with_what_was_lost(board: Path, runs: Path, make_run: MakeRun) -> None:
    run_of(make_run, WORSE)
    done = check(board, runs, "--show", "2")
    assert done.exit_code == 1
    assert "regressed: significantly worse; 90.0 before, 71.0 now (-19.0 points" in done.stdout
    assert "20 documents solved before are not now, 1 the other way" in done.stdout
    assert "a loss of" in done.stdout and "80 % of cases" in done.stdout
    assert done.stdout.count("document hash-") == 2 and "response: 2 + 2 = 4." in done.stdout
    assert done.stdout.splitlines()[-1] == "regressed: of 2 checks 1 passed, 1 regressed"
    assert check(board, runs, "--show", "0").stdout.count("document hash-") == 0


def test_every_format(board: Path, runs: Path, make_run: MakeRun) -> None:
    run_of(make_run, WORSE)
    value = json.loads(check(board, runs, "--format", "json").stdout)
    assert value["verdict"] == "regressed" and [entry["status"] for entry in value["checks"]] == ["regressed", "passed"]
    assert len(value["checks"][0]["lost"]) == 20 and value["checks"][0]["documents"][0]["gold"] == "5"
    (accuracy, parameters) = csv.DictReader(io.StringIO(check(board, runs, "--format", "csv").stdout))
    assert (accuracy["before"], accuracy["now"], accuracy["lost"], accuracy["verdict"]) == (
        "0.9",
        "0.71",
        "20",
        "regressed",
    )
    assert parameters["check"] == "parameters" and parameters["now"] == "1100"
    for format in ("markdown", "latex"):
        assert "regressed" in check(board, runs, "--format", format).stdout
    assert check(board, runs, "--format", "tabel").exit_code != 0


def test_reports_for_ci_services(board: Path, runs: Path, make_run: MakeRun, tmp_path: Path) -> None:
    run_of(make_run, WORSE)
    xml, page = tmp_path / "out" / "check.xml", tmp_path / "out" / "check.md"
    assert check(board, runs, "--junit", str(xml), "--summary", str(page)).exit_code == 1
    suite = ElementTree.parse(xml).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    (failure,) = suite.iter("failure")
    assert "-19.0 points" in str(failure.get("message")) and "document hash-" in str(failure.text)
    assert "<details>" in page.read_text() and sorted(path.name for path in xml.parent.iterdir()) == [
        "check.md",
        "check.xml",
    ]


def test_it_says_why_it_cannot_tell(board: Path, runs: Path, make_run: MakeRun) -> None:
    runs.mkdir()
    nothing = check(board, runs)
    assert nothing.exit_code == 3 and "mod_k accuracy: cannot tell: no run of it is there" in nothing.stdout
    for change, said in (
        ({"seed": 3}, "mod_k seed 0 accuracy: cannot tell: no run of this seed is there"),
        ({"right": SOLVED[1:]}, "answered other documents of modbench_one"),
        ({"adapter": b"other"}, "5 seeds on both sides, 1 are there"),
        ({"suite": "eval"}, "left out, of suite eval: 1"),
        (
            {"identity": {"tasks": {"modbench_one": {"prompt": "alpaca"}}}},
            'differ in the prompt of modbench_one, {} and {"prompt":"alpaca"}',
        ),
    ):
        run_of(make_run, **{"right": SOLVED, **change})  # type: ignore[arg-type]
        done = check(board, runs)
        assert done.exit_code == 3 and said in done.stdout
        shutil.rmtree(runs)


def test_an_adapter_evaluated_elsewhere_is_known_by_its_files(board: Path, runs: Path, make_run: MakeRun) -> None:
    files = {"adapter_model.safetensors": sha256(b"weights").hexdigest(), "adapter_config.json": "0" * 64}
    folder = run_of(make_run, WORSE, identity={"adapter": files})
    shutil.rmtree(folder / "adapter")
    assert check(board, runs).exit_code == 1
    run_of(make_run, WORSE, identity={"adapter": files | {"mod_model.safetensors": "1" * 64}})
    shutil.rmtree(folder / "adapter")
    assert check(board, runs).exit_code == 3


def test_undecided_by_the_margin(board: Path, runs: Path, make_run: MakeRun) -> None:
    run_of(make_run, [False, *SOLVED[1:]])
    assert check(board, runs).exit_code == 0
    assert check(board, runs, "--margin", "10pp").exit_code == 0
    done = check(board, runs, "--margin", "1pp")
    assert done.exit_code == 3 and "its interval reaches below the margin of 1 points" in done.stdout


def test_speed_and_memory_on_request(board: Path, runs: Path, make_run: MakeRun) -> None:
    from modbench.records import Evaluation

    run_of(make_run, SOLVED, evaluation=Evaluation(seconds=5.5, tokens=None, peak_memory_bytes=2**22))
    assert check(board, runs).exit_code == 0
    slow = check(board, runs, "--speed", "2")
    assert slow.exit_code == 1 and "2.2 times as before, more than 2; 2.5 s before, 5.5 s now" in slow.stdout
    assert check(board, runs, "--speed", "2.5").exit_code == 0
    assert check(board, runs, "--memory", "1.2").exit_code == 1


def test_five_seeds_of_a_retrained_method(tmp_path: Path, runs: Path, make_run: MakeRun) -> None:
    board = tmp_path / "five.json"
    for seed in range(5):
        add(board, run_of(make_run, [True] * (90 + seed) + [False] * (10 - seed), seed=seed))
    shutil.rmtree(runs)
    for seed in range(5):
        run_of(make_run, [True] * (80 + seed % 2) + [False] * (20 - seed % 2), adapter=b"new", seed=seed)
    done = check(board, runs)
    assert done.exit_code == 1 and "mod_k one accuracy: regressed" in done.stdout
    assert "document hash-" in done.stdout


def test_of_several_rows_and_runs_those_of_one_identity_are_compared(
    board: Path, runs: Path, tmp_path: Path, make_run: MakeRun
) -> None:
    later = {"identity": {"other": 1}, "created": "2025-02-02T03:04:05+00:00"}
    add(board, run_of(make_run, [True] * 100, **later))
    newest = check(board, runs, "--format", "json")
    assert json.loads(newest.stdout)["notes"] == ["mod_k seed 0: of 2 rows that of its identity"]
    shutil.rmtree(runs)
    run_of(make_run, WORSE, identity={"third": 1})
    done = json.loads(check(board, runs, "--format", "json").stdout)
    assert done["notes"] == ["mod_k seed 0: of 2 rows the newest"] and done["checks"][0]["before"] == 1.0
    (runs / "demo" / "mod_k" / "seed-0").rename(runs / "demo" / "mod_k" / "seed-0-abc")
    same = run_of(make_run, SOLVED)
    done = json.loads(check(board, runs, "--format", "json").stdout)
    assert done["verdict"] == "passed" and done["checks"][0]["before"] == 0.9
    assert done["notes"][0] == f"mod_k seed 0: of 2 runs {same}, of a row's identity"


def test_a_row_without_verdicts_cannot_be_checked(board: Path, runs: Path, make_run: MakeRun) -> None:
    value = json.loads(board.read_text())
    value["rows"][0]["outcomes"] = None
    board.write_text(json.dumps(value))
    run_of(make_run, SOLVED)
    done = check(board, runs)
    assert done.exit_code == 3 and "has no verdicts by document" in done.stdout


def test_methods_can_be_named(board: Path, runs: Path, make_run: MakeRun) -> None:
    folder, _ = make_run("lora_all", {"modbench_one": SOLVED})
    add(board, folder)
    shutil.rmtree(folder)
    run_of(make_run, SOLVED)
    assert check(board, runs).exit_code == 3
    assert CliRunner().invoke(app, ["check", str(board), "mod_k", "--runs", str(runs)]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["demmo"], "did you mean demo"),
        (["{board}", "mod_kk", "--runs", "runs"], "did you mean mod_k"),
        (["{board}", "--runs", "none"], "none holds no run"),
        (["{board}", "--margin", "1"], "such as 1pp"),
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
    command = [sys.executable, "-m", "modbench", "check", *given, "--junit", "x.xml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and says in done.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_it_needs_neither_torch_nor_the_harness(board: Path, runs: Path, make_run: MakeRun) -> None:
    run_of(make_run, WORSE)
    code = (
        "import sys; from modbench.cli.app import app\n"
        f"try: app(['check', {str(board)!r}, '--runs', {str(runs)!r}])\n"
        "except SystemExit as end: assert end.code == 1\n"
        "heavy = {'torch', 'transformers', 'peft', 'lm_eval', 'datasets', 'accelerate'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
