from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modbench.compare import compare
from modbench.errors import ModbenchError
from modbench.records import ModelInfo, Parameters, Record, Training, write_samples

MakeRun = Callable[..., tuple[Path, Record]]


def test_rows_hold_what_the_records_say(make_run: MakeRun) -> None:
    base = make_run(
        "base",
        {"one": [True, False, False, False], "two": [False, True]},
        parameters=Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None),
        training=None,
        gates=None,
    )
    tuned = make_run("mod_k", {"two": [True, True], "one": [True, True, True, False]})
    found = compare([tuned, base])
    assert [row.method for row in found.methods] == ["mod_k", "base"]
    assert (found.suite, found.seeds, found.problems) == ("demo", [0], {"two": 2, "one": 4})
    mod_k, untuned = found.methods
    assert list(mod_k.tasks) == list(untuned.tasks) == ["two", "one"]
    assert untuned.tasks["one"].accuracy == 0.25
    assert untuned.tasks["one"].stderr == pytest.approx(0.25)  # sqrt(1/4 * 3/4 / 3)
    assert untuned.tasks["two"].stderr == pytest.approx(0.5)  # sqrt(1/2 * 1/2 / 1)
    assert untuned.mean.accuracy == 0.375
    assert untuned.mean.stderr == pytest.approx(math.sqrt(0.25**2 + 0.5**2) / 2)
    assert (untuned.train_seconds, untuned.gates, untuned.peak_memory_bytes) == (None, None, 2**20)
    assert (mod_k.train_seconds, mod_k.eval_seconds, mod_k.peak_memory_bytes) == (10.5, 2.5, 2**21)
    assert (mod_k.late_layers, mod_k.gates) == ([9, 10, 11], [0.25, 0.25, 0.5])
    (pair,) = found.overlaps
    assert (pair.a, pair.b, pair.both, pair.only_a, pair.only_b, pair.neither) == ("mod_k", "base", 2, 3, 0, 1)
    assert pair.jaccard == 2 / 5


def test_seeds_are_averaged_and_overlaps_added_up(make_run: MakeRun) -> None:
    def training(seconds: float) -> Training:
        return Training(seconds=seconds, tokens=1, peak_memory_bytes=None, examples=1, cut_off=0, steps=1, loss=None)

    runs = [
        make_run("a", {"one": [True, False, False]}, seed=1, gates=[0.5, 0.25, 0.25], training=training(1.0)),
        make_run("b", {"one": [True, True, False]}, seed=0),
        make_run("a", {"one": [True, True, True]}, seed=0, gates=[0.0, 0.5, 0.5], training=training(2.0)),
        make_run("b", {"one": [False, True, False]}, seed=1),
        make_run("b", {"one": [False, False, False]}, seed=2),
        make_run("c", {"one": [False, False, False]}, seed=3),
    ]
    found = compare(runs)
    assert [row.method for row in found.methods] == ["a", "b", "c"]
    a, b, _ = found.methods
    assert (a.seeds, b.seeds, found.seeds) == ([0, 1], [0, 1, 2], [0, 1, 2, 3])
    assert a.tasks["one"].accuracy == pytest.approx(2 / 3)
    assert a.tasks["one"].stderr == pytest.approx(math.sqrt(0 + 1 / 9) / 2)
    assert (a.gates, a.train_seconds) == ([0.25, 0.375, 0.375], 1.5)
    (pair,) = found.overlaps  # c shares no seed with the others
    assert (pair.a, pair.b, pair.seeds) == ("a", "b", [0, 1])
    assert (pair.both, pair.only_a, pair.only_b, pair.neither) == (2, 2, 1, 1)
    assert pair.jaccard == 2 / 5


@pytest.mark.parametrize(
    ("verdicts", "fields", "message"),
    [
        ({"one": [True]}, {"suite": "other"}, "different suites"),
        ({"one": [True]}, {"model": ModelInfo(name="tiny", revision=None, sha256="c" * 64)}, "different model weights"),
        ({"one": [True, True]}, {}, "different tasks or limits"),
        ({"two": [True]}, {}, "different tasks or limits"),
        ({"one": [True]}, {"method": "mod_k", "seed": 0}, "are both mod_k, seed 0"),
        ({"one": [True]}, {"method": "mod_k", "seed": 1, "late_layers": [1, 2, 3]}, "train different parameters"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(
    make_run: MakeRun, verdicts: dict[str, list[bool]], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModbenchError, match=message):
        compare([make_run("mod_k", {"one": [True]}), make_run(**{"method": "base", "verdicts": verdicts} | fields)])


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(ModbenchError, match="nothing to compare"):
        compare([])


def test_samples_of_other_problems_are_refused(make_run: MakeRun, make_sample: Callable[..., Any]) -> None:
    a, b = make_run("a", {"one": [True]}), make_run("b", {"one": [True]})
    write_samples(b[0] / "samples" / "one.jsonl", [make_sample(0, True, "another")])
    with pytest.raises(ModbenchError, match="a and b, seed 0: the two answered different problems"):
        compare([a, b])
