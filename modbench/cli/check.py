"""`modbench check`: new runs held against a leaderboard, for CI."""

from __future__ import annotations

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
        float | None, typer.Option("--speed", min=0.0, help="How many times as long an evaluation may take.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option("--memory", min=0.0, help="How many times as much peak memory it may take.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write JUnit XML to this file.")] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="Also write Markdown to this file.")] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="Lost documents to print of each regression.")] = 3,
    format: Format = "table",
) -> None:
    """Check that nothing regressed from a leaderboard to new runs; for CI.

    Regressed: an accuracy is significantly worse, on the same documents where the adapter is the same, over at least
    five seeds where it was trained again; or there are more trained parameters. Exit code 0: nothing regressed; 1:
    something did; 2: bad input; 3: it cannot be told, and the lines under the table say why.
    """
    from modbench.report.formats import check_format

    check_format(format)
    proof = None if margin is None else parse_margin(margin)

    from modbench.atomic import write_text
    from modbench.gate import Limits, Status, verdict
    from modbench.gate_documents import findings
    from modbench.gate_sides import read_runs, sides
    from modbench.leaderboard import locate, read_leaderboard
    from modbench.report import gate

    held = sides(read_leaderboard(locate(leaderboard)), read_runs(runs or ["runs"]), methods or ())
    checks = held.check(Limits(proof, speed, memory))
    found = findings(checks, held.after, show)
    title = f"modbench check {leaderboard}"
    if junit is not None:
        write_text(junit, gate.junit(title, found))
    if summary is not None:
        write_text(summary, gate.summary(title, found, held.notes))
    print(gate.render(found, held.notes, format))
    if format in ("csv", "json"):
        typer.echo(gate.conclusion(checks), err=True)
    code = {Status.PASSED: 0, Status.REGRESSED: 1, Status.CANNOT_TELL: 3}[verdict(checks)]
    if code:
        raise typer.Exit(code)
