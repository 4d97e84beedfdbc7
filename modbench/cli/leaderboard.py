"""`modbench leaderboard`: finished runs as one JSON file per suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modbench.cli.options import Format, Grid, with_grid

EPILOG = (
    "Example: modbench leaderboard base mod_k --suite smollm2-math --model DIR --write leaderboards/smollm2-math.json"
)


@with_grid
def leaderboard(
    grid: Grid,
    write: Annotated[Path | None, typer.Option("--write", help="Merge the rows into this leaderboard file.")] = None,
    format: Format = "table",
) -> None:
    """Print the finished runs of these methods as a leaderboard, and merge them into a file; runs nothing."""
    from modbench.cli.grid import prepare, say
    from modbench.leaderboard import from_records, write_leaderboard
    from modbench.report.formats import check_format, render_rows
    from modbench.report.tables import leaderboard_rows

    check_format(format)
    benchmark, plan = prepare(grid)
    for run in benchmark.missing(plan):
        say(f"left out, not finished: {run.method.name} seed {run.seed}")
    board = from_records([record for _, record in benchmark.finished(plan)])
    if write is not None:
        write_leaderboard(write, board)
    headers, rows = leaderboard_rows(board)
    print(render_rows(headers, rows, format))
