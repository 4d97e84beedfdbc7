"""Every task file, on made-up data in the formats of the public sets, and on the real ones that are here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from modbench.data.download import Unavailable
from modbench.data.pools import BOOLQ_TRAIN, POOLS
from modbench.data.prompts import PROMPTS, get_prompt
from modbench.data.sources import FILES
from modbench.demo.problems import KINDS, draw_set
from modbench.errors import ModbenchError
from modbench.harness.task_files import (
    check_task,
    default_prompt,
    expand,
    group_files,
    group_tasks,
    read_task,
    task_files,
)
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED
from modbench.resources import folder

from ..made_up import FORMS, asked, labelled, pin, problem_sets, training_sets

DEMO = {f"modbench_demo_{kind}": kind for kind in KINDS}
MATH = {
    "modbench_addsub": ("AddSub", 395),
    "modbench_aqua": ("AQuA", 254),
    "modbench_gsm8k": ("gsm8k", 1319),
    "modbench_mawps": ("mawps", 238),
    "modbench_multiarith": ("MultiArith", 600),
    "modbench_singleeq": ("SingleEq", 508),
    "modbench_svamp": ("SVAMP", 1000),
}
COMMONSENSE = {
    "modbench_arc_challenge": ("ARC-Challenge", 1172),
    "modbench_arc_easy": ("ARC-Easy", 2376),
    "modbench_boolq": ("boolq", 3270),
    "modbench_hellaswag": ("hellaswag", 10042),
    "modbench_openbookqa": ("openbookqa", 500),
    "modbench_piqa": ("piqa", 1838),
    "modbench_social_iqa": ("social_i_qa", 1954),
    "modbench_winogrande": ("winogrande", 1267),
}
CHOICES = {f"{name}_mc": source for name, source in COMMONSENSE.items()}
GENERATED = MATH | COMMONSENSE
GROUPS = {"modbench_math": MATH, "modbench_commonsense": COMMONSENSE, "modbench_commonsense_mc": CHOICES}
needs_data = pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")


@cache
def manager_with(**metadata: Any) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(folder("tasks")), include_defaults=False, metadata=metadata or None)


@pytest.fixture(scope="module")
def manager() -> Any:
    return manager_with()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pin(tmp_path, problem_sets() | training_sets(), monkeypatch)
    return tmp_path


def load(manager: Any, name: str, shots: int = 0) -> Any:
    task = manager.load([name])["tasks"][name]
    task.set_config("num_fewshot", shots)
    task.set_fewshot_seed(1234)
    return task


def requests(task: Any) -> list[Any]:
    task.build_all_requests(rank=0, world_size=1)
    return [instance.arguments for instance in task.instances]


# The files


def test_every_file_is_a_task_or_group_known_here(manager: Any) -> None:
    names = sorted([*GENERATED, *CHOICES, *DEMO, *GROUPS])
    assert len(names) == 7 + 8 + 8 + 3 + 3
    files = [path for path in folder("tasks").rglob("*") if path.is_file()]
    assert sorted(path.stem for path in files if path.suffix == ".yaml") == names
    assert all(path.name.startswith("_") and path.name.endswith("_yaml") for path in files if path.suffix != ".yaml")
    assert sorted(manager.all_tasks) == names and sorted(manager.all_groups) == sorted(GROUPS)
    assert sorted([*task_files(), *group_files()]) == names and sorted(group_files()) == sorted(GROUPS)


@pytest.mark.parametrize("name", [*GENERATED, *CHOICES, *DEMO])
def test_every_task_says_what_it_is(name: str) -> None:
    settings = read_task(name)
    source = settings["dataset_kwargs"]
    assert settings["task"] == name and settings["metadata"]["version"] >= 1.0
    if name in DEMO:
        assert source == {"problems": DEMO[name], "pool": f"demo/{DEMO[name]}"}
    else:
        file, count = (GENERATED | CHOICES)[name]
        assert source["data_file"] == f"dataset/{file}/test.json" and source["data_file"] in FILES
        assert source["count"] == count and source["pool"] in POOLS
    if settings["output_type"] == "generate_until":
        kind = "letter" if name == "modbench_aqua" else "label" if name in COMMONSENSE else "number"
        assert settings["metadata"]["answer"] == kind
        assert settings["process_results"] == f"modbench.harness.tasks.score_{kind}"
        assert [metric["metric"] for metric in settings["metric_list"]] == [
            "exact_match",
            "llm_adapters",
            "no_answer",
            "unreadable",
        ]
        assert [metric["higher_is_better"] for metric in settings["metric_list"]] == [True, True, False, False]
        most = 40 if name in DEMO else 32 if name in COMMONSENSE else 256
        assert settings["generation_kwargs"]["max_gen_toks"] == most
        assert "filter_list" not in settings
    assert default_prompt(name) == ("qa" if name in DEMO else None if name in CHOICES else "alpaca")


@pytest.mark.parametrize("name", GROUPS)
def test_groups(name: str) -> None:
    assert sorted(group_tasks(name)) == sorted(GROUPS[name])
    assert expand(["gsm8k", name, "modbench_demo_choice", name]) == [
        "gsm8k",
        *group_tasks(name),
        "modbench_demo_choice",
    ]


def test_names_and_prompts_are_checked() -> None:
    for name in ("modbench_addsub", "gsm8k", "modbench_boolq_mc"):
        check_task(name, "llm_adapters")
        check_task(name, None)
    with pytest.raises(ModbenchError, match="unknown task 'modbench_adsub': did you mean modbench_addsub"):
        check_task("modbench_adsub", "alpaca")
    with pytest.raises(ModbenchError, match="modbench_math is a group: name its tasks, which are modbench_addsub, "):
        check_task("modbench_math", None)
    with pytest.raises(ModbenchError, match="unknown prompt 'llm_adapter': did you mean llm_adapters"):
        check_task("gsm8k", "llm_adapter")
    assert default_prompt("gsm8k") is None


# What is asked


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


def test_a_task_whose_data_cannot_be_had(manager: Any, data: Path) -> None:
    (data / "dataset/AddSub/test.json").unlink()
    with pytest.raises(Unavailable, match=r"dataset/AddSub/test\.json is not in MODBENCH_DATA"):
        manager.load(["modbench_addsub"])


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


# Examples


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


# Verdicts


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


def test_a_task_is_built_asked_and_scored_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from lm_eval.tasks import TaskManager\n"
        "from modbench.resources import folder\n"
        "manager = TaskManager(include_path=str(folder('tasks')), include_defaults=False)\n"
        "task = manager.load(['modbench_demo_one_step'])['tasks']['modbench_demo_one_step']\n"
        "task.set_fewshot_seed(1)\n"
        "doc = task.eval_docs[0]\n"
        "task.fewshot_context(doc, num_fewshot=2)\n"
        "assert task.process_results(doc, [doc['answer']])['exact_match'] == 1\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules), 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_the_module_of_the_task_files_needs_neither_datasets_nor_lm_eval() -> None:
    program = (
        "import sys, modbench.harness.task_files, modbench.harness.tasks\n"
        "assert not {'torch', 'datasets', 'lm_eval', 'numpy', 'sympy'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.realdata
@needs_data
@pytest.mark.parametrize("name", GENERATED)
def test_real_sets(manager: Any, name: str) -> None:
    file, size = GENERATED[name]
    path = Path(os.environ["MODBENCH_DATA"]) / f"dataset/{file}/test.json"
    if not path.exists():
        pytest.skip(f"{file} is not here")
    rows = json.loads(path.read_text())
    assert len(rows) == size
    for form in (name, f"{name}_mc") if name in COMMONSENSE else (name,):
        task = load(manager, form)
        docs = task.eval_docs
        assert docs["instruction"][:] == [row["instruction"] for row in rows]
        if form == name:
            right = [task.process_results(doc, [doc["answer"]]) for doc in docs]
            assert all(scores["exact_match"] == scores["llm_adapters"] == 1 for scores in right)
        else:
            assert all(doc["answer"] in doc["choices"] and doc["question"] for doc in docs)
