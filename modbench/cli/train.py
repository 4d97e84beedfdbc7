"""`modbench train`: the training half of `modbench run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modbench.cli.options import Grid, with_grid

EPILOG = (
    "Examples: modbench train mod_k --suite smollm2-math --model DIR --out ADAPTER   |   "
    "modbench train mod_k --train examples.jsonl --prompt alpaca --apply-chat-template --model DIR"
)

Out = Annotated[
    Path | None, typer.Option("--out", help="Folder for a copy of the adapter; it must not exist, or be empty.")
]


@with_grid
def train(grid: Grid, out: Out = None) -> None:
    """Train methods by a suite's recipe, on its data or yours, and print where their adapters are.

    `modbench run` with the same options finds them and evaluates them.
    """
    from modbench.atomic import copy_folder
    from modbench.cli.grid import check_runs, prepare, quiet, stages
    from modbench.errors import ModbenchError

    benchmark, plan = prepare(grid)
    if out is not None and len(plan) > 1:
        raise ModbenchError(f"--out takes one adapter, not {len(plan)}: name one method and one seed, or leave it out")

    from modbench.ensemble.export import check_new

    if out is not None:
        check_new(out)
    quiet()
    check_runs(benchmark, plan)
    with stages() as stage:
        for run in plan:
            adapter = benchmark.train(run, stage)
            if out is not None:
                copy_folder(adapter, out)
            print(out or adapter)
