"""Runs from folders, by the names that users give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modbench.comparison.compare import compare
from modbench.comparison.load import from_path, from_record, samples_of
from modbench.comparison.outcomes import RunOutcomes
from modbench.errors import ModbenchError
from modbench.records import Record

from .outputs import STAMP, chosen, write


def test_labels_and_seeds(tmp_path: Path) -> None:
    write(tmp_path / "one", arc=[chosen(0, [-1, -2], 0), chosen(1, [-1, -2], 0)])
    write(tmp_path / "two", arc=[chosen(1, [-2, -1], 0), chosen(0, [-1, -2], 0)])
    runs = [
        run for name in (f"a={tmp_path}/one", f"a:1={tmp_path}/two", f"b={tmp_path}/two") for run in from_path(name)
    ]
    assert [(run.method, run.seed) for run in runs] == [("a", 0), ("a", 1), ("b", 0)]
    (pair,) = compare(runs).overlaps
    assert (pair.both, pair.only_a, pair.only_b, pair.neither) == (1, 1, 0, 0)


def test_a_folder_above_several_runs(tmp_path: Path, make_run: Callable[..., tuple[Path, Record]]) -> None:
    folders = [make_run("mod_k", {"one": [True, False]}, seed)[0] for seed in (0, 1)]
    make_run("base", {"one": [False, False]})
    (folders[0].parent / ".seed-2.tmp").mkdir()
    (folders[0].parent / ".seed-2.tmp" / "record.json").write_text("{")
    runs = from_path(str(tmp_path / "runs"))
    assert [(run.method, run.seed) for run in runs] == [("base", 0), ("mod_k", 0), ("mod_k", 1)]
    assert {run.method for run in from_path(f"mine={folders[0].parent}")} == {"mine"}
    assert samples_of(runs[1], "one")[0].gold == "4"


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match="holds no run"):
        from_path(str(tmp_path))
    with pytest.raises(ModbenchError, match="cannot name a method"):
        from_path(f".hidden={tmp_path}")
    write(tmp_path, arc=[chosen(0, [-1, -2], 0)])
    samples = tmp_path / f"samples_arc_{STAMP}.jsonl"
    whole = samples.read_text()
    for text, message in ((whole[:-9], "cut off"), (whole * 2, "has 2 samples"), ("{}\n", "no sample of lm_eval")):
        samples.write_text(text)
        with pytest.raises(ModbenchError, match=message):
            from_path(str(tmp_path))
    samples.unlink()
    with pytest.raises(ModbenchError, match="--log_samples"):
        from_path(str(tmp_path))


def of_examples(make_run: Callable[..., tuple[Path, Record]], method: str, digest: str | None) -> RunOutcomes:
    task: dict[str, Any] = {"settings": "s", "limit": None} | ({} if digest is None else {"examples": digest})
    return from_record(*make_run(method, {"one": [True]}, identity={"tasks": {"one": task}, "num_fewshot": 5}))


def test_other_examples_are_other_conditions(make_run: Callable[..., tuple[Path, Record]]) -> None:
    runs = [of_examples(make_run, name, digest * 64) for name, digest in (("a", "1"), ("b", "2"), ("c", "1"))]
    with pytest.raises(ModbenchError, match=r"differ in the examples of one, 11111111 and 22222222: run both alike$"):
        compare(runs)
    assert len(compare([runs[0], runs[2]]).methods) == 2


def test_rows_older_than_the_digest_of_examples_are_still_compared(
    make_run: Callable[..., tuple[Path, Record]],
) -> None:
    run, old = of_examples(make_run, "a", "1" * 64), of_examples(make_run, "b", None)
    assert old.tasks["one"].conditions.keys() == {"metric", "prompt", "settings"}
    assert len(compare([run, old]).methods) == 2
