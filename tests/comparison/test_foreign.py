"""Output folders of the harness as runs: which results count, what is refused, and with which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modbench.comparison.compare import compare
from modbench.comparison.load import from_path, samples_of
from modbench.errors import ModbenchError

from .outputs import LATER, STAMP, chosen, generated, write

RIGHT, WRONG = chosen(0, [-1, -2], 0), chosen(0, [-1, -2], 1)


def both(one: Path, other: Path, **options: Any) -> Any:
    return compare([*from_path(f"a={one}"), *from_path(f"b={other}")], **options)


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


def test_the_newest_results_count(tmp_path: Path) -> None:
    write(tmp_path, arc=[WRONG])
    write(tmp_path, LATER, arc=[RIGHT])
    # A folder whose name sorts between those of the two files.
    write(tmp_path / "results_2025-06", arc=[WRONG])
    run, below = from_path(str(tmp_path))
    assert run.tasks["arc"].correct.tolist() == [True] and samples_of(run, "arc")[0].correct
    assert run.notes == (f"{tmp_path} has older results of arc too: the newest count",) and not below.notes
    assert run.notes[0] in compare([run]).notes


def test_results_of_several_tasks_in_one_folder_are_one_run(tmp_path: Path) -> None:
    write(tmp_path, arc=[WRONG], boolq=[WRONG, chosen(1, [-1, -2], 0)])
    write(tmp_path, LATER, gsm8k=[generated(0, "4", "4", True)], arc=[RIGHT])
    (run,) = from_path(str(tmp_path))
    assert {task: of.correct.tolist() for task, of in run.tasks.items()} == {
        "arc": [True],
        "boolq": [False, True],
        "gsm8k": [True],
    }
    assert [len(samples_of(run, task)) for task in ("arc", "boolq", "gsm8k")] == [1, 2, 1]
    assert samples_of(run, "arc")[0].correct and not samples_of(run, "boolq")[0].correct
    assert run.notes == (f"{tmp_path} has older results of arc too: the newest count",)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"model_name": "x"}, {"model_name": "y"}, r"different models \(model_name x and y\)"),
        (
            {"config": {"model_args": {"pretrained": "x"}, "batch_size": 1}},
            {"config": {"model_args": {"pretrained": "y"}, "batch_size": 2}},
            r'different models \(model_args {"pretrained": "x"} and {"pretrained": "y"}\)',
        ),
        ({"config": {"peft": "a"}}, {"config": {"peft": "b"}}, r"different models \(peft a and b\)"),
        ({"config": {"batch_size": 1}}, {"config": {"batch_size": 2}}, None),
        ({}, {"config": {"model_args": ""}}, None),
    ],
)
def test_results_of_several_models_in_one_folder_are_refused(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], message: str | None
) -> None:
    write(tmp_path, top=one, arc=[RIGHT])
    write(tmp_path, LATER, top=other, boolq=[RIGHT])
    if message is None:
        assert len(from_path(str(tmp_path))[0].tasks) == 2
    else:
        with pytest.raises(ModbenchError, match=message):
            from_path(str(tmp_path))


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"num_fewshot": 0}, {"num_fewshot": 5}, "num_fewshot 0 and 5: run both alike$"),
        ({}, {"description": "Think."}, "description null and Think.: run both alike$"),
        ({"metadata": {"version": 1}}, {"metadata": {"version": 2}}, "version 1 and 2: run both alike$"),
        ({"doc_to_text": "x" * 90 + "y"}, {"doc_to_text": "x" * 90 + "z"}, "doc_to_text: run both alike$"),
        ({"doc_to_text": "<function f at 0x7f5ceb65ca40>"}, {"doc_to_text": "<function f at 0x7f5ceb65ca41>"}, None),
        ({"description": None}, {}, None),
        ({"unsafe_code": False}, {}, None),
        ({"dataset_kwargs": {"data_files": "/a/x"}}, {"dataset_kwargs": {"data_files": "/b/x"}}, None),
        ({"metadata": {"version": 1, "path": "a"}}, {"metadata": {"version": 1, "path": "b"}}, None),
    ],
)
def test_other_settings_are_other_conditions(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], message: str | None
) -> None:
    folders = [write(tmp_path / name, config=config, arc=[RIGHT]) for name, config in (("a", one), ("b", other))]
    if message is None:
        assert len(both(*folders).methods) == 2
    else:
        with pytest.raises(ModbenchError, match=f"differ in the harness settings of arc.*{message}"):
            both(*folders, intersect=True)


def test_another_metric_is_named(tmp_path: Path) -> None:
    one = write(tmp_path / "one", arc=[RIGHT])
    two = write(tmp_path / "two", arc=[RIGHT | {"metrics": ["acc_norm"], "acc_norm": 1.0}])
    with pytest.raises(ModbenchError, match=r"differ in the metric of arc, acc and acc_norm: run both alike$"):
        both(one, two)


def test_the_metric_is_that_of_the_verdict(tmp_path: Path) -> None:
    one = write(tmp_path / "one", arc=[RIGHT])
    two = write(tmp_path / "two", arc=[RIGHT | {"metrics": ["acc", "acc_norm"], "acc_norm": 0.0}])
    assert both(one, two).problems == {"arc": 1}


def test_the_filter_that_counts_is_said(tmp_path: Path) -> None:
    filters = {"filter_list": [{"name": "strict-match"}, {"name": "flexible-extract"}]}
    row = generated(0, "4", "4", True)
    write(tmp_path, config=filters, gsm8k=[row, row | {"filter": "flexible-extract", "exact_match": 0.0}])
    (run,) = from_path(str(tmp_path))
    assert run.tasks["gsm8k"].correct.all()
    assert run.notes == (f"{tmp_path}: of the filters of gsm8k strict-match counts, not flexible-extract",)


def test_settings_that_are_no_object_are_refused(tmp_path: Path) -> None:
    write(tmp_path, top={"configs": {"arc": [1]}}, arc=[RIGHT])
    with pytest.raises(ModbenchError, match="the settings of arc are no object"):
        from_path(str(tmp_path))


def test_half_a_surrogate_pair_in_a_hash_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, arc=[RIGHT | {"doc_hash": "\ud800"}])
    (run,) = from_path(str(tmp_path))
    assert run.tasks["arc"].keys is not None and "\ufffd" in run.tasks["arc"].keys[0]


def test_other_documents_are_counted(tmp_path: Path) -> None:
    one = write(tmp_path / "one", arc=[chosen(i, [-1, -2], 0) for i in range(5)])
    two = write(tmp_path / "two", arc=[chosen(i, [-1, -2], 0) for i in range(2, 8)])
    with pytest.raises(ModbenchError, match=r"different documents of arc \(5 in one only, such as hash-0\)"):
        both(one, two)
    assert both(one, two, intersect=True).problems == {"arc": 3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acc": float("nan")}, "a verdict is acc = nan: name a task that says right or wrong$"),
        ({"acc": 0.5}, "a verdict is acc = 0.5"),
        ({"acc": "yes"}, "no metric is a number"),
        ({"metrics": []}, "no metric is a number"),
        ({"doc_id": -1}, r"no sample of lm_eval \(doc_id: Input should be greater than or equal to 0\)"),
        ({"doc_hash": None}, r"no sample of lm_eval \(doc_hash: Input should be a valid string\)"),
        ({"doc": "text"}, "no sample of lm_eval"),
        ({"filtered_resps": []}, "no sample of lm_eval"),
        ({"arguments": 1}, "no sample of lm_eval"),
    ],
)
def test_malformed_rows_are_named_in_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, arc=[chosen(1, [-1, -2], 0), RIGHT | changes])
    where = f"samples_arc_{STAMP}.jsonl, line 2: "
    with pytest.raises(ModbenchError, match=f"{where}.*{message}") as caught:
        from_path(str(tmp_path))
    assert "\n" not in str(caught.value) and "http" not in str(caught.value)


def test_a_row_lacks_what_is_named(tmp_path: Path) -> None:
    write(tmp_path, arc=[{key: value for key, value in RIGHT.items() if key != "filtered_resps"}])
    with pytest.raises(ModbenchError, match=r"line 1: no sample of lm_eval \(it has no 'filtered_resps'\)"):
        from_path(str(tmp_path))


@pytest.mark.parametrize("value", [[], {}, {"configs": []}, {"configs": {}}])
def test_what_is_no_results_file_is_refused(tmp_path: Path, value: Any) -> None:
    (tmp_path / f"results_{STAMP}.json").write_text(json.dumps(value))
    with pytest.raises(ModbenchError, match="--log_samples"):
        from_path(str(tmp_path))


@pytest.mark.parametrize("top", [{"n-samples": None}, {"n-samples": [1]}, {"n-samples": {"arc": 1}}, {"config": []}])
def test_what_a_results_file_does_not_say_is_not_held_against_it(tmp_path: Path, top: dict[str, Any]) -> None:
    write(tmp_path, top=top, config={"metadata": None}, arc=[RIGHT])
    assert from_path(str(tmp_path))[0].tasks["arc"].n == 1
