from __future__ import annotations

import pytest

from modbench.answers import Outcome, judge_choice, judge_number

from .hostile import SECONDS, SIZE, seconds, texts

CHOICES = {"A": "23.65", "B": "1000", "C": "Paris store", "D": "2.65", "E": "1½"}
BOOLEAN = {"true": "", "false": ""}
NUMBERED = {"answer1": "a b", "answer2": "Paris"}


@pytest.mark.long
def test_a_million_characters_are_judged_in_time() -> None:
    slow = []
    for text in texts():
        assert len(text) == SIZE
        for judge in (
            lambda text=text: judge_number(text, "5", "what percentage?"),
            lambda text=text: judge_choice(text, "A", CHOICES),
            lambda text=text: judge_choice(text, "true", BOOLEAN),
            lambda text=text: judge_choice(text, "answer1", NUMBERED),
        ):
            if (taken := seconds(judge)) > SECONDS:
                slow.append((taken, text[:40]))
    assert not slow


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "1" * 1_000_000,
        "The answer is " + "1" * 1_000_000,
        "The answer is the number " + "1" * 1_000_000 + " of",
        "0." + "3" * 1_000_000,
        "1e999999999",
        "1e-999999999",
        "1" + ",000" * 1000,
        "The answer is 2 x 10^999999999",
        "1/" + "3" * 1000,
        r"\boxed{10^{10^{10}}}",
    ],
)
def test_numbers_beyond_the_limits_are_not_computed(text: str) -> None:
    assert judge_number(text, "1").outcome is Outcome.UNREADABLE
    assert seconds(lambda: judge_number(text, "1")) < SECONDS


def test_the_number_behind_a_hostile_text_is_still_found() -> None:
    assert judge_number("(" * 10_000 + "The answer is 42." + ")" * 10_000, "42").correct
    assert judge_number(r"\frac{" * 100_000 + "\n#### 42", "42").correct
    assert judge_number("\x00\ud800" * 1000 + r"\boxed{42}" + "\u202e" * 1000, "42").correct
