"""`modbench data`: the pinned public files, fetched, found and verified."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from modbench.cli.options import Format, complete_suites, complete_tasks

data_app = typer.Typer(
    help="The pinned public data files: fetch, find and verify them. MODBENCH_DATA=DIR names a local copy.",
    epilog="Example: modbench data pull --suite smollm2-math",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def complete_files(incomplete: str) -> list[str]:
    from modbench.data.sources import FILES

    return [name for name in FILES if name.startswith(incomplete)]


Names = Annotated[list[str] | None, typer.Argument(help="Files by their name upstream.", autocompletion=complete_files)]
Name = Annotated[
    str | None,
    typer.Argument(help="A file by its name upstream; else the folder.", autocompletion=complete_files),
]
All = Annotated[bool, typer.Option("--all", help="Every pinned file.")]
SuiteName = Annotated[
    str | None,
    typer.Option("--suite", help="What a suite trains and evaluates on.", autocompletion=complete_suites),
]
TaskName = Annotated[
    list[str] | None,
    typer.Option("--task", help="What a task reads; may be given again.", autocompletion=complete_tasks),
]


@data_app.command(
    epilog="Examples: modbench data pull   |   modbench data pull --task modbench_addsub --task modbench_gsm8k   |   "
    "modbench data pull dataset/AddSub/test.json"
)
def pull(names: Names = None, all: All = False, suite: SuiteName = None, task: TaskName = None) -> None:
    """Fetch what is not here, print where it is.

    Every file is verified. Without names and options: all that the tasks and suites need that come with modbench.
    """
    from modbench.data.download import Unavailable
    from modbench.data.sources import FILES, check_folder, locate, pinned
    from modbench.errors import unknown
    from modbench.harness.task_files import expand, group_files, task_files
    from modbench.suites import suite_names

    check_folder()
    tasks = expand(task or ())
    for name in tasks:
        if name not in task_files():
            raise unknown("task", name, [*task_files(), *group_files()])
    for name in names or ():
        pinned(name)
    files = [(name, True) for name in (FILES if all else names or ())]
    if suite or task:
        files += _of_suites([suite] if suite else []) + _of_tasks(tasks)
    elif not files:
        files = _of_suites(suite_names()) + _of_tasks(list(task_files()))
    needed = dict.fromkeys(name for name, is_needed in files if is_needed)
    for name in needed:
        print(locate(name), flush=True)
    for name in dict.fromkeys(name for name, _ in files if name not in needed):
        try:
            print(locate(name), flush=True)
        except Unavailable as error:
            typer.echo(f"modbench: left out: {error}", err=True)


@data_app.command(epilog='Example: less "$(modbench data path dataset/AddSub/test.json)"')
def path(name: Name = None) -> None:
    """Print where a file is.

    It is verified, and fetched if need be. Without a name: the folder, which is MODBENCH_DATA if set, else the cache.
    """
    from modbench.data.sources import data_folder, locate

    print(locate(name) if name else data_folder())


@data_app.command(epilog="Example: modbench data verify --format json")
def verify(names: Names = None, format: Format = "table") -> None:
    """Check the files that are here.

    Exit code 1 if one is altered, 3 if one that is named is absent, 2 if MODBENCH_DATA is no folder. Fetches nothing.
    """
    from modbench.data.sources import FILES, check_folder, inspect, pinned
    from modbench.report.formats import check_format, render_rows

    check_format(format)
    check_folder()
    rows: list[list[object]] = []
    for name in dict.fromkeys(names or FILES):
        pin, state = pinned(name), inspect(name)
        rows.append([name, state.verdict, state.size, pin.blob, state.found, pin.licence, str(state.where)])
    verdicts = [row[1] for row in rows]
    if format in ("table", "markdown", "latex"):
        rows = [[_short(cell) for cell in row] for row in rows]
    print(render_rows(["file", "state", "bytes", "expected", "found", "licence", "where"], rows, format))
    typer.echo(", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("ok", "absent", "altered")), err=True)
    if "altered" in verdicts:
        raise typer.Exit(1)
    if names and "absent" in verdicts:
        raise typer.Exit(3)


def _short(cell: object) -> object:
    """Blob ids at the length that git shows, for eyes."""
    return cell[:10] if isinstance(cell, str) and re.fullmatch(r"[0-9a-f]{40}", cell) else cell


def _of_tasks(names: Sequence[str]) -> list[tuple[str, bool]]:
    """The pinned files that tasks of ours read, and whether each is needed: the test sets that few-shot examples are
    compared with are not, as those are compared with what can be had."""
    from modbench.data.pools import POOLS
    from modbench.harness.task_files import read_task, task_files

    data = [read_task(name)["dataset_kwargs"] for name in names if name in task_files()]
    pools = [POOLS[kwargs["pool"]] for kwargs in data if kwargs.get("pool") in POOLS]
    files = [(kwargs["data_file"], True) for kwargs in data if "data_file" in kwargs]
    return files + [(pool.path, True) for pool in pools] + [(file, False) for pool in pools for file in pool.tests]


def _of_suites(names: Sequence[str]) -> list[tuple[str, bool]]:
    """The same for the training data and tasks of suites."""
    from modbench.data.math_mix import GSM8K_TRAIN, MAWPS_TRAIN, OPTIONAL, REQUIRED
    from modbench.harness.task_files import expand
    from modbench.suites import load_suite

    suites = [load_suite(name) for name in names]
    files = _of_tasks(expand([task for suite in suites for task in suite.tasks]))
    if any(suite.training.source == "math_mix" for suite in suites):
        files += [(file, True) for file in (GSM8K_TRAIN, MAWPS_TRAIN, *REQUIRED)] + [(file, False) for file in OPTIONAL]
    return files
