from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modbench.data.prompts import get_prompt
from modbench.demo.problems import KINDS, draw_set
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED, INVALID
from modbench.resources import folder

DEMO = {f"modbench_demo_{kind}": kind for kind in KINDS}
MATH = {"modbench_addsub": 395, "modbench_gsm8k": 1319, "modbench_mawps": 238}
needs_data = pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")


@pytest.fixture(scope="module")
def manager() -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(folder("tasks")), include_defaults=False)


def load(manager: Any, name: str) -> Any:
    task = manager.load([name])["tasks"][name]
    task.build_all_requests(rank=0, world_size=1)
    return task


def test_every_yaml_is_a_task_known_here(manager: Any) -> None:
    assert sorted(manager.all_tasks) == sorted([*DEMO, *MATH])
    assert sorted(path.stem for path in folder("tasks").rglob("*.yaml")) == sorted([*DEMO, *MATH])


@pytest.mark.parametrize("name", DEMO)
def test_demo_tasks_send_the_prompts_of_training(manager: Any, name: str) -> None:
    task, prompt = load(manager, name), get_prompt("qa")
    problems = draw_set(DEMO[name], DEMO_COUNT, DEMO_SEED, held_out=True)
    sent = [instance.arguments for instance in task.instances]
    if name == "modbench_demo_choice":
        expected = [(prompt.render(p.text), prompt.separator + choice) for p in problems for choice in p.choices]
        assert sent == expected
    else:
        assert [context for context, _ in sent] == [prompt.render(p.text) for p in problems]
    assert [doc["answer"] for doc in task.eval_docs] == [p.answer for p in problems]
    assert task.VERSION == 1.0


@pytest.mark.realdata
@needs_data
@pytest.mark.parametrize(("name", "size"), MATH.items())
def test_math_tasks(manager: Any, name: str, size: int) -> None:
    task = load(manager, name)
    assert len(task.eval_docs) == len(task.instances) == size
    for doc, instance in zip(task.eval_docs, task.instances, strict=True):
        context, settings = instance.arguments
        assert context == get_prompt("alpaca").render(doc["instruction"])
        assert not settings["do_sample"]
        float(doc["answer"])


def test_a_task_whose_data_cannot_be_had(manager: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from modbench.data.download import Unavailable

    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path))
    with pytest.raises(Unavailable, match=r"dataset/AddSub/test\.json is not in MODBENCH_DATA"):
        manager.load(["modbench_addsub"])


def evaluate(manager: Any, name: str, answer: Any, limit: int | None = None) -> dict[str, Any]:
    """The harness's own evaluation of a model that says `answer(n-th prompt's document)`."""
    from lm_eval.api.model import LM
    from lm_eval.evaluator import simple_evaluate

    class Oracle(LM):
        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [answer(request.doc_id, request.doc) for request in requests]

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            return [(float(r.args[1] == " " + answer(r.doc_id, r.doc)), False) for r in requests]

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
            raise NotImplementedError

    results = simple_evaluate(
        model=Oracle(),
        tasks=[name],
        task_manager=manager,
        limit=limit,
        bootstrap_iters=0,
        confirm_run_unsafe_code=False,
    )
    assert results is not None
    return results


@pytest.mark.parametrize("name", ["modbench_demo_one_step", "modbench_demo_two_step"])
def test_worked_solutions_are_scored_by_their_stated_answer(manager: Any, name: str) -> None:
    forms = (
        lambda gold: f" 1 + 2 = 3. The answer is {gold}.",
        lambda gold: f" The answer is {gold}1.",
        lambda gold: f" It is {gold}.",
        lambda gold: f" The answer is {gold}. The answer is 1000.",
    )
    results = evaluate(manager, name, lambda n, doc: forms[n % 4](doc["answer"]))
    assert results["results"][name]["acc,answer"] == 0.5
    samples = sorted(results["samples"][name], key=lambda sample: sample["doc_id"])
    for sample in samples:
        gold = sample["doc"]["answer"]
        assert sample["filtered_resps"] == [(gold, gold + "1", INVALID, gold)[sample["doc_id"] % 4]]
        assert sample["acc"] == (1.0, 0.0, 0.0, 1.0)[sample["doc_id"] % 4]


def test_choices_are_scored_by_likelihood(manager: Any) -> None:
    name = "modbench_demo_choice"
    results = evaluate(manager, name, lambda n, doc: doc["answer"] if n % 4 else "nobody")
    samples = results["samples"][name]
    # "nobody" makes all choices equally likely: the first is taken.
    expected = [bool(s["doc_id"] % 4) or s["doc"]["choices"][0] == s["doc"]["answer"] for s in samples]
    assert [sample["acc"] for sample in samples] == [float(right) for right in expected]
    assert results["results"][name]["acc,none"] == pytest.approx(sum(expected) / len(expected))


@pytest.mark.realdata
@needs_data
@pytest.mark.parametrize("name", MATH)
def test_math_tasks_are_scored_by_their_last_number(manager: Any, name: str) -> None:
    forms = (
        lambda gold: f"X = 1 + 2 = 3. The answer is {gold:,.4f}.",
        lambda gold: f"{gold} is wrong, {gold + 1} is right",
        lambda gold: "I do not know.",
        lambda gold: f"{gold + 0.0005:.5f}",
    )
    results = evaluate(manager, name, lambda n, doc: forms[n % 4](float(doc["answer"])), limit=40)
    assert results["results"][name]["acc,last-number"] == 0.5
    invalid = [sample["doc_id"] % 4 == 2 for sample in results["samples"][name]]
    assert [sample["filtered_resps"] == [INVALID] for sample in results["samples"][name]] == invalid
