"""The options that several commands share, with completion of their names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def complete_methods(incomplete: str) -> list[str]:
    from modbench.methods import METHODS

    return [name for name in METHODS if name.startswith(incomplete)]


def complete_suites(incomplete: str) -> list[str]:
    from modbench.suites import suite_names

    return [name for name in suite_names() if name.startswith(incomplete)]


def complete_tasks(incomplete: str) -> list[str]:
    from modbench.harness.task_files import task_files

    done, _, last = incomplete.rpartition(",")
    prefix = f"{done}," if done else ""
    return [prefix + name for name in task_files() if name.startswith(last)]


def complete_formats(incomplete: str) -> list[str]:
    from modbench.report.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


Methods = Annotated[
    list[str], typer.Argument(help="Methods by name, see `modbench methods`.", autocompletion=complete_methods)
]
SuiteName = Annotated[
    str, typer.Option("--suite", help="A suite by name or YAML file.", autocompletion=complete_suites)
]
ModelName = Annotated[str | None, typer.Option("--model", help="Another base model: a folder or a hub id.")]
ModelNote = Annotated[
    str | None, typer.Option("--model-note", help='What to record on its origin: "de-quantized from Q4_1".')
]
TaskNames = Annotated[
    str | None, typer.Option("--tasks", help="Other tasks, separated by commas.", autocompletion=complete_tasks)
]
TrainFile = Annotated[Path | None, typer.Option("--train", help="Your training examples: JSON or JSON lines.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most this many problems per task.")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Seeds, separated by commas: 0,1,2.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that keeps the runs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking.")]
Format = Annotated[
    str,
    typer.Option("--format", "-f", help="table, markdown, latex, csv or json.", autocompletion=complete_formats),
]
