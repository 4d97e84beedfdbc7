"""`modbench report`: the page and the pictures of finished runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modbench.cli.compare import Baseline, Intersect, Margin, Over, is_path, parse_margin
from modbench.cli.options import Grid, complete_methods, with_grid
from modbench.errors import ModbenchError

if TYPE_CHECKING:
    from modbench.comparison.outcomes import RunOutcomes

EPILOG = (
    "Examples: modbench report page/   |   modbench report page/ lora_all mod_k --seeds 0,1,2   |   "
    "modbench report page/ base mod_k --suite smollm2-math --model DIR --baseline base"
)

Out = Annotated[Path, typer.Argument(help="Folder for the page, index.html, and the pictures.", show_default=False)]
Finished = Annotated[
    list[str] | None,
    typer.Argument(
        help="Methods by name, or folders as for compare; where none is named, those with finished runs.",
        autocompletion=complete_methods,
    ),
]


def _out_first(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with OUT before the methods, which may be left out."""
    parameters = dict(inspect.signature(command).parameters)
    methods = parameters.pop("methods").replace(annotation=Finished, default=None)
    ordered = [parameters.pop("out"), methods, *parameters.values()]
    by_name = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in ordered]
    command.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
    return command


@_out_first
@with_grid
def report(
    grid: Grid,
    *,
    out: Out,
    baseline: Baseline = None,
    margin: Margin = "0pp",
    intersect: Intersect = False,
    over: Over = "lora_not_k",
) -> None:
    """Write a page to sort, compare and read responses on, and the pictures as SVG and PNG; runs nothing."""
    from modbench.cli.grid import say

    accepted = parse_margin(margin)
    _check_folder(out)
    runs = _runs(grid)
    from modbench.comparison.compare import compare
    from modbench.report.page import write_report

    page, *pictures = write_report(compare(runs, baseline, accepted, intersect, over), runs, out)
    say(f"{len(pictures)} pictures beside it: {', '.join(path.name for path in pictures)}")
    print(page)


def _runs(grid: Grid) -> list[RunOutcomes]:
    """The runs in the order of the METHODS, which may be folders; without any, those of all methods."""
    from modbench.comparison.load import from_path

    names = [name for name in grid.methods or _methods_there(grid) if not is_path(name)]
    by_method = _of_methods(replace(grid, methods=names), bool(grid.methods)) if names else {}
    return [
        run
        for name in dict.fromkeys(grid.methods or names)
        for run in (from_path(name) if is_path(name) else by_method.get(name, []))
    ]


def _of_methods(grid: Grid, all_of_them: bool) -> dict[str, list[RunOutcomes]]:
    """The finished runs; ModbenchError, with what to type, if there is none, or if one of `all_of_them` is missing."""
    from modbench.cli.grid import prepare
    from modbench.comparison.load import from_record

    benchmark, plan = prepare(grid)
    missing = benchmark.missing(plan)
    if missing and (all_of_them or len(missing) == len(plan)):
        names = ", ".join(f"{run.method.name} seed {run.seed}" for run in missing)
        methods = " ".join(dict.fromkeys(run.method.name for run in missing))
        raise ModbenchError(f"not run yet: {names}; do it with `modbench run {methods}` and the same options")
    found: dict[str, list[RunOutcomes]] = {}
    for folder, record in benchmark.finished(plan):
        found.setdefault(record.method, []).append(from_record(folder, record))
    return found


def _methods_there(grid: Grid) -> list[str]:
    """The methods with a folder under that of the suite; ModbenchError if there is none."""
    from modbench.methods import NAMES, get_method
    from modbench.suites import load_suite

    suite = load_suite(grid.suite).name
    found = []
    for record in (file for runs in grid.folders for file in (runs / suite).glob("*/seed-*/record.json")):
        try:
            found.append(get_method(record.parent.parent.name).name)
        except ModbenchError:
            continue
    if not found:
        raise ModbenchError(
            f"{grid.folders[0]} has no finished run of {suite}: try `modbench run lora_all mod_k` first"
        )
    order = {name: number for number, name in enumerate(NAMES)}
    return sorted(dict.fromkeys(found), key=lambda name: (order.get(name, len(order)), name))


def _check_folder(out: Path) -> None:
    """ModbenchError if `out` is a method: the folder was forgotten."""
    from modbench.methods import is_method

    if is_method(str(out)) and not out.exists():
        raise ModbenchError(f"{out} is a method: name the folder first, such as `modbench report page {out}`")
