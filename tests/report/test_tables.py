from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modbench.comparison.compare import compare as compare_outcomes
from modbench.comparison.load import from_record
from modbench.comparison.models import Comparison
from modbench.comparison.outcomes import RunOutcomes, TaskOutcomes
from modbench.errors import ModbenchError
from modbench.records import ModelInfo, Parameters, Record
from modbench.report.layout import Block, render_blocks
from modbench.report.tables import render

from ..seen import mark_seen

MakeRun = Callable[..., tuple[Path, Record]]
MODEL = ModelInfo(name="tiny_llama", revision=None, sha256="a" * 64, note="made here")
TABLE = """\
Suite demo, model tiny_llama (made here)
Problems: one 4, two 2
Seed: 0
Test problems in the method's own training data: base: none; mod_k: unknown
Note: mod_k and base are compared with one seed each: their intervals hold for these trained models only

Accuracy in percent (Wilson's 95 % interval over problems); macro: mean of tasks ± standard error

method               one                 two        macro             micro  vs base
--------  --------------  ------------------  -----------  ----------------  ---------------
base      0.0 (0.0-49.0)      0.0 (0.0-65.8)    0.0 ± 0.0    0.0 (0.0-39.0)  baseline
mod_k     25.0 (4.6-69.9)  100.0 (34.2-100.0)  62.5 ± 12.5  50.0 (18.8-81.2)  +62.5 undecided

Difference from base in points; 95 % intervals: paired bootstrap over problems; standing by these
p: exact McNemar of each pair of runs, adjusted by Holm over 2 tests
Detectable: the smallest difference that these problems would show at 0.05 with 80 % power

method    task      difference  95 % over problems      p adjusted    detectable  standing
--------  ------  ------------  --------------------  ------------  ------------  ----------
"""


def compare(runs: list[tuple[Path, Record]], baseline: str | None = None) -> Comparison:
    return compare_outcomes([from_record(*run) for run in runs], baseline)


@pytest.fixture
def comparison(make_run: MakeRun) -> Comparison:
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


def squeezed(text: str) -> list[str]:
    """Lines without rules and without widths."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip("- ")]


def blocks(comparison: Comparison, **options: bool) -> Iterator[list[dict[str, str]]]:
    """The tables of the csv format."""
    for block in render(comparison, "csv", **options).split("\n\n"):
        yield list(csv.DictReader(io.StringIO(block)))


def test_what_one_wants_to_know_comes_first(comparison: Comparison) -> None:
    text = render(comparison, "table")
    assert squeezed(text)[: len(squeezed(TABLE))] == squeezed(TABLE)
    rest = squeezed(text)[len(squeezed(TABLE)) :]
    assert "A B both only A only B neither Jaccard kappa Yule's Q" in rest
    assert "base mod_k 0 0 3 3 0.000 0.000 -" in rest
    assert "Union: at least one method solves 3 of 6 problems" in rest
    assert "mod_k 3 100.0 3" in rest
    assert "base 0 0 0 0* - - - -" in rest
    assert "mod_k 1,000 40 60 1,100* +10.00 % - 9 10 11 0.25 0.25 0.50" in rest
    assert rest[-1] == "mod_k 10.5* 95 2.5* - 2*"


def test_the_plain_table_is_readable() -> None:
    """Fifteen tasks and twelve methods: no table is wider than a wide terminal."""
    verdicts = [[True, False, number % 2 == 0] for number in range(15)]
    tasks = {f"modbench_task_{number}": TaskOutcomes.of("abc", of) for number, of in enumerate(verdicts)}
    runs = [RunOutcomes(f"mod_k_top{j}", seed, tasks, model="tiny") for j in range(12) for seed in (0, 1)]
    text = render(compare_outcomes(runs), "table")
    tables = re.findall(r"(?:^.+\n)+^-+  .*\n(?:^.+\n?)+", text, re.MULTILINE)
    assert len(tables) == 10 and "of 66 pairs those with mod_k_top0" in text
    assert max(len(line) for table in tables for line in table.splitlines()) <= 140


def test_json_has_full_precision(comparison: Comparison) -> None:
    found = json.loads(render(comparison, "json"))
    assert found == comparison.to_dict()
    assert Comparison.model_validate(found).to_dict() == found
    assert found["methods"][1]["tasks"]["modbench_one"]["accuracy"] == 0.25


def test_csv_has_a_block_per_table(comparison: Comparison) -> None:
    accuracies, differences, overlaps, union, costs = blocks(comparison)
    assert [row["method"] for row in accuracies] == ["base", "mod_k"]
    assert float(accuracies[1]["macro_stderr"]) == comparison.methods[1].macro.stderr
    assert float(accuracies[1]["modbench_one_low"]) == comparison.methods[1].tasks["modbench_one"].low
    assert [row["task"] for row in differences] == ["modbench_one", "modbench_two", "macro", "micro"]
    assert float(differences[2]["low"]) == comparison.differences[2].interval[0]
    (pair,) = overlaps
    assert list(pair) == ["a", "b", "seeds", "both", "only_a", "only_b", "neither", "jaccard", "kappa", "yule_q"]
    assert list(pair.values()) == ["base", "mod_k", "0", "0", "0", "3", "3", "0.0", "0.0", ""]
    assert [row["attained"] for row in union] == ["0.0", "1.0"]
    assert [costs[1][part] for part in ("lora", "norms", "router", "total")] == ["1000", "40", "60", "1100"]
    assert (costs[1]["late_layers"], costs[1]["gates"]) == ("9 10 11", "0.25 0.25 0.5")
    assert (costs[0]["gates"], costs[0]["train_seconds"], costs[0]["overhead_percent"]) == ("", "", "")
    assert costs[1]["pareto"].split() == comparison.methods[1].pareto


def balanced(latex: str) -> bool:
    """Whether braces, groups and environments close in order, and nothing special is left unescaped."""
    assert latex.isascii()
    lines = [line for line in latex.splitlines() if not line.startswith("%")]
    text = re.sub(r"\\[%&_#{}]", "", "\n".join(lines)).replace("%\n", "\n")
    depth, open_environments = 0, []
    for name, sign in re.findall(r"\\(?:begin|end)\{(\w+)\}|([{}])", text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0, name
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            open_environments.append(name)
        else:
            assert open_environments.pop() == name
    maths = text.count("$")
    outside = "".join(part for number, part in enumerate(text.split("$")) if number % 2 == 0)
    outside = re.sub(r"\\(begin|end|label|caption|textbf|ensuremath)\b|\{[lr]+\}|tab:[\w-]+", "", outside)
    return depth == 0 and not open_environments and maths % 2 == 0 and not re.search(r"[_#%^~]", outside)


def rows_of(latex: str, label: str) -> list[list[str]]:
    table = latex.split(rf"\label{{tab:{label}}}")[1].split(r"\end{tabular}")[0]
    return [[cell.strip() for cell in line.rstrip("\\ ").split("&")] for line in table.splitlines() if "&" in line]


def test_latex_goes_into_a_paper_as_it_is(comparison: Comparison, contaminated: Comparison) -> None:
    for of in (comparison, contaminated):
        latex = render(of, "latex", clean=True, every_seed=True)
        assert balanced(latex)
        assert latex.count(r"\begin{table}") == latex.count(r"\caption{") == latex.count(r"\bottomrule")
        for table in latex.split(r"\begin{tabular}")[1:]:
            columns = len(table[1 : table.index("}")])
            body = table.split(r"\end{tabular}")[0]
            assert {line.count("&") + 1 for line in re.sub(r"\\&", "", body).splitlines() if "&" in line} == {columns}
    assert r"$-$" not in render(comparison, "latex").split(r"\label{tab:overlap}")[1]


def test_the_best_is_bold_and_ties_are_marked(make_run: MakeRun) -> None:
    right = {"best": 100, "near_by": 98, "far": 60}
    found = compare([make_run(name, {"one": [place < n for place in range(200)]}) for name, n in right.items()])
    rows = rows_of(render(found, "latex"), "accuracy")
    assert [row[:2] for row in rows[1:]] == [
        ["best", r"\textbf{50.0} $\pm$ 3.5"],
        [r"near\_by", r"49.0$^{\dagger}$ $\pm$ 3.5"],
        ["far", r"30.0 $\pm$ 3.2"],
    ]
    assert "| **50.0** (43.1-56.9) |" in render(found, "markdown")
    assert "**" not in render(found, "table") and "†" not in render(found, "table")
    alone = compare([make_run("alone", {"one": [True]})])
    assert "textbf" not in render(alone, "latex") and "**" not in render(alone, "markdown")


def test_one_test_is_adjusted_for_nothing(make_run: MakeRun) -> None:
    text = render(compare([make_run(name, {"one": [name == "a"] * 9}) for name in "ab"]), "table")
    assert "\np: exact McNemar of the two runs\n" in text and "Holm" not in text and " p  " in text


def test_long_tables_go_on_in_further_floats() -> None:
    block = Block("long", ["Many", "Is it?"], (["n"], [[n] for n in range(90)]), None)
    latex = render_blocks([], [block], "latex")
    assert r"\caption{Many. Is it?}" in latex and latex.count(r"\caption{Table~\ref{tab:long}, continued.}") == 2
    assert [int(n) for n in re.findall(r"^ +(\d+) +\\\\$", latex, re.MULTILINE)] == list(range(90))


def test_seeds(make_run: MakeRun) -> None:
    runs = [make_run(method, {"one": [True, bool(seed)]}, seed) for method in "ab" for seed in (0, 1)]
    text = render(compare([*runs, make_run("c", {"one": [False, False]}, 1)]), "table")
    assert "Mean over seeds: a 0, 1; b 0, 1; c 1" in text
    assert "added up over the seeds that both have" in text
    assert "a b 0, 1 3 0 0 1 1.000 1.000 1.000" in squeezed(text)
    assert {"a 35.4", "c -"} <= set(squeezed(text)) and "a 0 50.0" not in squeezed(text)
    both = compare(runs)
    assert "Mean over seeds: 0, 1\n" in render(both, "table")
    every = squeezed(render(both, "table", every_seed=True))
    assert every[every.index("method seed one") :][1:4] == ["a 0 50.0", "a 1 100.0", "a sd 35.4"]
    seeds = list(blocks(both, every_seed=True))[1]
    assert [(row["method"], row["seed"], row["one"]) for row in seeds][:2] == [("a", "0", "0.5"), ("a", "1", "1.0")]


def test_exclusive_sets_of_three_methods(make_run: MakeRun) -> None:
    verdicts = {"a": [True, True, False, False], "b": [True, False, True, False], "c": [True, False, False, False]}
    found = compare([make_run(name, {"one": of}) for name, of in verdicts.items()])
    lines = squeezed(render(found, "table"))
    assert lines[lines.index("problems % solved by") :][1:5] == ["1 25.0 none", "1 25.0 a", "1 25.0 b", "1 25.0 all"]
    assert {"a 2 66.7 1", "c 1 33.3 0"} <= set(lines)


def test_one_method_has_nothing_beside_it(make_run: MakeRun) -> None:
    alone = compare([make_run("a", {"one": [True]})])
    for format in ("table", "csv"):
        assert not re.search("jaccard|mcnemar|union|macro$", render(alone, format).lower())


@pytest.fixture
def contaminated(make_run: MakeRun) -> Comparison:
    verdicts = {"modbench_one": [True, True, False, False], "modbench_two": [True, False]}
    nothing = Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None)
    unsolved = {task: [False] * len(of_task) for task, of_task in verdicts.items()}
    base = make_run("base", unsolved, training=None, parameters=nothing)
    marks = {"modbench_one": [True, False, False, False], "modbench_two": [False, False]}
    return compare([base, mark_seen(make_run("mod_k", verdicts), marks)])


def test_what_was_trained_on_is_said(contaminated: Comparison, make_run: MakeRun) -> None:
    said = "Test problems in the method's own training data: base: none; mod_k: one 25.0 %"
    for format in ("table", "markdown", "latex"):
        assert said in render(contaminated, format)
    untouched = compare([mark_seen(make_run("c", {"one": [True, False]}), {"one": [False, False]})])
    assert "No test problem is in the training data" in render(untouched, "table")
    assert "training data" not in render(compare([make_run("d", {"one": [True]})]), "table")


def test_clean_table(contaminated: Comparison) -> None:
    assert "clean" not in render(contaminated, "table").lower()
    lines = squeezed(render(contaminated, "table", clean=True))
    start = lines.index("method task problems seen % accuracy clean problems clean accuracy")
    assert lines[start - 2].startswith("Clean: the problems that no training data of these methods contains")
    assert lines[start + 1 : start + 7] == [
        "base one 4 0.0 0.0 ± 0.0 3 0.0 ± 0.0",
        "base two 2 0.0 0.0 ± 0.0 2 0.0 ± 0.0",
        "base macro 0.0 ± 0.0 0.0 ± 0.0",
        "mod_k one 4 25.0 50.0 ± 28.9 3 33.3 ± 33.3",
        "mod_k two 2 0.0 50.0 ± 50.0 2 50.0 ± 50.0",
        "mod_k macro 50.0 ± 28.9 41.7 ± 30.0",
    ]


def test_clean_in_the_other_formats(contaminated: Comparison, comparison: Comparison) -> None:
    one = next(row for row in list(blocks(contaminated, clean=True))[1] if row["method"] == "mod_k")
    assert (one["task"], one["seen"], one["clean_problems"]) == ("modbench_one", "1", "3")
    assert float(one["clean_accuracy"]) == pytest.approx(1 / 3)
    found = json.loads(render(contaminated, "json"))["methods"][1]
    assert found["clean"]["modbench_one"]["seen"] == 1 and found["clean_macro"]["accuracy"] == pytest.approx(5 / 12)
    # What is unknown of one method leaves no problems to compare them on.
    assert "base two 2 0.0 0.0 ± 0.0 - -" in squeezed(render(comparison, "table", clean=True))


def test_unknown_format(comparison: Comparison) -> None:
    with pytest.raises(ModbenchError, match="did you mean latex"):
        render(comparison, "latx")
