"""Accuracies of a comparison as tables: by task and over tasks, and those of single seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from modbench.comparison.models import MACRO, MICRO
from modbench.report import cells
from modbench.report.formats import bold
from modbench.report.layout import Block, Table, short, spaced

if TYPE_CHECKING:
    from modbench.comparison.models import Comparison, MethodRow, Score

WHOLE = 4
"""Up to so many tasks stand in one table with their means; else the means come first, and tasks follow by `WIDE`."""
WIDE = 6
SEEDS_WIDE = 9
"""Accuracies without an interval are narrow."""


def accuracy_blocks(comparison: Comparison, format: str) -> list[Block]:
    """The accuracy of each method on each task, its two means over tasks, and its macro mean against the baseline."""
    tasks, means = list(comparison.problems), _means(comparison)
    against = _against(comparison)
    # A paper has one table, whatever its width; intervals would not fit in.
    whole = len(tasks) <= WHOLE or format == "latex"
    groups = [[*tasks, *means]] if whole else [means, *(tasks[i : i + WIDE] for i in range(0, len(tasks), WIDE))]
    blocks = []
    for number, names in enumerate(groups):
        rows: list[list[object]] = [
            [row.method, *(_cell(comparison, row, name, format) for name in names)] for row in comparison.methods
        ]
        headers = ["method", *map(short, names)]
        if number == 0 and against:
            headers.append(f"vs {comparison.baseline}")
            rows = [[*cells_of, against[row.method]] for cells_of, row in zip(rows, comparison.methods, strict=True)]
        said = _said(comparison, format) if number == 0 else [f"Accuracy by task ({number} of {len(groups) - 1})"]
        name = "accuracy" if number == 0 else f"accuracy-{number}"
        blocks.append(Block(name, said, (headers, rows), _values(comparison) if number == 0 else None))
    return blocks


def seed_blocks(comparison: Comparison, every_seed: bool) -> list[Block]:
    """The standard deviation over seeds, with `every_seed` under the values that it is of; none where all have one."""
    if all(len(row.seeds) == 1 for row in comparison.methods):
        return []
    said = "Standard deviation over seeds (sd), in points"
    if every_seed:
        said = "Accuracy of every seed in percent, and their standard deviation (sd) in points"
    names, blocks = [*_means(comparison), *comparison.problems], list[Block]()
    if len(names) <= SEEDS_WIDE:
        names = [*comparison.problems, *_means(comparison)]
    for start in range(0, len(names), SEEDS_WIDE):
        cells_of = _seed_cells(comparison, names[start : start + SEEDS_WIDE], every_seed)
        values = _seed_values(comparison) if every_seed and not start else None
        blocks.append(Block(f"seeds-{start}" if start else "seeds", [said], cells_of, values))
    return blocks


def _seed_cells(comparison: Comparison, names: list[str], every_seed: bool) -> Table:
    rows = list[list[object]]()
    for row in comparison.methods:
        scores = [score_of(row, name) for name in names]
        if every_seed:
            rows += [
                [row.method, seed, *(cells.percent(score.seeds[seed], None) for score in scores)] for seed in row.seeds
            ]
        spreads = [cells.UNKNOWN if score.spread is None else cells.points(score.spread, "") for score in scores]
        rows.append([row.method, *(["sd"] if every_seed else []), *spreads])
    return ["method", *(["seed"] if every_seed else []), *map(short, names)], rows


def score_of(row: MethodRow, name: str) -> Score:
    """The score on a task, or the mean that `name` stands for."""
    return {MACRO: row.macro, MICRO: row.micro}.get(name) or row.tasks[name]


def _means(comparison: Comparison) -> list[str]:
    return [MACRO, MICRO] if len(comparison.problems) > 1 else []


def _against(comparison: Comparison) -> dict[str, str]:
    """By method how its mean stands against the baseline's; empty where there is nothing to compare."""
    wanted = MACRO if len(comparison.problems) > 1 else next(iter(comparison.problems))
    found = {
        row.method: f"{cells.points(row.difference)} {row.standing}"
        for row in comparison.differences
        if row.task == wanted
    }
    if not found:
        return {}
    others = {row.method: found.get(row.method, cells.UNKNOWN) for row in comparison.methods}
    return others | {comparison.baseline: "baseline"}


def _cell(comparison: Comparison, row: MethodRow, name: str, format: str) -> str:
    score, best = score_of(row, name), comparison.best[name]
    ends = score.low is not None and score.high is not None and format != "latex"
    value = f"{100 * score.accuracy:.1f}"
    if format in ("latex", "markdown") and len(comparison.methods) > 1:
        value = bold(value, format) if row.method in best.methods else value
        value += "†" if row.method in best.tied else ""
    if ends and score.low is not None and score.high is not None:
        return f"{value} ({100 * score.low:.1f}-{100 * score.high:.1f})"
    return value if score.stderr is None else f"{value} ± {100 * score.stderr:.1f}"


def _said(comparison: Comparison, format: str) -> list[str]:
    if format == "latex":
        said = ["Accuracy in percent ± standard error over problems"]
    elif len(comparison.problems) > 1:
        said = ["Accuracy in percent (Wilson's 95 % interval over problems); macro: mean of tasks ± standard error"]
    else:
        said = ["Accuracy in percent (Wilson's 95 % interval over problems)"]
    if format in ("latex", "markdown") and len(comparison.methods) > 1:
        several = any(len(row.seeds) > 1 for row in comparison.methods)
        adjusted = ", adjusted by Holm," if (len(comparison.methods) - 1) * len(comparison.problems) > 1 else ""
        means = "; means: 95 % interval of the paired difference" if _means(comparison) else ""
        test = (
            "wider of the 95 % intervals of the paired difference over problems and seeds"
            if several
            else f"exact McNemar test{adjusted} at 0.05{means}"
        )
        said.append(f"Bold: the best; † not significantly below it ({test})")
    return said


def _values(comparison: Comparison) -> Table:
    parts: dict[str, Callable[[Score], float | None]] = {
        "accuracy": lambda score: score.accuracy,
        "stderr": lambda score: score.stderr,
        "low": lambda score: score.low,
        "high": lambda score: score.high,
        "spread": lambda score: score.spread,
    }
    names = [*comparison.problems, MACRO, MICRO]
    rows: list[list[object]] = [
        [row.method, spaced(row.seeds), *(of(score_of(row, name)) for name in names for of in parts.values())]
        for row in comparison.methods
    ]
    return ["method", "seeds", *(f"{name}_{part}" for name in names for part in parts)], rows


def _seed_values(comparison: Comparison) -> Table:
    names = [*comparison.problems, MACRO, MICRO]
    rows: list[list[object]] = [
        [row.method, seed, *(score_of(row, name).seeds[seed] for name in names)]
        for row in comparison.methods
        for seed in row.seeds
    ]
    return ["method", "seed", *names], rows
