"""Verdicts of the tasks on what a model may say, and the means of groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..made_up import pin, problem_sets
from .task_sets import GROUPS, load


def evaluate(manager: Any, tasks: list[str], answer: Callable[[int, dict[str, Any]], str], limit: Any = None) -> Any:
    """The harness's own evaluation of a model that says `answer(n-th prompt's document)`."""
    from lm_eval.api.model import LM
    from lm_eval.evaluator import simple_evaluate

    class Oracle(LM):
        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [answer(request.doc_id, request.doc) for request in requests]

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            return [(float(r.doc["choices"][r.idx] == answer(r.doc_id, r.doc)), False) for r in requests]

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
            raise NotImplementedError

    results = simple_evaluate(
        model=Oracle(), tasks=tasks, task_manager=manager, limit=limit, confirm_run_unsafe_code=False
    )
    assert results is not None
    return results


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_shows_the_mean_of_its_tasks_and_the_one_over_its_problems(
    group: str, manager: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sets of different sizes, of which some are solved and others not."""
    tasks = GROUPS[group]
    sizes = {file: 2 + 3 * place for place, (file, _) in enumerate(tasks.values())}
    pin(
        tmp_path,
        {f"dataset/{file}/test.json": problem_sets(size)[f"dataset/{file}/test.json"] for file, size in sizes.items()},
        monkeypatch,
    )
    results = evaluate(manager, [group], lambda n, doc: doc["answer"] if n > 3 else "nothing at all")
    metric = "acc,none" if group.endswith("mc") else "exact_match,none"
    accuracy = {name: results["results"][name][metric] for name in tasks}
    counts = {name: sizes[file] for name, (file, _) in tasks.items()}
    assert {name: results["n-samples"][name]["effective"] for name in tasks} == counts
    mean = sum(accuracy.values()) / len(tasks)
    weighted = sum(accuracy[name] * counts[name] for name in tasks) / sum(counts.values())
    assert abs(mean - weighted) > 0.01
    assert results["groups"][group][metric] == pytest.approx(mean)
    assert results["groups"][f"{group}::by_size"][metric] == pytest.approx(weighted)
    assert results["groups"][f"{group}::by_size"]["alias"].endswith(f"{group}, by size")


FORMS_OF_ANSWERS: dict[str, tuple[str, dict[str, float]]] = {
    "right, and upstream sees it": ("The answer is {right}.", {"exact_match": 1, "llm_adapters": 1}),
    "right, but another follows": (
        "The answer is {right}.\n\nQuestion: {wrong}?",
        {"exact_match": 1, "llm_adapters": 0},
    ),
    "wrong": ("The answer is {wrong}.", {"exact_match": 0, "llm_adapters": 0}),
    "none": ("I do not know.", {"exact_match": 0, "llm_adapters": 0, "no_answer": 1}),
}


@pytest.mark.parametrize("form", FORMS_OF_ANSWERS)
@pytest.mark.parametrize("name", ["modbench_singleeq", "modbench_demo_two_step"])
def test_both_metrics_are_reported(name: str, form: str, manager: Any, data: Path) -> None:
    text, verdict = FORMS_OF_ANSWERS[form]
    task = load(manager, name)
    for doc in list(task.eval_docs)[:5]:
        response = text.format(right=doc["answer"], wrong=float(doc["answer"]) + 1)
        expected = {"exact_match": 0, "llm_adapters": 0, "no_answer": 0, "unreadable": 0} | verdict
        assert task.process_results(doc, [response]) == expected


@pytest.mark.parametrize(("name", "wrong"), [("modbench_aqua", "X"), ("modbench_winogrande", "option3")])
def test_labels_are_scored(name: str, wrong: str, manager: Any, data: Path) -> None:
    results = evaluate(manager, [name], lambda n, doc: f"it has to be {doc['answer'] if n % 3 else wrong}")
    assert results["results"][name]["exact_match,none"] == pytest.approx(4 / 6)
    assert results["results"][name]["llm_adapters,none"] == pytest.approx(4 / 6)
    assert results["results"][name]["no_answer,none"] == pytest.approx(2 / 6)


def test_demo_choices_are_scored_by_likelihood(manager: Any) -> None:
    name = "modbench_demo_choice"
    results = evaluate(manager, [name], lambda n, doc: doc["answer"] if n % 4 else "nobody")
    samples = results["samples"][name]
    # "nobody" makes all choices equally likely: the first is taken.
    expected = [bool(s["doc_id"] % 4) or s["doc"]["choices"][0] == s["doc"]["answer"] for s in samples]
    assert [sample["acc"] for sample in samples] == [float(right) for right in expected]
    assert results["results"][name]["acc,none"] == pytest.approx(sum(expected) / len(expected))
