"""`modbench check`: new runs held against a leaderboard, for CI."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from modbench.cli.compare import parse_margin
from modbench.cli.leaderboard import Board
from modbench.cli.options import Format, complete_methods

EPILOG = (
    "Examples: modbench check demo   |   modbench check demo mod_k --margin 1pp   |   "
    "modbench check results.json --runs runs --speed 1.5 --junit check.xml --summary check.md"
)

Checked = Annotated[
    list[str] | None,
    typer.Argument(help="Methods to check; else all that the leaderboard has.", autocompletion=complete_methods),
]
RunFolders = Annotated[
    list[str] | None,
    typer.Option("--runs", help="Folder of new runs, or METHOD=FOLDER for lm_eval's; else runs. May be repeated."),
]


def check_command(
    leaderboard: Board,
    methods: Checked = None,
    runs: RunFolders = None,
    margin: Annotated[
        str | None, typer.Option("--margin", help="Ask for proof that no accuracy is worse by as much, in points: 1pp.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option("--speed", help="How many times as long an evaluation may take.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option("--memory", help="How many times as much peak memory it may take.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write JUnit XML to this file.")] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="Also write Markdown to this file.")] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="Lost documents to print of each regression.")] = 3,
    format: Format = "table",
) -> None:
    """Check that nothing regressed from a leaderboard to new runs; for CI.

    Regressed: an accuracy is significantly worse, on the same documents where the adapter is the same, over at least
    five seeds where it was trained again; or there are more trained parameters. Exit code 0: nothing regressed; 1:
    something did; 2: bad input; 3: it cannot be told, and the lines under the table say why; 70: modbench crashed.
    """
    from modbench.atomic import write_text
    from modbench.errors import reason
    from modbench.gate import Limits, Status, verdict
    from modbench.gate_documents import findings
    from modbench.gate_sides import read_runs, sides
    from modbench.leaderboard import locate, read_leaderboard
    from modbench.report import gate
    from modbench.report.formats import check_format

    title = f"modbench check {leaderboard}"

    def write(xml: str, page: str) -> None:
        for path, text in ((junit, xml), (summary, page)):
            if path is not None:
                write_text(path, text)

    try:
        check_format(format)
        limits = Limits(None if margin is None else parse_margin(margin), speed, memory)
        held = sides(read_leaderboard(locate(leaderboard)), read_runs(runs or ["runs"]), methods or ())
        checks = held.check(limits)
        found = findings(checks, held.after, show)
        write(gate.junit(title, found), gate.summary(title, found, held.notes))
        _print(gate.render(found, held.notes, format))
    except Exception as error:
        with suppress(OSError):  # what went wrong first is what counts
            write(*gate.broken_off(title, reason(error)))
        raise
    if format in ("csv", "json"):
        typer.echo(gate.conclusion(checks), err=True)
    code = {Status.PASSED: 0, Status.REGRESSED: 1, Status.CANNOT_TELL: 3}[verdict(checks)]
    if code:
        raise typer.Exit(code)


def _print(text: str) -> None:
    """Print `text`; where nobody reads it to its end, as before `| head`, the verdict stands all the same."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python's own flush at the end fails
