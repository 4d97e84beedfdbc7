from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.data.overlap import compared, normalized, problem_index, problem_of, question_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There are 7 crayons in the drawer . ", "thereare7crayonsinthedrawer"),
        ("There're 1,000\u00a0CRAYONS!", "therere1000crayons"),
        ("Café № 3", "café3"),
        (" ?!", ""),
    ],
)
def test_normalized(text: str, expected: str) -> None:
    assert normalized(text) == expected


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_against_a_regular_expression(text: str) -> None:
    assert normalized(text) == re.sub(r"[^a-z0-9]", "", text.lower())


def test_problem_index_holds_no_empty_problem() -> None:
    assert problem_index(["How many?", "how  MANY ?", "...", "Who?"]) == {"howmany", "who"}


@pytest.mark.parametrize(
    ("instruction", "question"),
    [
        ("How much is 60% of 30? Answer Choices: (A) 18 (B) 20", "How much is 60% of 30? "),
        (
            "Please answer the following question with true or false, question: is it so?\n\nAnswer format: true/false",
            "is it so?",
        ),
        (
            "Please choose the correct solution to the question: How do I ready a cage?\n\nSolution1: With paper.\n\n"
            "Solution2: With jeans.\n\nAnswer format: solution1/solution2",
            "How do I ready a cage?",
        ),
        (
            "Please choose the correct answer to the question: Does Answer1: say so?\n\nAnswer1: Yes. Answer2: No.\n\n"
            "Answer format: answer1/answer2",
            "Does Answer1: say so?",
        ),
        (
            "Please choose the correct ending to complete the given sentence: Removing ice: Then, the man\n\n"
            "Ending1: goes. Ending2: stays.\n\nAnswer format: ending1/ending2",
            "Removing ice: Then, the man",
        ),
        (
            "Please choose the correct answer to fill in the blank to complete the given sentence: Ian ate because _ "
            "hated it.\n\nOption1: Ian Option2: Dennis Answer format: option1/option2",
            "Ian ate because _ hated it.",
        ),
        ("Tom has 3 nuts.\nHow many? ", "Tom has 3 nuts.\nHow many? "),
        ("Please choose a number: 3 or 4", "Please choose a number: 3 or 4"),
    ],
)
def test_the_question_is_neither_frame_nor_choices(instruction: str, question: str) -> None:
    assert question_of(instruction) == question


def test_a_short_question_is_told_by_its_choices() -> None:
    def piqa(*solutions: str) -> str:
        listed = "\n\n".join(f"Solution{number}: {text}" for number, text in enumerate(solutions, 1))
        return (
            f"Please choose the correct solution to the question: sofa\n\n{listed}\n\n"
            "Answer format: solution1/solution2"
        )

    assert compared(piqa("to sit on", "to eat")) == "sofa to sit on to eat"
    assert problem_of(piqa("to sit on", "to eat")) != problem_of(piqa("to sleep on", "to drink"))
    assert problem_of("Sofa?") == "sofa"


@given(st.text())
def test_a_question_is_part_of_its_instruction(text: str) -> None:
    assert question_of(text) in text


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")
@pytest.mark.parametrize("name", ["AQuA", "ARC-Challenge", "boolq", "piqa"])
def test_questions_of_the_real_sets(name: str) -> None:
    rows = json.loads((Path(os.environ["MODBENCH_DATA"]) / f"dataset/{name}/test.json").read_text())
    for row in rows:
        question = question_of(row["instruction"])
        assert question.strip() and question.strip() in row["instruction"]
        assert not re.search(r"Please (choose|answer the)|(Answer|Solution)1:|Answer (format|Choices):", question)
