from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import matplotlib
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from scipy.stats import binomtest

from modbench.comparison.compare import compare
from modbench.comparison.models import Comparison
from modbench.comparison.outcomes import RunOutcomes
from modbench.records import Parameters
from modbench.report.drawing import COLORS, MARKERS, PALE, looks
from modbench.report.pictures import accuracy, overlap, pareto, write_pictures
from modbench.report.sweeps import over_k, over_top_k
from modbench.report.upset import solved_sets

from .comparisons import FinishedRun, bits

VERDICTS = {
    "base": {"one": "1000", "two": "000001"},
    "lora_all": {"one": "1100", "two": "110101"},
    "mod_k": {"one": "1010", "two": "011101"},
}


@pytest.fixture
def runs(finished_run: FinishedRun) -> list[RunOutcomes]:
    nothing = Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None)
    return [
        finished_run(
            method,
            {task: bits(text) for task, text in tasks.items()},
            **({"parameters": nothing, "training": None} if method == "base" else {}),
        )
        for method, tasks in VERDICTS.items()
    ]


@pytest.fixture
def comparison(runs: list[RunOutcomes]) -> Comparison:
    return compare(runs)


def solved(method: str) -> set[tuple[str, int]]:
    return {(task, i) for task, text in VERDICTS[method].items() for i, letter in enumerate(text) if letter == "1"}


def points(figure: Figure, panel: int) -> list[tuple[float, float]]:
    """The markers of a panel, as x and y."""
    lines = figure.axes[panel].lines
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines if line.get_marker() in MARKERS]


def segments(figure: Figure, panel: int) -> list[list[list[float]]]:
    found = [item for item in figure.axes[panel].collections if isinstance(item, LineCollection)]
    return [segment.tolist() for item in found for segment in item.get_segments()]


def test_accuracy_is_drawn_with_wilsons_interval(comparison: Comparison) -> None:
    figure = accuracy(comparison)
    assert [ax.get_title() for ax in figure.axes] == ["one", "two", "mean over tasks"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(VERDICTS)
    assert points(figure, 0) == [(0.25, 0), (0.5, 1), (0.5, 2)]
    assert [x for x, _ in points(figure, 2)] == pytest.approx(
        [(1 / 4 + 1 / 6) / 2, (1 / 2 + 4 / 6) / 2, (1 / 2 + 4 / 6) / 2]
    )
    interval = binomtest(2, 4).proportion_ci(method="wilson")
    assert segments(figure, 0)[1] == [pytest.approx([interval.low, 1]), pytest.approx([interval.high, 1])]
    assert segments(figure, 2) == []


def test_each_seed_has_a_dot(finished_run: FinishedRun) -> None:
    runs = [finished_run("mod_k", {"one": bits(text)}, seed) for seed, text in enumerate(("1000", "1110"))]
    dots = [line for line in accuracy(compare(runs)).axes[0].lines if line.get_marker() == "."]
    assert [list(line.get_xdata()) for line in dots] == [[0.25, 0.75]]


def test_upset_bars_are_the_exclusive_intersections(comparison: Comparison) -> None:
    figure = solved_sets(comparison)
    assert figure is not None
    problems = [(task, i) for task, text in VERDICTS["base"].items() for i in range(len(text))]
    expected = Counter(frozenset(name for name in VERDICTS if at in solved(name)) for at in problems)
    top, dots, left = figure.axes
    heights = [bar.get_height() for bar in top.patches]
    assert heights == sorted(expected.values(), reverse=True)
    names = [label.get_text() for label in left.get_yticklabels()]
    (grid,) = (item for item in dots.collections if isinstance(item, PathCollection))
    marked = zip(grid.get_offsets(), grid.get_facecolors(), strict=True)
    dark = [tuple(at) for at, color in marked if tuple(color) != to_rgba(PALE)]
    drawn = {frozenset(names[int(y)] for x, y in dark if x == bar): heights[bar] for bar in range(len(heights))}
    assert drawn == expected
    assert {name: bar.get_width() for name, bar in zip(names, left.patches, strict=True)} == {
        name: len(solved(name)) for name in VERDICTS
    }


def test_overlap_shows_jaccard(comparison: Comparison) -> None:
    figure = overlap(comparison)
    assert figure is not None
    names = list(VERDICTS)
    shown = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert shown == {
        (x, y): f"{len(solved(a) & solved(b)) / len(solved(a) | solved(b)):.2f}"
        for y, a in enumerate(names)
        for x, b in enumerate(names)
        if a != b
    }


def test_pareto_places_methods_by_cost_and_joins_the_front(finished_run: FinishedRun) -> None:
    def trained(total: int) -> Parameters:
        return Parameters(lora=total, norms=0, router=0, total=total, overhead_percent=None)

    costs = {"a": (100, "1000"), "b": (200, "1100"), "c": (300, "1000"), "d": (400, "1110")}
    runs = [finished_run(name, {"one": bits(text)}, parameters=trained(n)) for name, (n, text) in costs.items()]
    figure = pareto(compare([*runs, finished_run("base", {"one": bits("0000")}, parameters=trained(0))]))
    assert figure is not None
    ax = figure.axes[0]
    assert ax.get_xlabel() == "trained parameters"
    assert sorted(points(figure, 0)) == [(100, 0.25), (200, 0.5), (300, 0.25), (400, 0.75)]
    (front,) = [line for line in ax.lines if line.get_marker() not in MARKERS]
    assert (list(front.get_xdata()), list(front.get_ydata())) == ([100, 200, 400], [0.25, 0.5, 0.75])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[0] == "d  75.0 %" and "base  0.0 % (trains nothing)" in legend


def test_accuracy_over_k_and_top_k(finished_run: FinishedRun) -> None:
    texts = {"mod_k@4": "1110", "mod_k": "1100", "mod_k@2": "1000", "mod_k_top1": "0000", "mod_k_top2": "1000"}
    runs = [finished_run(name, {"one": bits(text)}) for name, text in texts.items()]
    others = [finished_run(name, {"one": bits("1111")}) for name in ("mod_k_uniform", "my own", "lora_exit_1")]
    comparison = compare([*runs, *others])
    for draw, label, expected in (
        (over_k, "mod_k", ([2, 3, 4], [0.25, 0.5, 0.75])),
        (over_top_k, "k = 3", ([1, 2, 3], [0, 0.25, 0.5])),
    ):
        figure = draw(comparison)
        assert figure is not None
        (line,) = figure.axes[0].lines
        assert line.get_label() == label and (list(line.get_xdata()), list(line.get_ydata())) == expected


def test_what_has_nothing_to_show_is_not_drawn(finished_run: FinishedRun, tmp_path: Path) -> None:
    alone = compare([finished_run("mod_k", {"one": bits("10")})])
    assert [overlap(alone), pareto(alone), over_k(alone), over_top_k(alone)] == [None] * 4
    names = [path.name for path in write_pictures(alone, tmp_path / "out")]
    assert names == ["accuracy.svg", "accuracy.png", "solved_sets.svg", "solved_sets.png"]


def test_the_same_comparison_gives_the_same_bytes_whatever_the_settings(comparison: Comparison, tmp_path: Path) -> None:
    first = write_pictures(comparison, tmp_path / "a")
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": None, "text.parse_math": True}):
        second = write_pictures(comparison, tmp_path / "b")
        assert matplotlib.rcParams["font.size"] == 20
    assert [path.name for path in first] == [
        f"{name}.{kind}" for name in ("accuracy", "solved_sets", "overlap", "pareto") for kind in ("svg", "png")
    ]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    assert not [path for path in (tmp_path / "a").iterdir() if path not in first]


def test_any_name_can_be_drawn(finished_run: FinishedRun, tmp_path: Path) -> None:
    names = ["$x^{", "<script>&--> ]]>", "a_b^c"]
    written = write_pictures(compare([finished_run(name, {"one": bits("10")}) for name in names]), tmp_path / "out")
    for path in written:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_many_methods_look_different() -> None:
    names = [str(number) for number in range(len(COLORS) * len(MARKERS))]
    assert len(set(looks(names).values())) == len(names)


def test_no_display_is_asked_for() -> None:
    script = "import sys, modbench.report.pictures; sys.exit('matplotlib.pyplot' in sys.modules)"
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    assert subprocess.run([sys.executable, "-c", script], env=env, check=False).returncode == 0
