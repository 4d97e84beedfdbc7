"""Accuracy over k and over Top-K, where methods differ in these and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from modbench.comparison.models import Comparison, MethodRow
from modbench.errors import ModbenchError
from modbench.methods import get_method
from modbench.report.drawing import in_percent, looks, panels, scores

Place = tuple[str, int]
"""The family of a method, and its k or Top-K."""


def over_k(comparison: Comparison) -> Figure | None:
    """A panel per task, a line per method with several k (`mod_k@2`, `mod_k`, `mod_k@4`); None without such methods."""
    return _lines(comparison, _by_k, "k, the late layers mixed")


def over_top_k(comparison: Comparison) -> Figure | None:
    """A panel per task, a line per k with several Top-K (`mod_k_top1` up to `mod_k`, which keeps all k gates)."""
    return _lines(comparison, _by_top_k, "gates kept per token")


def _by_k(name: str) -> Place:
    method = get_method(name)
    if method.layers == "exit":
        raise ModbenchError(f"the k of {name} says where it leaves")
    return name.partition("@")[0], method.k


def _by_top_k(name: str) -> Place:
    method = get_method(name)
    if (
        method.ensemble is None
        or method.layers != "not_k"
        or method.adapter != "lora"
        or set(method.ensemble) - {"top_k"}
    ):
        raise ModbenchError(f"{name} is no mod_k")
    return f"k = {method.k}", method.ensemble.get("top_k") or method.k


def _lines(comparison: Comparison, place: Callable[[str], Place], label: str) -> Figure | None:
    families: dict[str, list[tuple[int, MethodRow]]] = {}
    for row in comparison.methods:
        try:
            family, x = place(row.method)
        except ModbenchError:  # a name that the user gave, or a method outside the sweep
            continue
        families.setdefault(family, []).append((x, row))
    families = {name: sorted(found, key=lambda at: at[0]) for name, found in families.items() if len(found) > 1}
    if not families:
        return None
    titles = list(scores(comparison.methods))
    figure, axes = panels(len(titles), 2.2)
    for name, look in looks(list(families)).items():
        xs = [x for x, _ in families[name]]
        for ax, values in zip(axes, scores([row for _, row in families[name]]).values(), strict=True):
            ax.plot(xs, [score.accuracy for score in values], f"-{look.marker}", color=look.color, label=name)
            for x, score in zip(xs, values, strict=True):
                if score.low is not None and score.high is not None:
                    ax.vlines(x, score.low, score.high, color=look.color, linewidth=1)
                if len(score.seeds) > 1:
                    ax.plot([x] * len(score.seeds), list(score.seeds.values()), ".", color=look.color, alpha=0.4)
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
        ax.set_xlabel(label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        in_percent(ax.yaxis)
        ax.grid(axis="y")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure
