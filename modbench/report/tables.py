"""A comparison, and a leaderboard, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.formats import as_json, check_format, render_rows

if TYPE_CHECKING:
    from modbench.compare import Comparison
    from modbench.leaderboard import Leaderboard

Table = tuple[list[str], list[list[object]]]
"""Headers and rows."""


def render(comparison: Comparison, format: str) -> str:
    """The table of methods, then that of solved-set overlaps, without a trailing newline.

    `table`, `markdown` and `latex` have rounded percents and a caption; `csv` has fractions in full precision, one
    block per table with an empty line between; `json` is `Comparison.to_dict`.
    Raises ModbenchError for an unknown format.
    """
    check_format(format)
    if format == "json":
        return as_json(comparison.to_dict())
    if format == "csv":
        blocks = [render_rows(*_method_values(comparison), format)]
        overlaps = _overlap_values(comparison)
    else:
        blocks = [_caption(_methods_caption(comparison), format), render_rows(*_method_cells(comparison), format)]
        overlaps = _overlap_cells(comparison)
    if comparison.overlaps:
        if format != "csv":
            blocks.append(_caption(_overlaps_caption(comparison), format))
        blocks.append(render_rows(*overlaps, format))
    return "\n\n".join(blocks)


def leaderboard_rows(leaderboard: Leaderboard) -> Table:
    """The rows of a leaderboard for people, best mean first: for `render_rows`."""
    tasks = list(dict.fromkeys(task for row in leaderboard.rows for task in row.tasks))
    headers = ["method", "seed", *map(_short, tasks), "mean", "trained", "overhead", "late layers", "mean gates"]
    rows: list[list[object]] = []
    for row in sorted(leaderboard.rows, key=lambda row: -row.mean.accuracy):
        results = [row.tasks.get(task) for task in tasks]
        rows.append(
            [
                row.method,
                row.seed,
                *(cells.percent(found.accuracy, found.stderr) if found else cells.UNKNOWN for found in results),
                cells.percent(row.mean.accuracy, row.mean.stderr),
                cells.count(row.parameters.total),
                cells.overhead(row.parameters.overhead_percent),
                _layers(row.late_layers, row.gates),
                cells.decimals(row.gates),
            ]
        )
    return headers, rows


def _method_cells(comparison: Comparison) -> Table:
    headers = [
        *("method", *map(_short, comparison.problems), "mean", "trained", "overhead"),
        *("late layers", "mean gates", "train s", "eval s", "peak MiB"),
    ]
    rows: list[list[object]] = [
        [
            row.method,
            *(cells.percent(score.accuracy, score.stderr) for score in (*row.tasks.values(), row.mean)),
            cells.count(row.parameters.total),
            cells.overhead(row.parameters.overhead_percent),
            _layers(row.late_layers, row.gates),
            cells.decimals(row.gates),
            cells.seconds(row.train_seconds),
            cells.seconds(row.eval_seconds),
            cells.mebibytes(row.peak_memory_bytes),
        ]
        for row in comparison.methods
    ]
    return headers, rows


def _method_values(comparison: Comparison) -> Table:
    scores = [f"{name}_{part}" for name in (*comparison.problems, "mean") for part in ("accuracy", "stderr")]
    headers = [
        *("method", "seeds", *scores, "lora", "norms", "router", "total", "overhead_percent"),
        *("late_layers", "gates", "train_seconds", "eval_seconds", "peak_memory_bytes"),
    ]
    rows: list[list[object]] = [
        [
            row.method,
            _spaced(row.seeds),
            *(part for score in (*row.tasks.values(), row.mean) for part in (score.accuracy, score.stderr)),
            *row.parameters.model_dump(include={"lora", "norms", "router", "total", "overhead_percent"}).values(),
            _spaced(row.late_layers),
            _spaced(row.gates or []),
            row.train_seconds,
            row.eval_seconds,
            row.peak_memory_bytes,
        ]
        for row in comparison.methods
    ]
    return headers, rows


def _overlap_cells(comparison: Comparison) -> Table:
    several = len({tuple(pair.seeds) for pair in comparison.overlaps}) > 1
    headers = ["A", "B", *(["seeds"] if several else []), "both", "only A", "only B", "neither", "Jaccard"]
    rows: list[list[object]] = [
        [
            pair.a,
            pair.b,
            *([_listed(pair.seeds)] if several else []),
            *map(cells.count, (pair.both, pair.only_a, pair.only_b, pair.neither)),
            cells.UNKNOWN if pair.jaccard is None else f"{pair.jaccard:.3f}",
        ]
        for pair in comparison.overlaps
    ]
    return headers, rows


def _overlap_values(comparison: Comparison) -> Table:
    headers = ["a", "b", "seeds", "both", "only_a", "only_b", "neither", "jaccard"]
    rows: list[list[object]] = [
        [
            *(pair.a, pair.b, _spaced(pair.seeds)),
            *(pair.both, pair.only_a, pair.only_b, pair.neither, pair.jaccard),
        ]
        for pair in comparison.overlaps
    ]
    return headers, rows


def _methods_caption(comparison: Comparison) -> list[str]:
    model = comparison.model
    problems = ", ".join(f"{_short(task)} {n:,}" for task, n in comparison.problems.items())
    return [
        f"Suite {comparison.suite}, model {model.name}" + (f" ({model.note})" if model.note else ""),
        f"Problems: {problems}",
        *_seeds_caption(comparison),
        "Accuracy in percent ± standard error; overhead of trained parameters over lora_not_k; layers count from 0",
    ]


def _seeds_caption(comparison: Comparison) -> list[str]:
    if all(row.seeds == comparison.seeds for row in comparison.methods):
        word = "Seed" if len(comparison.seeds) == 1 else "Mean over seeds"
        return [f"{word}: {_listed(comparison.seeds)}"]
    return ["Mean over seeds: " + "; ".join(f"{row.method} {_listed(row.seeds)}" for row in comparison.methods)]


def _overlaps_caption(comparison: Comparison) -> list[str]:
    pooled = any(len(pair.seeds) > 1 for pair in comparison.overlaps)
    return ["Problems solved by two methods" + (", added up over the seeds that both have" if pooled else "")]


def _caption(lines: Sequence[str], format: str) -> str:
    flat = [" ".join(line.split()) for line in lines]
    if format == "latex":
        return "\n".join(f"% {line}" for line in flat)
    return "  \n".join(flat) if format == "markdown" else "\n".join(flat)


def _short(task: str) -> str:
    return task.removeprefix("modbench_")


def _layers(layers: Sequence[int], gates: Sequence[float] | None) -> str:
    return _spaced(layers) if gates else cells.UNKNOWN


def _spaced(values: Sequence[float]) -> str:
    return " ".join(map(str, values))


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
