"""The worked examples that a task shows, in prompts and as turns of a chat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modbench.data.download import Unavailable
from modbench.data.pools import BOOLQ_TRAIN, POOLS
from modbench.data.prompts import get_prompt
from modbench.demo.problems import draw_set
from modbench.errors import ModbenchError
from modbench.harness.task_files import (
    read_task,
)
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED

from ..made_up import asked, problem_sets, training_sets
from .task_sets import CHOICES, DEMO, GENERATED, load, manager_with, requests


@pytest.mark.parametrize("name", [*GENERATED, *CHOICES])
def test_examples_come_from_training_data_and_are_no_test_problems(manager: Any, name: str, data: Path) -> None:
    task = load(manager, name, shots=2)
    tests = {row["instruction"] for rows in problem_sets().values() for row in rows}
    shown = list(task.fewshot_docs())
    assert len(shown) >= 3
    assert all(" train " in doc["instruction"] for doc in shown)
    for context, *_ in requests(task):
        assert sum(" in train " in part or " train " in part for part in context.split("\n\n")) >= 2
        own = [text for text in tests if text in context]
        assert len(own) == (1 if name in GENERATED else 0)


def test_an_example_is_shown_as_in_training(manager: Any, data: Path) -> None:
    task = load(manager, "modbench_boolq", shots=1)
    prompt = get_prompt("alpaca")
    rows = training_sets()[BOOLQ_TRAIN]
    shown = [prompt.render(row["instruction"]) + row["output"] + "\n\n" for row in rows]
    for doc, (context, _) in zip(task.eval_docs, requests(task), strict=True):
        assert context in [example + prompt.render(doc["instruction"]) for example in shown]


@pytest.mark.parametrize("prompt", ["plain", "qa"])
def test_a_prompt_without_a_blank_at_its_end_gets_one_before_the_response(prompt: str, data: Path) -> None:
    task = load(manager_with(prompt=prompt), "modbench_gsm8k", shots=1)
    for context, _ in requests(task):
        assert any(f"{get_prompt(prompt).render(asked('gsm8k', n, 'train'))} It is " in context for n in range(3))


@pytest.mark.parametrize("name", [*GENERATED, *CHOICES])
def test_without_examples_the_pool_is_not_read(manager: Any, name: str, data: Path) -> None:
    (data / POOLS[read_task(name)["dataset_kwargs"]["pool"]].path).unlink()
    task = load(manager, name)
    assert requests(task)
    task.set_config("num_fewshot", 1)
    with pytest.raises(Unavailable, match="MODBENCH_DATA"):
        requests(task)


def test_more_examples_than_there_are(manager: Any, data: Path) -> None:
    with pytest.raises(ModbenchError, match="pool gsm8k_train has 3 examples to show, not 9"):
        requests(load(manager, "modbench_gsm8k", shots=9))


@pytest.mark.parametrize("name", DEMO)
def test_demo_examples(manager: Any, name: str) -> None:
    train = {p.text: p for p in draw_set(DEMO[name], DEMO_COUNT, DEMO_SEED, held_out=False)}
    task = load(manager, name, shots=2)
    context = task.fewshot_context(task.eval_docs[0], num_fewshot=2)
    *shown, last = context.split("\n\n")
    assert last == get_prompt("qa").render(task.eval_docs[0]["instruction"])
    for example in shown:
        question, response = example.removeprefix("Question: ").split("\nAnswer: ")
        problem = train[question]
        assert response == (problem.answer if name == "modbench_demo_choice" else problem.solution)


@pytest.mark.parametrize("name", ["modbench_gsm8k", "modbench_boolq_mc", "modbench_demo_choice"])
@pytest.mark.parametrize("prompt", ["plain", "alpaca"])
def test_with_a_chat_template_messages_are_whole_and_clean(name: str, prompt: str, data: Path) -> None:
    def template(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        said = "".join(f"<{message['role']}>{message['content']}</>" for message in messages)
        return said + "<assistant>" * add_generation_prompt

    task = load(manager_with(prompt=prompt), name)
    task.set_config("num_fewshot", 2)
    doc = task.eval_docs[0]
    chat = task.fewshot_context(
        doc, num_fewshot=2, apply_chat_template=True, fewshot_as_multiturn=True, chat_template=template
    )
    *turns, open_turn = chat.split("</>")
    assert open_turn == "<assistant>"
    assert [turn[: turn.index(">") + 1] for turn in turns] == ["<user>", "<assistant>"] * 2 + ["<user>"]
    answers = [turn.removeprefix("<assistant>") for turn in turns[1::2]]
    assert all(answer and answer == answer.strip() for answer in answers)
    if name == "modbench_boolq_mc":
        assert turns[-1] == f"<user>Question: {doc['question']}\nAnswer:"
    else:
        assert turns[-1] == "<user>" + get_prompt(prompt).render(doc["instruction"])
    task.build_all_requests(
        rank=0, world_size=1, limit=1, apply_chat_template=True, fewshot_as_multiturn=True, chat_template=template
    )
    if name.endswith("_mc"):
        assert [instance.arguments[1] for instance in task.instances] == ["yes", "no"]
