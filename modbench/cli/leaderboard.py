"""`modbench leaderboard`: results of a suite in one JSON file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modbench.cli.options import Format, Grid, with_grid

if TYPE_CHECKING:
    from modbench.comparison.outcomes import RunOutcomes

leaderboard_app = typer.Typer(
    help="Results of a suite in one JSON file: rows as published and rows as measured, with their provenance.",
    epilog="Example: modbench leaderboard show llama-7b-math",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def complete_boards(incomplete: str) -> list[str]:
    from modbench.leaderboard import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


Board = Annotated[
    str, typer.Argument(help="A leaderboard: a JSON file, or a suite that has one.", autocompletion=complete_boards)
]


@leaderboard_app.command(
    epilog="Examples: modbench leaderboard show   |   modbench leaderboard show demo --format markdown   |   "
    "modbench leaderboard show results.json"
)
def show(
    board: Annotated[
        str | None,
        typer.Argument(help="A JSON file, or a suite that has one; else all suites.", autocompletion=complete_boards),
    ] = None,
    format: Format = "table",
) -> None:
    """Print a leaderboard, best mean first; without a name, which there are."""
    from modbench.leaderboard import locate, read_leaderboard, shipped
    from modbench.report.formats import check_format, render_rows
    from modbench.report.leaderboards import EXACT, overview_rows, render_leaderboard

    check_format(format)
    if board is not None:
        print(render_leaderboard(read_leaderboard(locate(board)), format))
        return
    boards = {suite: read_leaderboard(path) for suite, path in shipped().items()}
    print(render_rows(*overview_rows(boards, exact=format in EXACT), format))


@leaderboard_app.command(
    epilog="Examples: modbench leaderboard add base mod_k --suite smollm2-math --model DIR   |   "
    "modbench leaderboard add runs/demo/mod_k --to results.json   |   modbench leaderboard add mod_k --dry-run"
)
@with_grid
def add(
    grid: Grid,
    to: Annotated[
        Path | None, typer.Option("--to", help="The file, made if absent; else leaderboards/SUITE.json.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the rows; write nothing.")] = False,
    format: Format = "table",
) -> None:
    """Add finished runs to a leaderboard file and print their rows; runs nothing.

    In place of methods, folders of finished runs can be given. Adding again changes nothing, and several processes may
    add to one file at once.
    """
    from modbench.cli.grid import say
    from modbench.leaderboard import from_runs, write_leaderboard
    from modbench.report.formats import check_format
    from modbench.report.leaderboards import render_leaderboard

    check_format(format)
    board = from_runs(_in_folders(grid) if any(map(_is_folder, grid.methods)) else _of_methods(grid))
    if not dry_run:
        path = to or Path("leaderboards", f"{board.suite}.json")
        say(f"{path}: {len(write_leaderboard(path, board).rows)} rows")
    print(render_leaderboard(board, format))


def _is_folder(name: str) -> bool:
    from modbench.methods import NAMES

    return name not in NAMES and ("/" in name or Path(name).is_dir())


def _in_folders(grid: Grid) -> list[RunOutcomes]:
    from modbench.comparison.load import from_record
    from modbench.errors import ModbenchError
    from modbench.records import read_record
    from modbench.rescore import find_runs

    methods = [name for name in grid.methods if not _is_folder(name)]
    if methods:
        raise ModbenchError(f"{methods[0]!r} is no folder: give methods, or folders of runs, not both")
    if replace(grid, methods=[]) != Grid(methods=[]):
        raise ModbenchError("options that choose runs, such as --suite, go with methods; with folders leave them out")
    return [from_record(folder, read_record(folder)) for folder in find_runs(map(Path, grid.methods))]


def _of_methods(grid: Grid) -> list[RunOutcomes]:
    from modbench.cli.grid import prepare, say
    from modbench.comparison.load import from_record

    benchmark, plan = prepare(grid)
    for run in benchmark.missing(plan):
        say(f"left out, not finished: {run.method.name} seed {run.seed}")
    return [from_record(folder, record) for folder, record in benchmark.finished(plan)]


@leaderboard_app.command(
    epilog="Examples: modbench leaderboard validate   |   modbench leaderboard validate results.json --format json"
)
def validate(
    boards: Annotated[
        list[str] | None,
        typer.Argument(help="JSON files or suites; else all that come with modbench.", autocompletion=complete_boards),
    ] = None,
    format: Format = "table",
) -> None:
    """Check that every number follows from the others.

    Exit code 1 where one does not: the table names file, row and reason.
    """
    from modbench.leaderboard import locate, problems, shipped
    from modbench.report.formats import check_format, render_rows

    check_format(format)
    paths = [locate(name) for name in boards] if boards else list(shipped().values())
    rows: list[list[object]] = [[str(path), *problem] for path in paths for problem in problems(path)]
    if rows or format == "json":
        print(render_rows(["file", "row", "problem"], rows, format))
    typer.echo(f"{len(paths)} leaderboards, {len(rows)} problems", err=True)
    if rows:
        raise typer.Exit(1)


@leaderboard_app.command(epilog="Example: modbench leaderboard diff demo results.json --exit-code")
def diff(
    old: Board,
    new: Board,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if there is a difference.")] = False,
    format: Format = "table",
) -> None:
    """Print which rows were added, removed and changed, with accuracies in percent and trained parameters."""
    from modbench.leaderboard import locate, read_leaderboard
    from modbench.leaderboard.diff import diff as changes_between
    from modbench.report.formats import check_format, render_rows
    from modbench.report.leaderboards import EXACT, diff_rows

    check_format(format)
    changes = changes_between(read_leaderboard(locate(old)), read_leaderboard(locate(new)))
    if changes or format == "json":
        print(render_rows(*diff_rows(changes, exact=format in EXACT), format))
    typer.echo(f"{len(changes)} differences", err=True)
    if changes and exit_code:
        raise typer.Exit(1)
