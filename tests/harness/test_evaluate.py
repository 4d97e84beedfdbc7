"""From the harness's rows to samples and counts, against a plain recount."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.model import LM
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

from modbench import resources
from modbench.demo.problems import KINDS, draw_set
from modbench.errors import ModbenchError
from modbench.harness.evaluate import evaluate_task, open_model, token_count
from modbench.harness.samples import task_result
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED

LIMIT = 6
WORKED = ["one_step", "two_step"]


class Oracle(LM):
    """Says the right answer, a wrong one, and none at all, in turns; of choices it prefers the right one or another."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        self.asked += len(requests)
        return [self.say(r.doc_id, r.doc["answer"]) for r in requests]

    @staticmethod
    def say(doc_id: int, answer: str) -> str:
        said = [answer, str(int(answer) + 1), None][doc_id % 3]
        return " I do not know." if said is None else f" 1 + 1 = 2. The answer is {said}."

    def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        self.asked += len(requests)
        return [(-len(r.args[1]) - 99.0 * self.dislikes(r.doc_id, r.args[1], r.doc["answer"]), False) for r in requests]

    @staticmethod
    def dislikes(doc_id: int, continuation: str, answer: str) -> bool:
        return (continuation.strip() == answer) == (doc_id % 3 == 0)

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        raise NotImplementedError


def theirs(lm: Any, name: str) -> dict[str, Any]:
    """The harness's own numbers, through its own front door."""
    manager = TaskManager(include_path=str(resources.folder("tasks")), include_defaults=False)
    results = simple_evaluate(model=lm, tasks=[name], task_manager=manager, limit=LIMIT, confirm_run_unsafe_code=False)
    assert results is not None
    return results


def problems(kind: str) -> list[Any]:
    return list(draw_set(kind, DEMO_COUNT, DEMO_SEED, held_out=True))[:LIMIT]


@pytest.mark.parametrize("kind", WORKED)
def test_worked_answers_are_extracted_and_counted(kind: str, tmp_path: Path) -> None:
    name = f"modbench_demo_{kind}"
    samples = evaluate_task(Oracle(), name, LIMIT, tmp_path / "cache")
    asked = problems(kind)
    assert [s.doc_id for s in samples] == list(range(LIMIT))
    assert [s.gold for s in samples] == [p.answer for p in asked]
    assert [s.response for s in samples] == [Oracle.say(n, p.answer) for n, p in enumerate(asked)]
    found = [re.search(r"The answer is (-?[0-9]+)", s.response) for s in samples]
    assert [s.answer for s in samples] == [match[1] if match else None for match in found]
    assert [s.correct for s in samples] == [s.answer == s.gold for s in samples]
    assert_agrees(samples, theirs(Oracle(), name), name, "answer")
    assert task_result(samples).no_answer == LIMIT // 3 and task_result(samples).correct == LIMIT // 3


def test_choices_are_answered_by_the_likeliest(tmp_path: Path) -> None:
    assert set(KINDS) == {*WORKED, "choice"}
    name = "modbench_demo_choice"
    samples = evaluate_task(Oracle(), name, LIMIT, tmp_path / "cache")
    for number, (sample, problem) in enumerate(zip(samples, problems("choice"), strict=True)):
        scores = {c: -len(f" {c}") - 99.0 * Oracle.dislikes(number, f" {c}", problem.answer) for c in problem.choices}
        assert sample.answer == sample.response == max(problem.choices, key=lambda choice: scores[choice])
        assert sample.gold == problem.answer
        assert sample.correct == (sample.answer == problem.answer)
    assert {s.correct for s in samples} == {True, False}
    assert_agrees(samples, theirs(Oracle(), name), name, "none")


def assert_agrees(samples: list[Any], results: dict[str, Any], name: str, filter_name: str) -> None:
    mine, numbers = task_result(samples), results["results"][name]
    assert mine.n == len(results["samples"][name]) == LIMIT
    assert mine.accuracy == pytest.approx(numbers[f"acc,{filter_name}"])
    assert mine.stderr == pytest.approx(numbers[f"acc_stderr,{filter_name}"])
    rows = {row["doc_hash"]: row for row in results["samples"][name]}
    assert [s.metrics["acc"] for s in samples] == [rows[s.doc_hash]["acc"] for s in samples]


@pytest.mark.parametrize("kind", KINDS)
def test_the_embedded_model_is_scored_as_the_harness_scores_it(kind: str, tmp_path: Path) -> None:
    name = f"modbench_demo_{kind}"
    lm = open_model(resources.folder("demo"), None, "float32", 4)
    samples = evaluate_task(lm, name, LIMIT, tmp_path / "cache")
    results = theirs(open_model(resources.folder("demo"), None, "float32", 4), name)
    assert_agrees(samples, results, name, "none" if kind == "choice" else "answer")
    if kind != "choice":
        said = {row["doc_id"]: row["resps"][0][0] for row in results["samples"][name]}
        assert [s.response for s in samples] == [said[n] for n in range(LIMIT)]
    tokens = [lm.tokenizer(s.response, add_special_tokens=False).input_ids for s in samples]
    assert token_count(lm, samples) == sum(map(len, tokens))


@pytest.mark.parametrize("name", ["modbench_demo_one_step", "modbench_demo_choice"])
def test_what_the_cache_holds_is_not_asked_again(name: str, tmp_path: Path) -> None:
    first, second = Oracle(), Oracle()
    samples = evaluate_task(first, name, LIMIT, tmp_path / "deep" / "cache")
    assert evaluate_task(second, name, LIMIT, tmp_path / "deep" / "cache") == samples
    assert first.asked >= LIMIT and second.asked == 0


Yaml = Callable[[str, str], None]


@pytest.fixture
def add_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yaml:
    """Puts the text of a YAML file beside our own tasks, for this test."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    monkeypatch.setitem(resources.PLACES, "tasks", str(folder))

    def add(name: str, text: str) -> None:
        (folder / f"{name}.yaml").write_text(text)

    # The harness's own 13,000 files take seconds to index.
    monkeypatch.setattr("modbench.harness.evaluate.task_files", lambda: {"mine": folder, "perplexity": folder, "x": 0})
    return add


def test_unknown_and_grouped_tasks(add_task: Yaml, tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match="knows no task 'x'"):
        evaluate_task(Oracle(), "x", 1, tmp_path / "cache")
    add_task("mine", "group: mine\ntask: []\n")
    with pytest.raises(ModbenchError, match="one by one"):
        evaluate_task(Oracle(), "mine", 1, tmp_path / "cache")


def test_a_task_without_a_verdict_per_problem(add_task: Yaml, tmp_path: Path) -> None:
    class Rolling(Oracle):
        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
            return [-5.0 for _ in requests]

    (tmp_path / "rows.json").write_text('[{"text": "one two"}, {"text": "three"}]')
    add_task(
        "perplexity",
        "task: perplexity\ndataset_path: json\ntest_split: test\noutput_type: loglikelihood_rolling\n"
        f"dataset_kwargs: {{data_files: {{test: {tmp_path}/rows.json}}, cache_dir: {tmp_path}/datasets}}\n"
        "doc_to_text: ''\ndoc_to_target: '{{text}}'\n"
        "metric_list: [{metric: word_perplexity}]\nmetadata: {version: 1.0}\n",
    )
    with pytest.raises(ModbenchError, match="perplexity"):
        evaluate_task(Rolling(), "perplexity", 2, tmp_path / "cache")
