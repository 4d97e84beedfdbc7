"""The case table of numbers in free text; what real models got lost by becomes a row of numbers.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modbench.answers import Outcome, extract_number, judge_number

CASES = json.loads((Path(__file__).parent / "numbers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "answer"), CASES["stated"] + CASES["which"])
def test_the_answer_settled_on(text: str, answer: str | None) -> None:
    verdict = judge_number(text, "1")
    assert verdict.answer == answer
    assert (verdict.outcome is Outcome.NO_ANSWER) == (answer is None)


@pytest.mark.parametrize("text", CASES["unreadable"])
def test_what_is_no_single_number_is_unreadable(text: str) -> None:
    verdict = judge_number(text, "1")
    assert (verdict.outcome, verdict.answer) == (Outcome.UNREADABLE, None)
    assert extract_number(text) is None


@pytest.mark.parametrize("count", [1, 10, 100, 1000])
def test_text_that_runs_on_for_long(count: int) -> None:
    question = "\n\nTom has 5 apples. How many are there?\nThe answer is 9."
    assert judge_number("The answer is 4." + question * count, "4").correct
    assert judge_number("The answer is 4." + "\nQuestion: five?\nThe answer is 9." * count, "4").correct


@pytest.mark.parametrize("count", [10, 100, 250])
def test_the_last_of_many_statements_counts(count: int) -> None:
    text = "".join(f"Perhaps the answer is {number}. Wait.\n" for number in range(count)) + "The answer is 777."
    assert judge_number(text, "777").correct


def test_a_marker_is_found_in_the_midst_of_a_long_text() -> None:
    text = "5 apples. " * 40_000 + "The answer is 42.\n" + "Thus 5 apples. " * 40_000
    assert judge_number(text, "42").correct


def test_marks_of_direction_are_ignored() -> None:
    assert judge_number("The ans\u200bwer is \u202a4\u202c2\u200f.", "42").correct


def test_what_real_runs_were_denied() -> None:
    """Right answers that a last-number pattern loses, from the issues of evaluation harnesses and from stored runs."""
    assert judge_number("It costs $29.00", "29").correct
    assert judge_number(
        "The answer is 18.\n\nQuestion: A robe takes 2 bolts. How many in total?\nAnswer: 3", "18"
    ).correct
    assert judge_number("The answer is 1/2", "0.5").correct
    assert judge_number("X = 0.666 + 0.166 = 0.83. The answer is 0.83.", "0.8333333333333334").correct
    assert judge_number("$250 000 = $118 000. The answer is $118 000.", "118000.0").correct
    assert judge_number("Sally bought 4 dozen eggs. \n#### ", "48.0").correct
