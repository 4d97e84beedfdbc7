"""Who solves what, as tables: each two methods, all of them at once, and what any of them solves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.layout import Block, Table, listed, spaced

if TYPE_CHECKING:
    from modbench.comparison.models import Comparison, PairOverlap, SolvedSets

MOST_PAIRS = 45
"""More pairs than these, those of ten methods, are too many to read: then only the baseline's are shown."""
MOST_SETS = 12
"""How many exclusive intersections are shown; all that the comparison holds are in csv and json."""


def overlap_blocks(comparison: Comparison) -> list[Block]:
    """The overlap of each two methods; none where no two have a seed in common."""
    pairs, said = comparison.overlaps, "Problems solved by two methods"
    if not pairs:
        return []
    if any(len(pair.seeds) > 1 for pair in pairs):
        said += ", added up over the seeds that both have"
    if len(pairs) > MOST_PAIRS:
        said += f"; of {len(pairs)} pairs those with {comparison.baseline}, all are in csv and json"
        pairs = [pair for pair in pairs if comparison.baseline in (pair.a, pair.b)]
    return [Block("overlap", [said], _pair_cells(pairs), _pair_values(comparison))]


def solved_blocks(comparison: Comparison) -> list[Block]:
    """What exactly which methods solve, and how much of what any of them solves each attains; for two or more."""
    solved = comparison.solved
    if solved is None or len(comparison.methods) < 2:
        return []
    blocks = [Block("union", _union_said(solved), _union_cells(comparison, solved), _union_values(comparison, solved))]
    if len(comparison.methods) > 2:
        shown = solved.intersections[:MOST_SETS]
        rows: list[list[object]] = [
            [
                cells.count(of.count),
                f"{100 * of.count / solved.n:.1f}",
                _named(of.methods, [row.method for row in comparison.methods]),
            ]
            for of in shown
        ]
        said = "Problems solved by exactly these methods and no other"
        rest = solved.n - sum(of.count for of in shown)
        said += f"; {rest:,} more are of smaller sets" if rest else ""
        values: list[list[object]] = [[of.count, " ".join(of.methods)] for of in solved.intersections]
        table = Block("sets", [said], (["problems", "%", "solved by"], rows), (["problems", "methods"], values))
        blocks.insert(0, table)
    return blocks


def _named(methods: list[str], everyone: list[str]) -> str:
    if len(methods) == len(everyone):
        return "all"
    if len(everyone) > 5 and len(methods) > len(everyone) / 2:
        return f"all but {', '.join(method for method in everyone if method not in methods)}"
    return ", ".join(methods) or "none"


def _pair_cells(pairs: list[PairOverlap]) -> Table:
    several = len({tuple(pair.seeds) for pair in pairs}) > 1
    headers = [
        *("A", "B", *(["seeds"] if several else []), "both", "only A", "only B", "neither"),
        *("Jaccard", "kappa", "Yule's Q"),
    ]
    rows: list[list[object]] = [
        [
            *(pair.a, pair.b, *([listed(pair.seeds)] if several else [])),
            *map(cells.count, (pair.both, pair.only_a, pair.only_b, pair.neither)),
            *map(cells.ratio, (pair.jaccard, pair.kappa, pair.yule_q)),
        ]
        for pair in pairs
    ]
    return headers, rows


def _pair_values(comparison: Comparison) -> Table:
    headers = ["a", "b", "seeds", "both", "only_a", "only_b", "neither", "jaccard", "kappa", "yule_q"]
    rows: list[list[object]] = [
        [
            *(pair.a, pair.b, spaced(pair.seeds), pair.both, pair.only_a, pair.only_b, pair.neither),
            *(pair.jaccard, pair.kappa, pair.yule_q),
        ]
        for pair in comparison.overlaps
    ]
    return headers, rows


def _union_said(solved: SolvedSets) -> list[str]:
    seeds = f" (seeds {listed(solved.seeds)} added up)" if len(solved.seeds) > 1 else ""
    return [
        f"Union: at least one method solves {solved.union:,} of {solved.n:,} problems{seeds}",
        f"An oracle that picks the right method has an accuracy of {cells.percent(solved.union / solved.n, None)} %",
    ]


def _union_cells(comparison: Comparison, solved: SolvedSets) -> Table:
    rows: list[list[object]] = [
        [
            row.method,
            cells.UNKNOWN if share is None else cells.count(round(share * solved.union)),
            cells.UNKNOWN if share is None else cells.percent(share, None),
            cells.count(solved.unique[row.method]),
        ]
        for row in comparison.methods
        for share in [solved.attained[row.method]]
    ]
    return ["method", "solved", "% of union", "solved by it alone"], rows


def _union_values(comparison: Comparison, solved: SolvedSets) -> Table:
    rows: list[list[object]] = [
        [row.method, solved.n, solved.union, solved.attained[row.method], solved.unique[row.method]]
        for row in comparison.methods
    ]
    return ["method", "problems", "union", "attained", "unique"], rows
