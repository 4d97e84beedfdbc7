"""The pictures of a comparison, as SVG and PNG: the same comparison gives the same bytes, and no display is needed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from modbench.comparison.costs import COSTS
from modbench.comparison.models import Comparison, MethodRow, Score
from modbench.report.drawing import INK, Look, in_percent, looks, panels, save, scores, style
from modbench.report.sweeps import over_k, over_top_k
from modbench.report.upset import solved_sets

COST_LABELS = {
    "total": "trained parameters",
    "train_seconds": "training seconds",
    "peak_memory_bytes": "peak memory in bytes",
}
NARROWEST = 0.02
"""The smallest range of accuracies that the height of the Pareto picture stands for: a hair is not made a gulf."""


def accuracy(comparison: Comparison) -> Figure:
    """A panel per task, a row per method: accuracy with Wilson's interval, each seed as a pale dot; last the mean."""
    names = [row.method for row in comparison.methods]
    found = scores(comparison.methods)
    figure, axes = panels(len(found), 0.5 + 0.26 * len(names), share_y=True)
    for ax, (title, values) in zip(axes, found.items(), strict=True):
        for y, (score, look) in enumerate(zip(values, looks(names).values(), strict=True)):
            _dot(ax, y, score, look)
        ax.set_title(title)
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
        in_percent(ax.xaxis)
        ax.grid(axis="x")
    return figure


def overlap(comparison: Comparison) -> Figure | None:
    """A matrix of Jaccard indices: of what either of two methods solves, the share that both do."""
    names = [row.method for row in comparison.methods]
    found = {frozenset((pair.a, pair.b)): pair.jaccard for pair in comparison.overlaps}
    if not found:
        return None
    values = [[found.get(frozenset((a, b))) for b in names] for a in names]
    side = 1.4 + 0.5 * len(names)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    ax = figure.add_subplot()
    shades = [[math.nan if value is None else value for value in line] for line in values]
    image = ax.imshow(shades, cmap="Blues", vmin=0, vmax=1)
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            if value is not None:
                ax.text(x, y, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else INK)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title("solved by both / by either")
    figure.colorbar(image, ax=ax, shrink=0.8).outline.set_visible(False)
    return figure


def pareto(comparison: Comparison) -> Figure | None:
    """Macro accuracy of the methods that train something against each cost; a line joins those on the front.

    The legend has all methods with their accuracy, best first. None unless two have a known cost.
    """
    ranked = sorted(comparison.methods, key=lambda row: -row.macro.accuracy)
    drawn = [row for row in ranked if COSTS["total"](row.cost) != 0]
    known = [name for name in COST_LABELS if sum(COSTS[name](row.cost) is not None for row in drawn) > 1]
    if not known:
        return None
    styles = looks([row.method for row in comparison.methods])
    figure, axes = panels(len(known), 2.6, width=3, share_y=True)
    for ax, name in zip(axes, known, strict=True):
        placed = [(cost, row) for row in drawn if (cost := COSTS[name](row.cost)) is not None]
        front = sorted((cost, row.macro.accuracy) for cost, row in placed if name in row.pareto)
        ax.step([x for x, _ in front], [y for _, y in front], where="post", color=INK, linewidth=0.8, alpha=0.5)
        for cost, row in placed:
            look = styles[row.method]
            ax.plot(cost, row.macro.accuracy, look.marker, color=look.color, zorder=3)
        ax.set_xlim(0, 1.1 * max(cost for cost, _ in placed) or 1)
        ax.set_xlabel(COST_LABELS[name])
        ax.xaxis.set_major_formatter(EngFormatter())
        in_percent(ax.yaxis)
        ax.grid()
    heights = [row.macro.accuracy for row in drawn]
    reach = max(max(heights) - min(heights), NARROWEST)
    axes[0].set_ylim((max(heights) + min(heights)) / 2 - 0.6 * reach, (max(heights) + min(heights)) / 2 + 0.6 * reach)
    axes[0].set_ylabel("mean accuracy over tasks")
    figure.legend(handles=[_entry(row, styles[row.method]) for row in ranked], loc="outside right upper", frameon=False)
    return figure


PICTURES: dict[str, Callable[[Comparison], Figure | None]] = {
    "accuracy": accuracy,
    "solved_sets": solved_sets,
    "overlap": overlap,
    "pareto": pareto,
    "over_k": over_k,
    "over_top_k": over_top_k,
}
"""Each picture by the name of its files; one that has nothing to show is None."""


def write_pictures(comparison: Comparison, out: Path) -> list[Path]:
    """Draws all PICTURES into the folder `out`; returns the files, of each the SVG before the PNG."""
    written = []
    with style():
        for name, draw in PICTURES.items():
            figure = draw(comparison)
            if figure is None:
                continue
            written.append(save(figure, out / f"{name}.svg"))
            # What was laid out for one serves the other.
            figure.set_layout_engine("none")
            written.append(save(figure, out / f"{name}.png"))
    return written


def _dot(ax: Axes, y: int, score: Score, look: Look) -> None:
    if score.low is not None and score.high is not None:
        ax.hlines(y, score.low, score.high, color=look.color, linewidth=1.5)
    if len(score.seeds) > 1:
        ax.plot(list(score.seeds.values()), [y] * len(score.seeds), ".", color=look.color, alpha=0.4, markersize=7)
    ax.plot(score.accuracy, y, look.marker, color=look.color)


def _entry(row: MethodRow, look: Look) -> Line2D:
    nothing = " (trains nothing)" if COSTS["total"](row.cost) == 0 else ""
    label = f"{row.method}  {100 * row.macro.accuracy:.1f} %{nothing}"
    return Line2D([], [], color=look.color, marker=look.marker, linestyle="", label=label)
