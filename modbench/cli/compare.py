"""`modbench compare`: the main job."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modbench.cli.options import Format, Grid, Yes, with_grid
from modbench.errors import ModbenchError

if TYPE_CHECKING:
    from modbench.comparison.outcomes import RunOutcomes

EPILOG = (
    "In place of a method stands PATH, LABEL=PATH or LABEL:SEED=PATH: a run of modbench, a folder above several, or "
    "what lm_eval --log_samples --output_path wrote. "
    "Examples: modbench compare lora_all mod_k   |   "
    "modbench compare base mod_k@4 --suite smollm2-math --model DIR --yes   |   "
    "modbench compare lora_all mod_k --seeds 0,1,2 --margin 1pp --format latex   |   "
    "modbench compare mine=out/mine theirs=out/theirs   |   modbench compare lora_all mod_k --show only:mod_k"
)

Baseline = Annotated[
    str | None,
    typer.Option("--baseline", help="What the others are held against: lora_all, else the first.", show_default=False),
]
Margin = Annotated[
    str, typer.Option("--margin", help='How much worse is still "not worse", in percentage points: 1pp, 0.5pp.')
]
Intersect = Annotated[
    bool, typer.Option("--intersect", help="Reduce runs to the tasks and problems that all have, and say so.")
]
Over = Annotated[str, typer.Option("--over", help="The method whose trained parameters overheads count from.")]
EverySeed = Annotated[bool, typer.Option("--every-seed", help="Also the values of every seed.")]
Show = Annotated[
    str | None,
    typer.Option(
        "--show",
        metavar="CELL",
        help="In place of the tables the problems of a cell with all responses: all; none; both:A,B; only:A or "
        "only:A,B (these and no other method); only:A-B (A and not B).",
    ),
]
LimitShown = Annotated[int, typer.Option("--limit-shown", min=1, help="With --show: at most so many problems.")]


@with_grid
def compare(
    grid: Grid,
    no_run: Annotated[bool, typer.Option("--no-run", help="Missing runs are an error.")] = False,
    baseline: Baseline = None,
    margin: Margin = "0pp",
    intersect: Intersect = False,
    over: Over = "lora_not_k",
    clean: Annotated[
        bool, typer.Option("--clean", help="Also the accuracies on the problems that no method was trained on.")
    ] = False,
    every_seed: EverySeed = False,
    show: Show = None,
    limit_shown: LimitShown = 5,
    yes: Yes = False,
    format: Format = "table",
) -> None:
    """Compare methods: run what is missing, then print accuracies, whether differences are real, who solves what, and
    costs."""
    from modbench.report.formats import check_format

    check_format(format)
    accepted = parse_margin(margin)
    runs = _runs(grid, no_run, yes)
    if show is not None:
        from modbench.comparison.shown import show as show_cell
        from modbench.report.shown import render_shown

        print(render_shown(show_cell(runs, show, limit_shown, intersect), format))
        return
    from modbench.comparison.compare import compare as compare_runs
    from modbench.report.tables import render

    print(render(compare_runs(runs, baseline, accepted, intersect, over), format, clean, every_seed))


def parse_margin(text: str) -> float:
    """`1pp`, one percentage point, as the fraction 0.01; ModbenchError for anything else."""
    match = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,6})?) ?pp", text)
    if match is None:
        raise ModbenchError(f"--margin {text}: give percentage points from 0pp to below 100pp, such as 1pp or 0.5pp")
    return float(match[1]) / 100


def is_path(name: str) -> bool:
    """Whether it stands for runs in a folder rather than for a method."""
    from modbench.methods import is_method

    return any(sign in name for sign in "=/\\") or (not is_method(name) and Path(name).is_dir())


def _runs(grid: Grid, no_run: bool, yes: bool) -> list[RunOutcomes]:
    """The runs in the order of the METHODs; those of methods are done if they are missing."""
    from modbench.comparison.load import from_path

    names = [name for name in grid.methods if not is_path(name)]
    if not names and grid != Grid(methods=grid.methods):
        raise ModbenchError("options that choose runs, such as --suite, go with methods; with folders leave them out")
    by_method = _of_methods(replace(grid, methods=names), no_run, yes) if names else {}
    return [
        run for name in dict.fromkeys(grid.methods) for run in (from_path(name) if is_path(name) else by_method[name])
    ]


def _of_methods(grid: Grid, no_run: bool, yes: bool) -> dict[str, list[RunOutcomes]]:
    from modbench.cli.grid import do_missing, prepare
    from modbench.comparison.load import from_record

    benchmark, plan = prepare(grid)
    missing = benchmark.missing(plan)
    if missing and no_run:
        names = ", ".join(f"{run.method.name} seed {run.seed}" for run in missing)
        raise ModbenchError(f"not run yet: {names}; leave --no-run out to run them")
    do_missing(benchmark, plan, missing, yes)
    found: dict[str, list[RunOutcomes]] = {}
    for folder, record in benchmark.finished(plan):
        found.setdefault(record.method, []).append(from_record(folder, record))
    return found
