"""Runs from folders: modbench's, and those of the harness, whose files the tests write as the harness does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from modbench.comparison.compare import compare
from modbench.comparison.load import from_path, samples_of
from modbench.errors import ModbenchError
from modbench.records import Record

STAMP = "2025-01-02T03-04-05.678901"


def generated(doc_id: int, response: str, answer: str, right: bool) -> dict[str, Any]:
    """A row of a task with generated answers, as it is on disk."""
    return {
        "doc_id": doc_id,
        "doc": {"question": f"How many are {doc_id}?", "answer": "4"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": f"Q: How many are {doc_id}?\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [[response]],
        "filtered_resps": [answer],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "doc_hash": f"hash-{doc_id}",
        "exact_match": float(right),
    }


def chosen(doc_id: int, likelihoods: Sequence[float], right: int) -> dict[str, Any]:
    """A row of a task with choices: numbers have become texts."""
    return {
        "doc_id": doc_id,
        "doc": {"query": f"Which is {doc_id}?"},
        "target": str(right),
        "arguments": {f"gen_args_{i}": {"arg_0": "Q:", "arg_1": f" choice {i}"} for i in range(len(likelihoods))},
        "resps": [[[str(value), "False"]] for value in likelihoods],
        "filtered_resps": [[str(value), "False"] for value in likelihoods],
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": f"hash-{doc_id}",
        "acc": float(max(range(len(likelihoods)), key=likelihoods.__getitem__) == right),
    }


def write(folder: Path, stamp: str = STAMP, config: Any = None, **tasks: Sequence[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    results = {
        "results": {},
        "configs": {task: {"task": task, "metadata": {"version": 1.0}} | (config or {}) for task in tasks},
        "n-samples": {
            task: {"original": 9, "effective": len({row["doc_id"] for row in of})} for task, of in tasks.items()
        },
        "model_name": "tiny",
    }
    (folder / f"results_{stamp}.json").write_text(json.dumps(results))
    for task, rows in tasks.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"samples_{task}_{stamp}.jsonl").write_text(lines)
    return folder


def test_output_of_the_harness(tmp_path: Path) -> None:
    rows = [generated(0, "It is 4.", "4", True), generated(1, "No idea.", "[invalid]", False)]
    flexible = [row | {"filter": "flexible-extract", "exact_match": 0.0} for row in rows]
    out = write(tmp_path / "out" / "tiny", gsm8k=[*rows, *flexible], arc=[chosen(0, [-10.5, -9.0, -200.0], 1)])
    (run,) = from_path(str(tmp_path / "out"))
    assert (run.method, run.seed, run.model, run.facts, run.folder) == ("tiny", 0, "tiny", None, out)
    assert run.tasks["gsm8k"].correct.tolist() == [True, False]
    first, second = samples_of(run, "gsm8k")
    assert (first.question, first.response, first.answer, second.answer) == ("How many are 0?", "It is 4.", "4", None)
    (choice,) = samples_of(run, "arc")
    assert (choice.response, choice.gold, choice.correct) == ("choice 1", "choice 1", True)
    assert choice.question == "Which is 0?"


def test_labels_and_seeds(tmp_path: Path) -> None:
    write(tmp_path / "one", arc=[chosen(0, [-1, -2], 0), chosen(1, [-1, -2], 0)])
    write(tmp_path / "two", arc=[chosen(1, [-2, -1], 0), chosen(0, [-1, -2], 0)])
    runs = [
        run for name in (f"a={tmp_path}/one", f"a:1={tmp_path}/two", f"b={tmp_path}/two") for run in from_path(name)
    ]
    assert [(run.method, run.seed) for run in runs] == [("a", 0), ("a", 1), ("b", 0)]
    (pair,) = compare(runs).overlaps
    assert (pair.both, pair.only_a, pair.only_b, pair.neither) == (1, 1, 0, 0)


def test_the_newest_results_count(tmp_path: Path) -> None:
    write(tmp_path, arc=[chosen(0, [-1, -2], 1)])
    write(tmp_path, "2026-01-02T03-04-05.678901", arc=[chosen(0, [-1, -2], 0)])
    (run,) = from_path(str(tmp_path))
    assert run.tasks["arc"].correct.tolist() == [True] and samples_of(run, "arc")[0].correct


def test_other_settings_are_other_conditions(tmp_path: Path) -> None:
    one = write(tmp_path / "one", arc=[chosen(0, [-1, -2], 0)])
    two = write(tmp_path / "two", config={"num_fewshot": 5}, arc=[chosen(0, [-1, -2], 0)])
    with pytest.raises(ModbenchError, match="differ in the harness settings of arc"):
        compare([*from_path(str(one)), *from_path(str(two))])


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
