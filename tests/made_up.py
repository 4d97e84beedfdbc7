"""Made-up data files in the formats of the public ones, for tests that must not need those."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from modbench.data import sources
from modbench.data.pools import BOOLQ_TRAIN, COMMONSENSE_15K, MATH_10K
from modbench.data.sources import PinnedFile, git_blob_id

ANSWER = "Please choose the correct answer to the question: "
FORMS = {
    "boolq": ("Please answer the following question with true or false, question: {q}", ("true", "false"), None),
    "piqa": ("Please choose the correct solution to the question: {q}", ("solution1", "solution2"), "\n\n"),
    "social_i_qa": (ANSWER + "{q}", ("answer1", "answer2", "answer3"), " "),
    "ARC-Challenge": (ANSWER + "{q}", ("answer1", "answer2", "answer3", "answer4"), " "),
    "ARC-Easy": (ANSWER + "{q}", ("answer1", "answer2", "answer3", "answer4"), " "),
    "openbookqa": (ANSWER + "{q}", ("answer1", "answer2", "answer3", "answer4"), " "),
    "hellaswag": (
        "Please choose the correct ending to complete the given sentence: {q}",
        ("ending1", "ending2", "ending3", "ending4"),
        " ",
    ),
    "winogrande": (
        "Please choose the correct answer to fill in the blank to complete the given sentence: {q}",
        ("option1", "option2"),
        " ",
    ),
}
"""Of each commonsense set the beginning, the labels, and what stands between the choices."""
MATH = ("AddSub", "gsm8k", "mawps", "MultiArith", "SingleEq", "SVAMP")


def labelled(name: str, question: str, number: int, texts: Sequence[str] | None = None) -> dict[str, str]:
    """A row of the commonsense set `name`; its `number` decides which label is right."""
    beginning, labels, between = FORMS[name]
    instruction = beginning.format(q=question)
    if between is not None:
        texts = texts or [f"text {place} of {number}." for place in range(len(labels))]
        choices = [f"{label.capitalize()}: {text}" for label, text in zip(labels, texts, strict=True)]
        instruction += "\n\n" + between.join(choices)
    # WinoGrande's format stands in the same line as its choices.
    instruction += (" " if name == "winogrande" else "\n\n") + "Answer format: " + "/".join(labels)
    answer = labels[number % len(labels)]
    return {"instruction": instruction, "input": "", "output": f"the correct answer is {answer}", "answer": answer}


def counted(question: str, answer: str) -> dict[str, str]:
    """A row of an arithmetic set."""
    return {"instruction": question, "input": "", "output": f"\nA: The answer is {answer}.", "answer": answer}


def lettered(question: str, number: int, output: str | None = None) -> dict[str, str]:
    """A row of AQuA."""
    answer = "ABCDE"[number % 5]
    choices = " ".join(f"({letter}) {number + place} km" for place, letter in enumerate("ABCDE"))
    output = f"\nIt is so. The answer is ({answer})." if output is None else output
    return {"instruction": f"{question} Answer Choices: {choices}", "input": "", "output": output, "answer": answer}


def asked(name: str, number: int, what: str) -> str:
    """A question of the set `name` that no other set and number has."""
    if name == "winogrande":
        return f"The jeans of {name} {what} {number} fit worse than the shirt because the _ was too small."
    return f"How many things of {name} are there in {what} number {number}?"


def problem_sets(size: int = 6) -> dict[str, list[dict[str, str]]]:
    """All fifteen test sets, in small."""
    sets = {name: [counted(asked(name, n, "test"), str(n + 0.5)) for n in range(size)] for name in MATH}
    sets["AQuA"] = [lettered(asked("AQuA", n, "test"), n) for n in range(size)]
    sets |= {name: [labelled(name, asked(name, n, "test"), n) for n in range(size)] for name in FORMS}
    return {f"dataset/{name}/test.json": rows for name, rows in sets.items()}


def training_sets() -> dict[str, list[Any]]:
    """The files of the pools; of each set three problems, and one test problem that has leaked into them."""
    numbers = range(3)
    leaked = asked("gsm8k", 1, "test")
    return {
        "grade_school_math/data/train.jsonl": [
            {"question": question, "answer": f"It is {n}.\n#### {n}"}
            for n, question in enumerate([leaked, *(asked("gsm8k", n, "train") for n in numbers)])
        ],
        "dataset/mawps/trainset.json": [
            {"original_text": question, "equation": f"X=1.0+{n}.0", "ans": n + 1}
            for n, question in enumerate([leaked, *(asked("mawps", n, "train") for n in numbers)])
        ],
        MATH_10K: [lettered(asked("AQuA", n, "train"), n) for n in numbers],
        BOOLQ_TRAIN: [labelled("boolq", asked("boolq", n, "train"), n) for n in numbers],
        COMMONSENSE_15K: [
            labelled(name, asked(name, n, what), n)
            for name in FORMS
            for n, what in [*((n, "train") for n in numbers), (1, "test")]
        ],
    }


def pin(folder: Path, files: Mapping[str, Sequence[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes `files` into `folder` and makes them what the pinned names stand for; the others are unavailable."""
    pins = dict.fromkeys(sources.FILES, PinnedFile("owner/name", "0123abc", "0" * 40, "MIT"))
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = "\n".join(map(json.dumps, rows))
        path.write_text(lines if name.endswith(".jsonl") else json.dumps(list(rows)))
        pins[name] = PinnedFile("owner/name", "0123abc", git_blob_id(path), "MIT")
    monkeypatch.setattr(sources, "FILES", pins)
    monkeypatch.setenv("MODBENCH_DATA", str(folder))
