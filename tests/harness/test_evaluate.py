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
from modbench.data.prompts import PROMPTS
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
    assert [s.question for s in samples] == [p.text for p in asked]
    assert [s.outcome for s in samples] == ["correct", "wrong", "no_answer"] * (LIMIT // 3)
    assert_agrees(samples, theirs(Oracle(), name), name, "exact_match")
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
    assert_agrees(samples, theirs(Oracle(), name), name, "acc")


def assert_agrees(samples: list[Any], results: dict[str, Any], name: str, metric: str) -> None:
    mine, numbers = task_result(samples), results["results"][name]
    assert mine.n == len(results["samples"][name]) == LIMIT
    assert mine.accuracy == pytest.approx(numbers[f"{metric},none"])
    assert mine.stderr == pytest.approx(numbers[f"{metric}_stderr,none"])
    rows = {row["doc_hash"]: row for row in results["samples"][name]}
    assert [s.metrics["acc"] for s in samples] == [rows[s.doc_hash][metric] for s in samples]


@pytest.mark.parametrize("kind", KINDS)
def test_the_embedded_model_is_scored_as_the_harness_scores_it(kind: str, tmp_path: Path) -> None:
    name = f"modbench_demo_{kind}"
    lm = open_model(resources.folder("demo"), None, "float32", 4)
    samples = evaluate_task(lm, name, LIMIT, tmp_path / "cache")
    results = theirs(open_model(resources.folder("demo"), None, "float32", 4), name)
    assert_agrees(samples, results, name, "acc" if kind == "choice" else "exact_match")
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
    known = {"mine": folder, "perplexity": folder, "x": 0}
    for module in ("evaluate", "samples"):
        monkeypatch.setattr(f"modbench.harness.{module}.task_files", lambda: known)
    monkeypatch.setattr("modbench.harness.samples.read_task", lambda name: {})
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


class Listener(Oracle):
    """Keeps what it is asked, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Any, ...]] = []

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        self.heard += [request.args for request in requests]
        return super().generate_until(requests)


def heard(tmp_path: Path, **how: Any) -> list[tuple[Any, ...]]:
    lm = Listener()
    evaluate_task(lm, "modbench_demo_one_step", LIMIT, tmp_path / "cache", **how)
    assert len(lm.heard) == LIMIT
    return lm.heard


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_problem_is_asked_in_the_chosen_prompt(prompt: str, tmp_path: Path) -> None:
    asked = [context for context, _ in heard(tmp_path, prompt=prompt)]
    assert asked == [PROMPTS[prompt].render(problem.text) for problem in problems("one_step")]
    if prompt == "qa":
        assert asked == [context for context, _ in heard(tmp_path / "own")]


def test_examples_are_shown(tmp_path: Path) -> None:
    asked = [context for context, _ in heard(tmp_path, num_fewshot=3)]
    assert all(context.count("Question: ") == context.count("Answer:") == 4 for context in asked)
    assert all(
        context.endswith(f"Question: {p.text}\nAnswer:") for context, p in zip(asked, problems("one_step"), strict=True)
    )
    assert asked == [context for context, _ in heard(tmp_path / "again", num_fewshot=3)]


def test_generation_settings_replace_those_of_the_same_name(tmp_path: Path) -> None:
    own = heard(tmp_path)[0][1]
    other = heard(tmp_path / "other", generation={"num_beams": 4, "until": ["###"]})[0][1]
    assert other == own | {"num_beams": 4, "until": ["###"]} and own["max_gen_toks"] == 40


def test_more_examples_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match="has 400 examples to show, not 401"):
        evaluate_task(Oracle(), "modbench_demo_one_step", 1, tmp_path / "cache", num_fewshot=401)
    assert not any(tmp_path.iterdir())


def test_a_task_that_is_always_asked_without_examples(add_task: Yaml, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"text": "one two"}]')
    add_task(
        "mine",
        "task: mine\ndataset_path: json\ntest_split: test\noutput_type: generate_until\nnum_fewshot: 0\n"
        f"dataset_kwargs: {{data_files: {{test: {tmp_path}/rows.json}}, cache_dir: {tmp_path}/datasets}}\n"
        "doc_to_text: '{{text}}'\ndoc_to_target: '{{text}}'\nmetadata: {version: 1.0}\n",
    )
    with pytest.raises(ModbenchError, match="always asked without examples"):
        evaluate_task(Oracle(), "mine", 1, tmp_path / "cache", num_fewshot=1)
