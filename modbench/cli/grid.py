"""What `run` and `compare` share: from options to a benchmark and its plan, and asking before long work."""

from __future__ import annotations

import logging
import os
import statistics
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from modbench.cli.interrupts import lasting_interrupt
from modbench.cli.options import Grid
from modbench.data.prompts import get_prompt
from modbench.ensemble.config import PAPER
from modbench.errors import ModbenchError
from modbench.harness.task_files import default_prompt, expand, read_task
from modbench.leaderboard import MeasuredRow, published
from modbench.methods import Method, get_method
from modbench.peft_file import read_peft_file
from modbench.records import Record
from modbench.runner import Benchmark, Run
from modbench.suites import PAPER_QUESTIONS, customized, load_suite


def say(message: str) -> None:
    """A line of progress, on stderr: stdout is for the result."""
    sys.stderr.write(message + "\n")


def prepare(grid: Grid) -> tuple[Benchmark, list[Run]]:
    """The benchmark and the runs that the options ask for; ModbenchError for what is unknown or cannot be had."""
    methods = chosen_methods(grid.methods, grid.paper, grid.train_top_k)
    task_names = None if grid.tasks is None else expand(split(grid.tasks, "--tasks"))
    recipe = recipe_changes(methods, grid.peft_config, grid.paper)
    suite = customized(load_suite(grid.suite), grid.model, task_names, grid.train, grid.limit, recipe)
    suite = suite.model_copy(update=_asked(grid, suite.tasks))
    runs, *others = grid.folders
    benchmark = Benchmark(suite, runs, grid.model_note, others)
    return benchmark, benchmark.plan(methods, suite.seeds if grid.seeds is None else _seeds(grid.seeds))


def chosen_methods(names: Sequence[str], paper: bool, train_top_k: bool = False) -> list[Method]:
    """The methods called `names`, each once, with the settings that the options add."""
    methods = [get_method(name) for name in dict.fromkeys(names)]
    if paper:
        methods = [method.with_ensemble(**PAPER) for method in methods]
    if not train_top_k:
        return methods
    tops = [method.ensemble["top_k"] if method.ensemble and "top_k" in method.ensemble else None for method in methods]
    if not any(tops):
        raise ModbenchError("--train-top-k is for mod_k_top<j>: name one, such as mod_k_top2")
    if 1 in tops:
        say("warning: trained sparse with one gate the router learns nothing: the softmax of one score is 1")
    return [
        method.with_ensemble(train_top_k=True) if top else method for method, top in zip(methods, tops, strict=True)
    ]


def recipe_changes(methods: Sequence[Method], peft_config: Path | None, paper: bool) -> dict[str, Any]:
    """What the options change in the suite's recipe."""
    changes: dict[str, Any] = {}
    if peft_config is not None:
        if all(method.adapter != "peft" for method in methods):
            raise ModbenchError("--peft-config is for peft_not_k, peft_all, peft_mod_k and peft_all_mod_k: name one")
        changes["peft"] = read_peft_file(peft_config)
    if paper:
        changes["ensemble_learning_rate"] = None
    return changes


def _asked(grid: Grid, tasks: Iterable[str]) -> dict[str, Any]:
    """How the options ask otherwise than the suite."""
    changes: dict[str, Any] = {}
    if grid.paper and any(map(_of_paper, tasks)):
        changes |= PAPER_QUESTIONS
    if grid.prompt is not None:
        changes["prompt"] = get_prompt(grid.prompt).name
    if grid.apply_chat_template is not None:
        changes["apply_chat_template"] = grid.apply_chat_template
    return changes


def _of_paper(task: str) -> bool:
    return default_prompt(task) is not None and "data_file" in read_task(task)["dataset_kwargs"]


def do_missing(benchmark: Benchmark, plan: Sequence[Run], missing: Sequence[Run], yes: bool) -> None:
    """Runs what is missing; beyond the embedded suite it shows the plan and asks first."""
    if not missing:
        return
    if benchmark.suite.model != "demo":
        _ask(benchmark, plan, missing, yes)
    quiet()
    check_runs(benchmark, missing)
    with stages() as stage:
        for number, run in enumerate(missing, start=1):
            stage(f"run {number} of {len(missing)}: {benchmark.suite.name} {run.method.name} seed {run.seed}")
            benchmark.run(run, stage)


def check_runs(benchmark: Benchmark, runs: Iterable[Run]) -> None:
    """ModbenchError, before anything is trained, for a task or a PEFT configuration that nobody knows."""
    from modbench.harness.evaluate import check_foreign_tasks

    check_foreign_tasks(benchmark.suite.tasks)
    if any(run.method.adapter == "peft" for run in runs):
        from modbench.training.adapters import check_peft

        check_peft(benchmark.suite.recipe.peft_for("peft_all"))


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """Within it, the function it gives says how far the work has come, and stops there if Ctrl-C was pressed."""
    with lasting_interrupt() as check:

        def stage(message: str) -> None:
            check()
            say(message)

        yield stage


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
    rows = [row for row in board.measured if row.method == method] if board else []
    if rows:
        return f"{_minutes(_seconds(rows[0]))} on {rows[0].environment.hardware}, {rows[0].environment.threads} threads"
    return "time unknown: no run of it has finished yet"


def _seconds(row: Record | MeasuredRow) -> float:
    return (row.training.seconds if row.training else 0.0) + row.evaluation.seconds


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def quiet() -> None:
    """Keeps the libraries' own chatter off the terminal; errors still come through."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def split(text: str, option: str) -> list[str]:
    """The names in `text`, which are separated by commas; ModbenchError if there is none."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ModbenchError(f"{option} names nothing: give at least one, separated by commas")
    return parts


def _seeds(text: str) -> list[int]:
    parts = split(text, "--seeds")
    wrong = [part for part in parts if not part.isascii() or not part.isdigit() or int(part) >= 2**32]
    if wrong:
        raise ModbenchError(f"--seeds {text}: {wrong[0]!r} is not a whole number from 0 to 4294967295")
    return list(dict.fromkeys(int(part) for part in parts))
