"""`modbench compare`: the main job."""

from __future__ import annotations

from typing import Annotated

import typer

from modbench.cli.options import Format, Grid, Yes, with_grid

EPILOG = (
    "Examples: modbench compare lora_all mod_k   |   "
    "modbench compare base mod_k@4 --suite smollm2-math --model DIR --yes   |   "
    "modbench compare lora_all mod_k --seeds 0,1,2 --format markdown"
)


@with_grid
def compare(
    grid: Grid,
    no_run: Annotated[bool, typer.Option("--no-run", help="Missing runs are an error.")] = False,
    yes: Yes = False,
    format: Format = "table",
) -> None:
    """Compare methods: run what is missing, then print accuracies, costs, gates and solved-set overlaps."""
    from modbench.cli.grid import do_missing, prepare
    from modbench.compare import compare as compare_runs
    from modbench.errors import ModbenchError
    from modbench.report.formats import check_format
    from modbench.report.tables import render

    check_format(format)
    benchmark, plan = prepare(grid)
    missing = benchmark.missing(plan)
    if missing and no_run:
        names = ", ".join(f"{run.method.name} seed {run.seed}" for run in missing)
        raise ModbenchError(f"not run yet: {names}; leave --no-run out to run them")
    do_missing(benchmark, plan, missing, yes)
    print(render(compare_runs(benchmark.finished(plan)), format))
