"""A comparison of finished runs on disk: what the records say, and what was trained on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modbench.comparison.compare import compare as compare_outcomes
from modbench.comparison.load import from_record
from modbench.comparison.models import Comparison
from modbench.errors import ModbenchError
from modbench.records import ModelInfo, Parameters, Record, Training, write_samples

from ..seen import mark_seen

MakeRun = Callable[..., tuple[Path, Record]]
UNTRAINED = {"parameters": Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None), "training": None}


def compare(runs: list[tuple[Path, Record]], **options: Any) -> Comparison:
    return compare_outcomes([from_record(*run) for run in runs], **options)


def test_rows_hold_what_the_records_say(make_run: MakeRun) -> None:
    base = make_run("base", {"one": [True, False, False, False], "two": [False, True]}, gates=None, **UNTRAINED)
    tuned = make_run("mod_k", {"two": [True, True], "one": [True, True, True, False]})
    found = compare([tuned, base])
    assert [row.method for row in found.methods] == ["mod_k", "base"]
    assert (found.suite, found.seeds, found.problems) == ("demo", [0], {"two": 2, "one": 4})
    mod_k, untuned = found.methods
    assert list(mod_k.tasks) == list(untuned.tasks) == ["two", "one"]
    assert untuned.tasks["one"].accuracy == 0.25
    assert untuned.tasks["one"].stderr == pytest.approx(0.25)  # sqrt(1/4 * 3/4 / 3)
    assert untuned.tasks["two"].stderr == pytest.approx(0.5)  # sqrt(1/2 * 1/2 / 1)
    assert untuned.macro.accuracy == 0.375
    assert untuned.macro.stderr == pytest.approx(math.sqrt(0.25**2 + 0.5**2) / 2)
    assert (untuned.cost.train_seconds, untuned.gates, untuned.cost.peak_memory_bytes) == (None, None, 2**20)
    assert (mod_k.cost.train_seconds, mod_k.cost.eval_seconds, mod_k.cost.peak_memory_bytes) == (10.5, 2.5, 2**21)
    assert mod_k.cost.train_speed == pytest.approx(1000 / 10.5)
    assert (mod_k.late_layers, mod_k.gates) == ([9, 10, 11], [0.25, 0.25, 0.5])
    (pair,) = found.overlaps
    assert (pair.a, pair.b, pair.both, pair.only_a, pair.only_b, pair.neither) == ("mod_k", "base", 2, 3, 0, 1)
    assert pair.jaccard == 2 / 5


def test_costs_are_averaged_over_seeds(make_run: MakeRun) -> None:
    def training(seconds: float) -> Training:
        return Training(seconds=seconds, tokens=1, peak_memory_bytes=None, examples=1, cut_off=0, steps=1, loss=None)

    runs = [
        make_run("a", {"one": [True, False, False]}, seed=1, gates=[0.5, 0.25, 0.25], training=training(1.0)),
        make_run("b", {"one": [True, True, False]}, seed=0),
        make_run("a", {"one": [True, True, True]}, seed=0, gates=[0.0, 0.5, 0.5], training=training(2.0)),
        make_run("c", {"one": [False, False, False]}, seed=3),
    ]
    found = compare(runs)
    assert [(row.method, row.seeds) for row in found.methods] == [("a", [0, 1]), ("b", [0]), ("c", [3])]
    assert (found.methods[0].gates, found.methods[0].cost.train_seconds) == ([0.25, 0.375, 0.375], 1.5)
    (pair,) = found.overlaps  # c shares no seed with the others
    assert (pair.a, pair.b, pair.seeds) == ("a", "b", [0])


def test_overheads_are_over_what_one_chooses(make_run: MakeRun) -> None:
    wide = Parameters(lora=2200, norms=0, router=0, total=2200, overhead_percent=120.0)
    runs = [
        make_run("base", {"one": [True]}, **UNTRAINED),
        make_run("mod_k", {"one": [True]}),
        make_run("lora_all", {"one": [True]}, parameters=wide, gates=None),
    ]
    assert [row.cost.overhead for row in compare(runs).methods] == [None, 10.0, 120.0]
    assert [row.cost.overhead for row in compare(runs, over="lora_all").methods] == [-100.0, -50.0, 0.0]
    with pytest.raises(ModbenchError, match="trained parameters of base are none"):
        compare(runs, over="base")
    with pytest.raises(ModbenchError, match="did you mean lora_all"):
        compare(runs, over="lora_al")


@pytest.mark.parametrize(
    ("verdicts", "fields", "message"),
    [
        ({"one": [True]}, {"suite": "other"}, "different suites"),
        ({"one": [True]}, {"model": ModelInfo(name="tiny", revision=None, sha256="c" * 64)}, "different model weights"),
        ({"one": [True, True]}, {}, "answered different documents of one"),
        ({"two": [True]}, {}, "different tasks"),
        ({"one": [True]}, {"method": "mod_k", "seed": 0}, "are both mod_k seed 0"),
        ({"one": [True]}, {"method": "mod_k", "seed": 1, "late_layers": [1, 2, 3]}, "train different parameters"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(
    make_run: MakeRun, verdicts: dict[str, list[bool]], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModbenchError, match=message):
        compare([make_run("mod_k", {"one": [True]}), make_run(**{"method": "base", "verdicts": verdicts} | fields)])


def test_samples_of_other_problems_are_refused(make_run: MakeRun, make_sample: Callable[..., Any]) -> None:
    a, b = make_run("a", {"one": [True]}), make_run("b", {"one": [True]})
    write_samples(b[0] / "samples" / "one.jsonl", [make_sample(0, True, "another")])
    with pytest.raises(ModbenchError, match="answered different documents of one"):
        compare([a, b])


def test_clean_accuracies_against_a_loop(make_run: MakeRun) -> None:
    """Each seed of each method on the problems that no seed of any method was trained on."""
    marks = {
        ("a", 0): [True, False, False, False, False, False],
        ("a", 1): [True, True, False, False, False, False],
        ("b", 0): [False, False, False, True, False, False],
    }
    right = {
        ("a", 0): [True, True, True, False, True, False],
        ("a", 1): [True, False, False, False, True, True],
        ("b", 0): [False, True, True, True, False, False],
    }
    found = compare([mark_seen(make_run(*key[:1], {"one": right[key]}, key[1]), {"one": marks[key]}) for key in marks])
    clean = [place for place in range(6) if not any(mark[place] for mark in marks.values())]
    for row in found.methods:
        of_seeds = [statistics.mean(right[row.method, seed][place] for place in clean) for seed in row.seeds]
        assert row.clean["one"].score is not None
        assert row.clean["one"].score.accuracy == pytest.approx(statistics.mean(of_seeds))
        assert row.clean["one"].n == len(clean) == 3
        own = {
            place for (method, _), mark in marks.items() if method == row.method for place in range(6) if mark[place]
        }
        assert row.clean["one"].seen == len(own)
        assert row.clean_macro is not None and row.clean_macro.accuracy == row.clean["one"].score.accuracy


def test_an_untuned_method_was_trained_on_nothing(make_run: MakeRun) -> None:
    (row,) = compare([make_run("base", {"one": [True, False]}, **UNTRAINED)]).methods
    assert (row.clean["one"].seen, row.clean["one"].n) == (0, 2)
    assert row.clean["one"].score is not None and row.clean["one"].score.accuracy == 0.5


def test_what_is_unknown_of_one_method_is_clean_for_none(make_run: MakeRun) -> None:
    base, tuned = compare(
        [make_run("base", {"one": [True, False]}, **UNTRAINED), make_run("mod_k", {"one": [True, False]})]
    ).methods
    assert (base.clean["one"].seen, tuned.clean["one"].seen) == (0, None)
    assert {row.clean["one"].n for row in (base, tuned)} == {None} == {row.clean_macro for row in (base, tuned)}
    assert {row.clean["one"].score for row in (base, tuned)} == {None}


def test_what_another_s_adapter_was_trained_on_is_unknown(make_run: MakeRun) -> None:
    """As `modbench eval` records it: parameters, but no training."""
    (row,) = compare([make_run("adapter", {"one": [True, False]}, training=None)]).methods
    assert (row.clean["one"].seen, row.clean["one"].n, row.clean["one"].score) == (None, None, None)


def test_a_task_that_was_trained_on_whole_has_no_clean_accuracy(make_run: MakeRun) -> None:
    run = make_run("mod_k", {"one": [True, True], "two": [True, False]})
    (row,) = compare([mark_seen(run, {"one": [True, True], "two": [False, True]})]).methods
    assert (row.clean["one"].n, row.clean["one"].score, row.clean_macro) == (0, None, None)
    two = row.clean["two"]
    assert two.n == 1 and two.score is not None and (two.score.accuracy, two.score.stderr) == (1, None)
