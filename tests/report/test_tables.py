from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modbench.compare import Comparison, compare
from modbench.errors import ModbenchError
from modbench.leaderboard import from_records
from modbench.records import ModelInfo, Parameters, Record, TaskResult
from modbench.report.formats import render_rows
from modbench.report.tables import leaderboard_rows, render

MODEL = ModelInfo(name="tiny_llama", revision=None, sha256="a" * 64, note="made here")
TABLE = """\
Suite demo, model tiny_llama (made here)
Problems: one 4, two 2
Seed: 0
Accuracy in percent ± standard error; overhead of trained parameters over lora_not_k; layers count from 0

method              one          two         mean    trained    overhead    late layers      mean gates    train s    eval s    peak MiB
--------  -------------  -----------  -----------  ---------  ----------  -------------  --------------  ---------  --------  ----------
base        0.0 ± 0.0    0.0 ± 0.0    0.0 ± 0.0            0           -              -               -          -       2.5           1
mod_k     25.0 ± 25.0  100.0 ± 0.0  62.5 ± 12.5      1,100    +10.00 %        9 10 11  0.25 0.25 0.50       10.5       2.5           2

Problems solved by two methods

A     B        both    only A    only B    neither    Jaccard
----  -----  ------  --------  --------  ---------  ---------
base  mod_k       0         0         3          3      0.000
"""  # noqa: E501


@pytest.fixture
def comparison(make_run: Callable[..., tuple[Path, Record]]) -> Comparison:
    return compare(
        [
            make_run(
                "base",
                {"modbench_one": [False] * 4, "modbench_two": [False] * 2},
                model=MODEL,
                parameters=Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None),
                late_layers=[],
                gates=None,
                training=None,
            ),
            make_run("mod_k", {"modbench_one": [True, False, False, False], "modbench_two": [True, True]}, model=MODEL),
        ]
    )


def squeezed(text: str) -> list[list[str]]:
    """Lines without rules and without widths."""
    return [line.split() for line in text.splitlines() if line.strip("- ")]


def test_table(comparison: Comparison) -> None:
    assert squeezed(render(comparison, "table")) == squeezed(TABLE)


def test_json_has_full_precision(comparison: Comparison) -> None:
    found = json.loads(render(comparison, "json"))
    assert found == comparison.to_dict()
    assert Comparison.model_validate(found) == comparison
    assert found["methods"][1]["tasks"]["modbench_one"] == {"accuracy": 0.25, "stderr": 0.25}


def test_csv_has_a_block_per_table(comparison: Comparison) -> None:
    methods, overlaps = (list(csv.DictReader(io.StringIO(block))) for block in render(comparison, "csv").split("\n\n"))
    assert [row["method"] for row in methods] == ["base", "mod_k"]
    assert float(methods[1]["mean_stderr"]) == comparison.methods[1].mean.stderr
    assert [methods[1][part] for part in ("lora", "norms", "router", "total")] == ["1000", "40", "60", "1100"]
    assert (methods[1]["late_layers"], methods[1]["gates"]) == ("9 10 11", "0.25 0.25 0.5")
    assert (methods[0]["gates"], methods[0]["train_seconds"], methods[0]["overhead_percent"]) == ("", "", "")
    (pair,) = overlaps
    assert list(pair) == ["a", "b", "seeds", "both", "only_a", "only_b", "neither", "jaccard"]
    assert list(pair.values()) == ["base", "mod_k", "0", "0", "0", "3", "3", "0.0"]


def test_markdown_and_latex_hold_the_same_cells(comparison: Comparison) -> None:
    assert "| mod_k | 25.0 ± 25.0 | 100.0 ± 0.0 |" in " ".join(render(comparison, "markdown").split())
    latex = render(comparison, "latex")
    assert r"mod\_k" in latex and r"25.0 $\pm$ 25.0" in latex and r"+10.00 \%" in latex
    outside = [line for line in latex.splitlines() if not line.startswith("%")]
    assert not any("_" in line.replace(r"\_", "") for line in outside)


def test_seeds_that_differ_are_said(make_run: Callable[..., tuple[Path, Record]]) -> None:
    runs = [make_run(method, {"one": [True]}, seed) for method in "ab" for seed in (0, 1)]
    text = render(compare([*runs, make_run("c", {"one": [False]}, 1)]), "table")
    assert "Mean over seeds: a 0, 1; b 0, 1; c 1" in text
    assert "added up over the seeds that both have" in text
    assert ["a", "b", "0,", "1", "2", "0", "0", "0", "1.000"] in squeezed(text)
    assert ["a", "c", "1", "0", "1", "0", "0", "0.000"] in squeezed(text)
    assert "Mean over seeds: 0, 1\n" in render(compare(runs), "table")


def test_one_method_has_no_overlap_table(make_run: Callable[..., tuple[Path, Record]]) -> None:
    alone = compare([make_run("a", {"one": [True]})])
    assert "Jaccard" not in render(alone, "table") and "jaccard" not in render(alone, "csv")


def test_unknown_format(comparison: Comparison) -> None:
    with pytest.raises(ModbenchError, match="did you mean latex"):
        render(comparison, "latx")


def test_leaderboard_is_sorted_by_mean(make_record: Callable[..., Record]) -> None:
    board = from_records(
        [
            make_record(tasks={"modbench_one": TaskResult.from_counts(4, 1)}),
            make_record(method="lora_all", tasks={"modbench_two": TaskResult.from_counts(4, 4)}, gates=None),
        ]
    )
    assert [" ".join(line) for line in squeezed(render_rows(*leaderboard_rows(board), "table"))[1:]] == [
        "lora_all 0 - 100.0 ± 0.0 100.0 ± 0.0 1,100 +10.00 % - -",
        "mod_k 0 25.0 ± 25.0 - 25.0 ± 25.0 1,100 +10.00 % 9 10 11 0.25 0.25 0.50",
    ]
