"""What all pictures share: how a method looks, panels side by side, quiet axes, files that are the same each time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from modbench.atomic import replacing
from modbench.comparison.models import MethodRow, Score

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which the colour-blind can tell apart; without their yellow, which white paper swallows."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "p")
"""As many as share no factor with the number of colours, so that 77 methods look different."""
INK, PALE = "#333333", "#dddddd"
WIDEST = 4
"""Panels in a row."""
STYLE: dict[Any, Any] = {
    # Paths, not text: the same letters wherever it is opened, and a method's name is never read as a formula.
    "svg.fonttype": "path",
    "svg.hashsalt": "modbench",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "lines.markersize": 5.5,
    "savefig.dpi": 200,
}


class Look(NamedTuple):
    """How a method, or a family of methods, is drawn in every picture."""

    color: str
    marker: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A colour and a shape for each name, in their order."""
    return {name: Look(COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}


def short(task: str) -> str:
    """The name of a task without the package's."""
    return task.removeprefix("modbench_")


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's defaults with STYLE, whatever the user's own settings are; what was there before comes back."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def panels(count: int, height: float, width: float = 2.6, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of that size in inches, at most WIDEST in a row."""
    columns = min(count, WIDEST)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(width * columns + 1, height * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y).flat
    axes = list(grid)
    for ax in axes[count:]:
        ax.set_visible(False)
    return figure, axes[:count]


def scores(rows: Sequence[MethodRow]) -> dict[str, list[Score]]:
    """What is drawn a panel each, by its title: the rows' scores on each task, then their mean over several tasks."""
    found = {short(task): [row.tasks[task] for row in rows] for task in rows[0].tasks}
    return found | ({"mean over tasks": [row.macro for row in rows]} if len(found) > 1 else {})


def in_percent(axis: Axis) -> None:
    """Ticks for fractions, without more decimals than the range needs."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")


def save(figure: Figure, path: Path) -> Path:
    """Writes the figure as what the path's suffix says, whole or not at all, and without the moment or the machine."""
    kind = path.suffix.removeprefix(".")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return path
