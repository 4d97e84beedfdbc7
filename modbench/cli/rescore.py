"""`modbench rescore`: the current rules of judging on stored responses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modbench.cli.options import Format

EPILOG = (
    "Examples: modbench rescore runs --dry-run --show 5   |   "
    "modbench rescore runs/smollm2-math/mod_k/seed-0 --format json"
)


def rescore(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or folders that hold some.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")] = False,
    show: Annotated[int, typer.Option("--show", min=0, help="Changed samples to print per task, on stderr.")] = 0,
    format: Format = "table",
) -> None:
    """Judge stored responses by the current rules, without a model, and say what that changes.

    Samples and record of a run are replaced together or not at all; its identity stays. A run that cannot be judged
    is said and left as it is, and the others are done.
    """
    from modbench.cli.grid import say
    from modbench.errors import ModbenchError
    from modbench.report.formats import check_format, render_rows
    from modbench.report.rescore import changed_samples, rescore_rows
    from modbench.rescore import find_runs
    from modbench.rescore import rescore as rescore_run

    check_format(format)
    changes, refused = [], False
    for folder in find_runs(runs):
        try:
            changes += rescore_run(folder, write=not dry_run, examples=show)
        except ModbenchError as error:
            say(f"modbench: {error}")
            refused = True
    for text in changed_samples(changes):
        say(text)
    if left := sorted({change.task for change in changes if change.after is None}):
        say(f"left as they are, since no answer is read from their responses here: {', '.join(left)}")
    headers, rows = rescore_rows(changes, exact=format in ("csv", "json"))
    if rows or format in ("csv", "json"):  # what a program reads is there even if empty
        print(render_rows(headers, rows, format))
    if refused:
        raise typer.Exit(2)
