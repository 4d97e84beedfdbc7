"""Every method against the baseline, as a table: how far apart, and how certain that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.layout import Block, Table, short, spaced

if TYPE_CHECKING:
    from modbench.comparison.models import Comparison, Difference


def difference_blocks(comparison: Comparison, format: str, every_seed: bool) -> list[Block]:
    """Differences, their intervals, p values, what could have been shown, and the standing; none without a pair.

    p values are a range over the seeds, or with `every_seed` one by one, which a page in `latex` is too narrow for.
    """
    rows = comparison.differences
    if not rows:
        return []
    several = any(row.seed_interval is not None for row in rows)
    ranges = not every_seed or format == "latex"
    headers = [
        *("method", "task", "difference", "95 % over problems", *(["95 % over seeds"] if several else [])),
        *("p adjusted" if _tests(comparison) > 1 else "p", "detectable", "standing"),
    ]
    table: list[list[object]] = [
        [
            *(row.method, short(row.task), cells.points(row.difference), cells.interval(row.interval)),
            *([cells.interval(row.seed_interval)] if several else []),
            _p_values(row, ranges),
            cells.UNKNOWN if row.detectable is None else cells.points(row.detectable, ""),
            row.standing.value,
        ]
        for row in rows
    ]
    return [Block("differences", _said(comparison, several, ranges), (headers, table), _values(comparison))]


def _tests(comparison: Comparison) -> int:
    return sum(len(row.p_values) for row in comparison.differences)


def _said(comparison: Comparison, several: bool, ranges: bool) -> list[str]:
    tests = _tests(comparison)
    seeds = ", Student's t over seeds; standing by the wider" if several else "; standing by these"
    within = f"Not worse: the interval lies above -{100 * comparison.margin:g} points"
    spread = (", lowest to highest of the seeds" if ranges else ", seed by seed") if several else ""
    tested = f"p: exact McNemar of each pair of runs{spread}, adjusted by Holm over {tests} tests"
    return [
        f"Difference from {comparison.baseline} in points; 95 % intervals: paired bootstrap over problems{seeds}",
        *([within] if comparison.margin else []),
        tested if tests > 1 else "p: exact McNemar of the two runs",
        "Detectable: the smallest difference that these problems would show at 0.05 with 80 % power",
    ]


def _p_values(row: Difference, ranges: bool) -> str:
    values = list(row.adjusted.values())
    if not values:
        return cells.UNKNOWN
    if not ranges:
        return " ".join(map(cells.p_value, values))
    ends = dict.fromkeys(map(cells.p_value, (min(values), max(values))))
    return " to ".join(ends)


def _values(comparison: Comparison) -> Table:
    headers = [
        *("method", "baseline", "task", "seeds", "difference", "low", "high", "seeds_low", "seeds_high"),
        *("discordance", "p_values", "p_adjusted", "detectable", "standing"),
    ]
    rows: list[list[object]] = [
        [
            *(row.method, row.baseline, row.task, spaced(row.seeds), row.difference, *row.interval),
            *(row.seed_interval or (None, None)),
            *(row.discordance, spaced([*row.p_values.values()]), spaced([*row.adjusted.values()])),
            *(row.detectable, row.standing.value),
        ]
        for row in comparison.differences
    ]
    return headers, rows
