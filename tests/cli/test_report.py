"""`modbench report`: what it takes, and that it never runs anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from modbench.cli.grid import prepare
from modbench.cli.options import Grid
from modbench.cli.report import report
from modbench.errors import ModbenchError
from modbench.records import Record, Sample, TaskResult, write_record, write_samples

from ..report.comparisons import carried

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(report)
PICTURES = {f"{name}.{kind}" for name in ("accuracy", "solved_sets", "overlap") for kind in ("svg", "png")}


@pytest.fixture
def finished(tmp_path: Path, make_record: Callable[..., Record], make_sample: Callable[..., Sample]) -> Path:
    """A folder of runs with `lora_all` of seeds 0 and 1 and `mod_k` of seed 0, of the embedded suite."""
    runs = tmp_path / "runs"
    benchmark, plan = prepare(Grid(methods=["lora_all", "mod_k"], limit=2, seeds="0,1", runs=[runs]))
    for run in plan[:3]:
        folder = benchmark.folder(run)
        for number, task in enumerate(benchmark.suite.tasks):
            samples = [make_sample(0, True), make_sample(1, bool(number) or run.method.name == "mod_k")]
            write_samples(folder / "samples" / f"{task}.jsonl", samples)
        tasks = {task: TaskResult.from_counts(2, 2) for task in benchmark.suite.tasks}
        if run.method.name != "mod_k":
            tasks[next(iter(tasks))] = TaskResult.from_counts(2, 1)
        record = make_record(method=run.method.name, seed=run.seed, identity=run.identity, tasks=tasks, training=None)
        write_record(folder, record)
    return runs


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in (*arguments, "--limit", 2)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_named_methods(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    assert call(out, "mod_k", "lora_all", "--runs", finished).strip() == str(out / "index.html")
    assert PICTURES | {"index.html"} <= {path.name for path in out.iterdir()}


def test_folders_in_place_of_methods(finished: Path, tmp_path: Path) -> None:
    call(tmp_path / "page", f"mine={finished / 'demo' / 'mod_k'}", "lora_all", "--runs", finished, "--margin", "1pp")
    found = carried(tmp_path / "page" / "index.html")
    assert [run["method"] for run in found["runs"]] == ["mine", "lora_all"]
    assert found["comparison"]["margin"] == 0.01


def test_without_methods_all_that_is_finished(finished: Path, tmp_path: Path) -> None:
    call(tmp_path / "page", "--runs", finished, "--seeds", "0,1")
    runs = carried(tmp_path / "page" / "index.html")["runs"]
    assert [(run["method"], run["seed"]) for run in runs] == [("lora_all", 0), ("lora_all", 1), ("mod_k", 0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["page", "mod_k", "lora_all", "--seeds", "0,1"], "not run yet: mod_k seed 1; do it with `modbench run mod_k`"),
        (["page", "mod_k", "base"], "not run yet: base seed 0"),
        (["page", "mod_kk"], "did you mean mod_k"),
        (["page", "--seeds", "7"], "not run yet"),
        (["page", "mod_k", "lora_all", "--baseline", "base"], "unknown baseline 'base'"),
        (["page", "mod_k", "lora_all", "--margin", "1"], "--margin 1: give percentage points"),
        (["mod_k", "lora_all"], "mod_k is a method: name the folder first"),
    ],
)
def test_what_is_missing_is_said(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(finished.rglob("*"))
    with pytest.raises(ModbenchError, match=message):
        call(*arguments, "--runs", finished)
    assert sorted(finished.rglob("*")) == before and not (tmp_path / "page").exists()


def test_no_runs_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match="has no finished run of demo: try `modbench run"):
        call(tmp_path / "page", "--runs", tmp_path / "nowhere")


def test_the_command_line_starts_without_matplotlib() -> None:
    script = "import sys, modbench.cli.report; sys.exit(bool({'matplotlib', 'torch', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
