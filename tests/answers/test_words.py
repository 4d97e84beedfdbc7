from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.answers.words import last_words, words_at

WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
ONES = WORDS.split()
TENS = {2: "twenty", 3: "thirty", 4: "forty", 5: "fifty", 6: "sixty", 7: "seventy", 8: "eighty", 9: "ninety"}


def spell(number: int, joint: str) -> str:
    """An integer under 10**15 in words, written by the schoolbook; `joint` stands behind "hundred"."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    for name, size in (
        ("trillion", 10**12),
        ("billion", 10**9),
        ("million", 10**6),
        ("thousand", 1000),
        ("hundred", 100),
    ):
        if number >= size:
            rest = number % size
            head = f"{spell(number // size, joint)} {name}"
            return f"{head}{joint if rest < 100 else ' '}{spell(rest, joint)}" if rest else head
    raise AssertionError(number)


@given(st.integers(0, 10**15 - 1) | st.integers(0, 2000), st.sampled_from([" ", " and "]))
def test_counts_come_back(number: int, joint: str) -> None:
    text = spell(number, joint)
    words = words_at(text, 0)
    assert words is not None and (words.value, words.end) == (number, len(text))


@given(st.integers(1, 999), st.sampled_from([("a half", 2), ("a third", 3), ("a quarter", 4), ("one fifth", 5)]))
def test_mixed_numbers_come_back(number: int, part: tuple[str, int]) -> None:
    words = words_at(f"{spell(number, ' ')} and {part[0]} cups", 0)
    assert words is not None and words.value == number + Fraction(1, part[1])


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("a dozen", "12", ""),
        ("two dozen", "24", ""),
        ("half", "1/2", ""),
        ("half a dozen", "6", ""),
        ("half a million", "500000", ""),
        ("one and a half million", "1500000", ""),
        ("Two and a Half", "5/2", ""),
        ("three quarters", "3/4", ""),
        ("three-fifths", "3/5", ""),
        ("nineteen hundred", "1900", ""),
        ("a hundred and one", "101", ""),
        ("three point one four", "157/50", ""),
        ("minus five", "-5", ""),
        ("negative two thirds", "-2/3", ""),
        ("one and five", "1", " and five"),
        ("twenty twenty", "20", " twenty"),
        ("two point", "2", " point"),
        ("one hundred and two thirds", "302/3", ""),
    ],
)
def test_forms(text: str, value: str, rest: str) -> None:
    words = words_at(text, 0)
    assert words is not None and (words.value, text[words.end :]) == (Fraction(value), rest)


@pytest.mark.parametrize(
    "text", ["a", "a house", "third", "twenty-fifth", "hundred", "and", "point", "quarter", "tone"]
)
def test_no_number(text: str) -> None:
    assert words_at(text, 0) is None


def test_a_pronoun_is_no_number() -> None:
    assert last_words("She has five apples; one of them is red, and no one knows.") == words_at("She has five", 8)
    assert last_words("no one, the other one") is None
