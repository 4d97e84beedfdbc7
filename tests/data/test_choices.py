from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.data.choices import choices_of

from ..made_up import FORMS, labelled, lettered

CASES = {
    "Which is it? Answer Choices: (A) 23.65 (B) 1,000 (C) x (y) (D) (7, 3) (E) none of these": {
        "A": "23.65",
        "B": "1,000",
        "C": "x (y)",
        "D": "(7, 3)",
        "E": "none of these",
    },
    "Please choose the correct answer to the question: Who?\n\nAnswer1: you. Answer2: me\n\n"
    "Answer format: answer1/answer2": {"answer1": "you.", "answer2": "me"},
    "Please choose the correct answer to the question: What does Answer1: mean?\n\nAnswer1: this Answer2: that "
    "Answer3: the other\n\nAnswer format: answer1/answer2/answer3": {
        "answer1": "this",
        "answer2": "that",
        "answer3": "the other",
    },
    "Please choose the correct answer to fill in the blank to complete the given sentence: I had tried the _ on.\n\n"
    "Option1: jeans Option2: shirt Answer format: option1/option2": {"option1": "jeans", "option2": "shirt"},
    "Please choose the correct solution to the question: sofa\n\nSolution1: \n\nSolution2: sit\n\n"
    "Answer format: solution1/solution2": {"solution1": "", "solution2": "sit"},
    "Please answer the following question with true or false, question: is it?\n\nAnswer format: true/false": {
        "true": "",
        "false": "",
    },
    "How many are there?": {},
    "": {},
    "true/false": {},
    "Answer format: write one number.": {},
    "Answer Choices:": {},
    "Answer format: " + "/".join(["answer1"] * 1000): {},
}


@pytest.mark.parametrize("instruction", CASES)
def test_choices_of(instruction: str) -> None:
    found = choices_of(instruction)
    assert found == CASES[instruction]
    assert list(found) == list(CASES[instruction])


# No mark of a choice inside of a text, and no blanks around it.
plain = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=":()"), min_size=1)


@given(st.sampled_from([name for name in FORMS if name != "boolq"]), plain, st.lists(plain, min_size=4, max_size=4))
def test_what_was_written_is_read_back(name: str, question: str, texts: list[str]) -> None:
    labels = FORMS[name][1]
    row = labelled(name, question, 0, texts[: len(labels)])
    assert choices_of(row["instruction"]) == dict(zip(labels, texts, strict=False))


def test_aqua_is_read_back() -> None:
    expected = {letter: f"{3 + place} km" for place, letter in enumerate("ABCDE")}
    assert choices_of(lettered("How far is (B) from (C)?", 3)["instruction"]) == expected


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")
@pytest.mark.parametrize(
    ("name", "mark", "counts"),
    [
        ("AQuA", r"\(([A-E])\)", {5: 254}),
        ("ARC-Challenge", r"(?:^|\s)(Answer\d):", {3: 4, 4: 1165, 5: 3}),
        ("piqa", r"(?:^|\s)(Solution\d):", {2: 1838}),
        ("boolq", None, {2: 3270}),
    ],
)
def test_real_sets_against_a_reading_from_the_front(name: str, mark: str | None, counts: dict[int, int]) -> None:
    rows = json.loads((Path(os.environ["MODBENCH_DATA"]) / f"dataset/{name}/test.json").read_text())
    assert Counter(len(choices_of(row["instruction"])) for row in rows) == counts
    for row in rows:
        choices = choices_of(row["instruction"])
        assert row["answer"] in choices
        if mark:
            shown = re.split("Answer Choices:", row["instruction"])[-1].split("Answer format:")[0]
            parts = re.split(mark, shown)
            assert [part.lower() for part in parts[1::2]] == [label.lower() for label in choices]
            assert [part.strip() for part in parts[2::2]] == list(choices.values())
