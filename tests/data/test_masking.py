from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.data.masking import is_word_problem, masked, shingles, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Joan found 70 seashells . She gave Sam 27 .", "A found 0 seashells he gave A 0"),
        ("Tom Brown's 1,234.5 nuts and twenty of her own", "A 0 nuts and 0 of his own"),
        ("How many of Paco 's 3 boxes hold 4/5?", "how many of A 0 boxes hold 0 / 0"),
        ("There are 2 cats. If Mr. Smith buys 3, how many?", "there are 0 cats if A buys 0 how many"),
        ("What Is 3 Plus Four In Words", "what is 0 plus 0 in words"),  # a headline: nothing in it is a name
        ("Is Michigan part of Canada?", "is michigan part of canada"),  # of fact: the names are the question
        ("will there be a season 2 of Fargo", "will there be a season 2 of fargo"),
        ("", ""),
    ],
)
def test_masked(text: str, words: str) -> None:
    assert masked(tokens(text)) == words.split()


@pytest.mark.parametrize(("text", "problem"), [("3 and 4", True), ("three of 4", True), ("a 3", False), ("a b", False)])
def test_a_word_problem_has_two_numbers(text: str, problem: bool) -> None:
    assert is_word_problem(tokens(text)) is problem


def test_other_numbers_and_names_are_the_same_words() -> None:
    template = "{} had {} dimes in {} bank . {} dad gave {} {} more . How many dimes does {} have now ?"
    sam = template.format("Sam", 9, "his", "His", "him", 7, "Sam")
    sara = template.format("Sara", 21, "her", "Her", "her", "49", "she")
    assert masked(tokens(sam))[:-3] == masked(tokens(sara))[:-3]


@given(st.text(max_size=200))
def test_shingles_against_a_loop(text: str) -> None:
    words = masked(tokens(text))
    assert all(words)
    expected = {" ".join([words[i], *words[i + 1 : i + 2], *words[i + 2 : i + 3]]) for i in range(len(words))}
    assert shingles(words) == expected
