"""`modbench run`: do the runs, print where their records are."""

from __future__ import annotations

from pathlib import Path

from modbench.cli.options import (
    Limit,
    Methods,
    ModelName,
    ModelNote,
    Runs,
    Seeds,
    SuiteName,
    TaskNames,
    TrainFile,
    Yes,
)

EPILOG = "Example: modbench run mod_k --suite smollm2-math --model DIR --seeds 0,1,2 --yes"


def run(
    methods: Methods,
    suite: SuiteName = "demo",
    model: ModelName = None,
    model_note: ModelNote = None,
    tasks: TaskNames = None,
    train: TrainFile = None,
    limit: Limit = None,
    seeds: Seeds = None,
    runs: Runs = Path("runs"),
    yes: Yes = False,
) -> None:
    """Train and evaluate methods: only what is missing, going on where a run was cut."""
    from modbench.cli.grid import do_missing, prepare

    benchmark, plan = prepare(
        methods,
        suite=suite,
        model=model,
        model_note=model_note,
        tasks=tasks,
        train=train,
        limit=limit,
        seeds=seeds,
        runs=runs,
    )
    do_missing(benchmark, plan, benchmark.missing(plan), yes)
    for folder, _ in benchmark.finished(plan):
        print(folder / "record.json")
