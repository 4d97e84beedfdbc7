"""What `run` and `compare` share: from options to a benchmark and its plan, and asking before long work."""

from __future__ import annotations

import logging
import os
import statistics
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import typer

from modbench.errors import ModbenchError
from modbench.leaderboard import Row, published
from modbench.methods import get_method
from modbench.records import Record
from modbench.runner import Benchmark, Run
from modbench.suites import customized, load_suite


def say(message: str) -> None:
    """A line of progress, on stderr: stdout is for the result."""
    sys.stderr.write(message + "\n")


def prepare(
    methods: Sequence[str],
    *,
    suite: str,
    model: str | None,
    model_note: str | None,
    tasks: str | None,
    train: Path | None,
    limit: int | None,
    seeds: str | None,
    runs: Path,
) -> tuple[Benchmark, list[Run]]:
    """The benchmark and the runs that the options ask for; ModbenchError for what is unknown or cannot be had."""
    chosen = [get_method(name) for name in dict.fromkeys(methods)]
    task_names = None if tasks is None else list(dict.fromkeys(_split(tasks, "--tasks")))
    loaded = customized(load_suite(suite), model, task_names, train, limit)
    benchmark = Benchmark(loaded, runs, model_note)
    return benchmark, benchmark.plan(chosen, loaded.seeds if seeds is None else _seeds(seeds))


def do_missing(benchmark: Benchmark, plan: Sequence[Run], missing: Sequence[Run], yes: bool) -> None:
    """Runs what is missing; beyond the embedded suite it shows the plan and asks first."""
    if not missing:
        return
    if benchmark.suite.model != "demo":
        _ask(benchmark, plan, missing, yes)
    _quiet()
    from modbench.harness.evaluate import check_foreign_tasks

    check_foreign_tasks(benchmark.suite.tasks)
    for number, run in enumerate(missing, start=1):
        say(f"run {number} of {len(missing)}: {benchmark.suite.name} {run.method.name} seed {run.seed}")
        benchmark.run(run, say)


def _ask(benchmark: Benchmark, plan: Sequence[Run], missing: Sequence[Run], yes: bool) -> None:
    suite = benchmark.suite
    tasks = ", ".join(f"{task} ({limit or 'all'})" for task, limit in suite.tasks.items())
    say(f"suite {suite.name} on {suite.model}: {tasks}")
    done = [record for run in plan if (record := benchmark.find(run))]
    for run in missing:
        say(f"  {run.method.name} seed {run.seed}: {_estimate(suite.name, run.method.name, done)}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise ModbenchError(f"{len(missing)} runs are missing and nobody is here to ask: add --yes to begin")
    if not typer.confirm("Begin?", err=True):
        raise ModbenchError("nothing was run")


def _estimate(suite: str, method: str, done: Sequence[Record]) -> str:
    """Expected time of a run: from finished runs here, else from the published leaderboard's machine."""
    here = [_seconds(record) for record in done if (record.method == "base") == (method == "base")]
    if here:
        return f"about {_minutes(statistics.median(here))} as the runs here took"
    board = published(suite)
    rows = [row for row in board.rows if row.method == method] if board else []
    if rows:
        return f"{_minutes(_seconds(rows[0]))} on {rows[0].environment.hardware}, {rows[0].environment.threads} threads"
    return "time unknown: no run of it has finished yet"


def _seconds(row: Record | Row) -> float:
    return (row.training.seconds if row.training else 0.0) + row.evaluation.seconds


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _quiet() -> None:
    """Keeps the libraries' own chatter off the terminal; errors still come through."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def _split(text: str, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ModbenchError(f"{option} names nothing: give at least one, separated by commas")
    return parts


def _seeds(text: str) -> list[int]:
    parts = _split(text, "--seeds")
    wrong = [part for part in parts if not part.isascii() or not part.isdigit() or int(part) >= 2**32]
    if wrong:
        raise ModbenchError(f"--seeds {text}: {wrong[0]!r} is not a whole number from 0 to 4294967295")
    return list(dict.fromkeys(int(part) for part in parts))
