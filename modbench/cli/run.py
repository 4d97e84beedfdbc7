"""`modbench run`: do the runs, print where their records are."""

from __future__ import annotations

from modbench.cli.options import Grid, Yes, with_grid

EPILOG = (
    "Examples: modbench run mod_k --suite smollm2-math --model DIR --seeds 0,1,2 --yes   |   "
    "modbench run peft_all peft_all_mod_k --peft-config adapter_config.json"
)


@with_grid
def run(grid: Grid, yes: Yes = False) -> None:
    """Train and evaluate methods: only what is missing, going on where a run was cut."""
    from modbench.cli.grid import do_missing, prepare

    benchmark, plan = prepare(grid)
    do_missing(benchmark, plan, benchmark.missing(plan), yes)
    for folder, _ in benchmark.finished(plan):
        print(folder / "record.json")
