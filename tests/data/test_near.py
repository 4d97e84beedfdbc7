from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modbench.data import near
from modbench.data.masking import is_word_problem, masked, shingles, tokens
from modbench.data.near import OTHER_QUESTION, WORD_PROBLEM, Vocabulary, nearest, nearest_earlier, similarity

WORDS = ["he", "has", "nuts", "Tom", "3", "5", "how", "many", "does", "have"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), max_size=12)


def slow(a: str, b: str) -> float | None:
    """The similarity of a near pair by Python's sets; None if it is not near."""
    words = tokens(a), tokens(b)
    of_a, of_b = (shingles(masked(of_text)) for of_text in words)
    if not of_a & of_b:
        return None
    found = len(of_a & of_b) / len(of_a | of_b)
    threshold = WORD_PROBLEM if all(map(is_word_problem, words)) else OTHER_QUESTION
    return found if found >= threshold else None


def best(text: str, others: list[str]) -> tuple[int, float]:
    """The first of the most similar ones; (-1, 0) if none is near."""
    pairs = [(found, -number) for number, other in enumerate(others) if (found := slow(text, other)) is not None]
    found, number = max(pairs, default=(0.0, 1))
    return -number, found


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_nearest_against_all_pairs(texts: list[str], others: list[str]) -> None:
    vocabulary, done = Vocabulary(), []
    of_texts, of_others = nearest(vocabulary.shingled(texts), vocabulary.shingled(others), done.append)
    assert sum(done) == len(texts)
    assert list(zip(of_texts.index, of_texts.similarity, strict=True)) == [best(text, others) for text in texts]
    assert list(zip(of_others.index, of_others.similarity, strict=True)) == [best(other, texts) for other in others]


@settings(deadline=None)
@given(TEXTS)
def test_nearest_earlier_against_all_pairs(texts: list[str]) -> None:
    found = nearest_earlier(Vocabulary().shingled(texts), lambda count: None)
    expected = [best(text, texts[:number]) for number, text in enumerate(texts)]
    assert list(zip(found.index, found.similarity, strict=True)) == expected


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 7))) for _ in range(120)]
    found = []
    for size in (1, 700, 10**6):
        monkeypatch.setattr(near, "CELLS", size)
        vocabulary = Vocabulary()
        found.append(nearest(vocabulary.shingled(texts), vocabulary.shingled(texts[::-1]), lambda count: None))
    for a, b in itertools.pairwise(found):
        for one, other in zip(a, b, strict=True):
            assert np.array_equal(one.index, other.index) and np.array_equal(one.similarity, other.similarity)


def test_real_pairs() -> None:
    """Pairs as the MAWPS, GSM8K and BoolQ sets have them."""
    numbers = (
        "Sam had 9 dimes in his bank . His dad gave him 7 dimes . How many dimes does Sam have now ?",
        "Sara had 21 quarters in her bank . Her dad gave her 49 quarters . How many quarters does she have now ?",
        "Mike had 35 dimes in his bank . His dad gave him 5 dimes . How many dimes does Mike have now ?",
    )
    assert similarity(numbers[0], numbers[2]) == 1
    assert similarity(numbers[0], numbers[1]) < WORD_PROBLEM  # other things are another problem, or nearly
    states = "does indiana have the stand-your-ground law?", "does michigan have the stand-your-ground law?"
    assert slow(*states) is None
    tenses = "was the movie the guardian based on a true story?", "is the movie the guardian based on a true story?"
    assert slow(*tenses) == similarity(*tenses) > OTHER_QUESTION
    assert similarity("", "") == similarity("?", "!") == 0
