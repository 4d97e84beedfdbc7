"""What each task asks, on made-up data in the formats of the public sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modbench.data.prompts import PROMPTS, get_prompt
from modbench.demo.problems import draw_set
from modbench.errors import ModbenchError
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED, _clean

from ..made_up import FORMS, asked, labelled, pin, problem_sets
from .task_sets import CHOICES, DEMO, GENERATED, load, manager_with, requests


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_prompt_is_chosen_by_metadata(name: str, prompt: str, data: Path) -> None:
    file = GENERATED[name][0]
    rows = problem_sets()[f"dataset/{file}/test.json"]
    task = load(manager_with(prompt=prompt), name)
    assert [dict(doc) for doc in task.eval_docs] == [
        {"instruction": row["instruction"], "answer": row["answer"]} for row in rows
    ]
    sent = requests(task)
    assert [context for context, _ in sent] == [get_prompt(prompt).render(row["instruction"]) for row in rows]
    assert not any(settings["do_sample"] for _, settings in sent)


def test_by_default_it_is_the_clean_prompt(manager: Any, data: Path) -> None:
    row = problem_sets()["dataset/SVAMP/test.json"][0]
    context, _ = requests(load(manager, "modbench_svamp"))[0]
    assert context == get_prompt("alpaca").render(row["instruction"])


def test_an_unknown_prompt(data: Path) -> None:
    with pytest.raises(ModbenchError, match="unknown prompt 'alpacca'"):
        load(manager_with(prompt="alpacca"), "modbench_addsub")


@pytest.mark.parametrize("name", DEMO)
def test_demo_tasks_send_the_prompts_of_training(manager: Any, name: str) -> None:
    task, prompt = load(manager, name), get_prompt("qa")
    problems = draw_set(DEMO[name], DEMO_COUNT, DEMO_SEED, held_out=True)
    sent = requests(task)
    if name == "modbench_demo_choice":
        expected = [(prompt.render(p.text), prompt.separator + choice) for p in problems for choice in p.choices]
        assert sent == expected
    else:
        assert [context for context, _ in sent] == [prompt.render(p.text) for p in problems]
    assert [doc["answer"] for doc in task.eval_docs] == [p.answer for p in problems]


CLOZE: dict[str, Callable[[str], str]] = {
    "modbench_arc_challenge_mc": "Question: {}\nAnswer:".format,
    "modbench_arc_easy_mc": "Question: {}\nAnswer:".format,
    "modbench_boolq_mc": "Question: {}\nAnswer:".format,
    "modbench_hellaswag_mc": "{}".format,
    "modbench_openbookqa_mc": "{}".format,
    "modbench_piqa_mc": "Question: {}\nAnswer:".format,
    "modbench_social_iqa_mc": "Q: {}\nA:".format,
}
"""As the harness's own tasks ask, BoolQ without the passage that these data do not have."""


@pytest.mark.parametrize("name", CLOZE)
def test_choices_are_asked_as_in_the_harness(manager: Any, name: str, data: Path) -> None:
    file = CHOICES[name][0]
    labels = FORMS[file][1]
    expected = []
    for number in range(6):
        texts = ["yes", "no"] if file == "boolq" else [f"text {place} of {number}." for place in range(len(labels))]
        expected += [(CLOZE[name](asked(file, number, "test")), f" {text}") for text in texts]
    task = load(manager, name)
    assert requests(task) == expected
    assert [task.doc_to_target(doc) for doc in task.eval_docs] == [number % len(labels) for number in range(6)]


def test_winogrande_scores_the_rest_of_the_sentence_after_either_choice(manager: Any, data: Path) -> None:
    task = load(manager, "modbench_winogrande_mc", shots=1)
    task.build_all_requests(rank=0, world_size=1)
    for number in range(6):
        pair = [instance for instance in task.instances if instance.doc_id == number]
        before = asked("winogrande", number, "test").partition("_")[0]
        for place, instance in enumerate(pair):
            context, rest = instance.arguments
            assert context.endswith(f"\n\n{before}text {place} of {number}.") and rest == " was too small."
            assert context.startswith("The jeans of winogrande train ")
        right = [(0.0, False), (0.0, False)]
        right[number % 2] = (1.0, False)
        assert task.process_results(task.eval_docs[number], right) == {"acc": 1.0, "acc_norm": 1.0}
        assert task.process_results(task.eval_docs[number], right[::-1]) == {"acc": 0.0, "acc_norm": 0.0}


def test_hellaswag_is_cleaned_as_in_the_harness(manager: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.tasks.hellaswag.utils import preprocess

    question = "Travel: [header] How to go [title] Consult maps. [step] Alternatively, ask."
    endings = ["[step] Not now  or then.", "go [title] Agree to terms.", "c", "d"]
    row = labelled("hellaswag", question, 1, endings)
    pin(tmp_path, {"dataset/hellaswag/test.json": [row]}, monkeypatch)
    sent = requests(load(manager, "modbench_hellaswag_mc"))
    assert sent == [(preprocess(question), f" {preprocess(ending)}") for ending in endings]


@settings(max_examples=300)
@given(st.text(alphabet="[]a \n", max_size=40))
def test_brackets_go_as_in_the_harness(text: str) -> None:
    from lm_eval.tasks.hellaswag.utils import preprocess

    assert _clean(text) == preprocess(text)


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 200_000 + "\n]", "[" * 200_000 + "]" + "[" * 200_000])
def test_brackets_that_stay_open_take_no_time(text: str) -> None:
    start = process_time()
    _clean(text)
    assert process_time() - start < 1
