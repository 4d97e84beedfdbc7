"""`modbench check`: exit codes, what it prints and writes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from modbench.cli.app import app

from ..conftest import MakeRun
from .check_runs import SOLVED, WORSE, add, check, run_of


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
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["2", "1", "0"]
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


def test_what_cannot_be_told_is_an_error_to_ci_services(board: Path, runs: Path, tmp_path: Path) -> None:
    runs.mkdir()
    assert check(board, runs, "--junit", str(tmp_path / "check.xml")).exit_code == 3
    suite = ElementTree.parse(tmp_path / "check.xml").getroot()
    assert [suite.get(name) for name in ("tests", "errors", "skipped")] == ["1", "1", "0"]
    assert "no run of it is there" in str(next(suite.iter("error")).get("message"))


@pytest.mark.parametrize("rows", ["none", "published"])
def test_a_leaderboard_without_measured_rows(rows: str, board: Path, runs: Path, make_run: MakeRun) -> None:
    run_of(make_run, SOLVED)
    board.write_text(json.dumps(json.loads(board.read_text()) | {"rows": []}))
    for methods in ([], ["mod_k"]):
        name = "llama-7b-math" if rows == "published" else str(board)
        done = CliRunner().invoke(app, ["check", name, *methods, "--runs", str(runs)])
        assert done.exit_code == 3 and "the leaderboard has no measured row" in done.stdout


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
