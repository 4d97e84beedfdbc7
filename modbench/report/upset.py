"""The UpSet plot of solved sets (Lex et al., 2014).

UpSetPlot 0.9.0, the latest release, cannot be used: it fills its styles in place in a way that pandas has ignored since
version 3.0, so that `UpSet(...).plot()` ends in matplotlib's "ValueError: Invalid RGBA argument: nan".
"""

from __future__ import annotations

from matplotlib.figure import Figure

from modbench.comparison.models import Comparison, SolvedSets
from modbench.report.drawing import INK, PALE, looks

MOST = 30
"""Bars drawn; the title counts the problems of the others, which are smaller."""


def solved_sets(comparison: Comparison) -> Figure | None:
    """A bar for each set of methods: the problems that exactly these solve, largest first; left each method's total.

    What only one method solves has its colour, what none solves is pale. None where no sets were compared.
    """
    solved = comparison.solved
    if solved is None or not solved.intersections:
        return None
    styles = looks([row.method for row in comparison.methods])
    bars = solved.intersections[:MOST]
    totals = {name: round((solved.attained[name] or 0) * solved.union) for name in styles}
    names = sorted(totals, key=lambda name: -totals[name])
    width, height = 0.32 * max(len(bars), 6), 0.28 * len(names)
    figure = Figure(figsize=(width + 3.2, height + 2.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.6, width), height_ratios=(2, height), hspace=0, wspace=0)
    top = figure.add_subplot(grid[0, 1])
    dots = figure.add_subplot(grid[1, 1], sharex=top)
    left = figure.add_subplot(grid[1, 0], sharey=dots)

    colors = [styles[bar.methods[0]].color if len(bar.methods) == 1 else INK if bar.methods else PALE for bar in bars]
    drawn = top.bar(range(len(bars)), [bar.count for bar in bars], color=colors, width=0.6)
    top.bar_label(drawn, fmt="{:,.0f}", fontsize=7, padding=1, rotation=90 if len(bars) > 12 else 0)
    top.tick_params(bottom=False, labelbottom=False)
    top.margins(y=0.2)
    top.set_xlim(-0.7, max(len(bars), 6) - 0.3)
    top.set_ylabel("problems")
    top.set_title(_title(solved, len(bars), solved.n - sum(bar.count for bar in bars)))

    for y in range(0, len(names), 2):
        dots.axhspan(y - 0.5, y + 0.5, color="#f5f5f5", linewidth=0)
    places = [(x, y) for x in range(len(bars)) for y in range(len(names))]
    shades = [colors[x] if names[y] in bars[x].methods else PALE for x, y in places]
    dots.scatter([x for x, _ in places], [y for _, y in places], s=28, color=shades, linewidth=0, zorder=2)
    spans = [(x, [names.index(name) for name in bar.methods]) for x, bar in enumerate(bars) if len(bar.methods) > 1]
    dots.vlines([x for x, _ in spans], [min(y) for _, y in spans], [max(y) for _, y in spans], color=INK, linewidth=1.5)
    dots.spines[:].set_visible(False)
    dots.tick_params(bottom=False, labelbottom=False, left=False, labelleft=False)
    dots.set_ylim(len(names) - 0.5, -0.5)

    left.barh(range(len(names)), [totals[name] for name in names], color=[styles[n].color for n in names], height=0.5)
    left.invert_xaxis()
    left.set_yticks(range(len(names)), names)
    left.tick_params(left=False)
    left.spines["left"].set_visible(False)
    left.set_xlabel("solved")
    return figure


def _title(solved: SolvedSets, drawn: int, left: int) -> str:
    added = f", {len(solved.seeds)} seeds added up" if len(solved.seeds) > 1 else ""
    rest = f"; the {drawn} largest sets, {left:,} problems in others" if left else ""
    return f"of {solved.n:,} problems{added}{rest}"
