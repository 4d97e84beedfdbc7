"""The words of a problem with its numbers and names hidden, and the runs of words by which problems are compared."""

from __future__ import annotations

import re

SHINGLE = 3
"""Words that follow each other."""
NUMBER, NAME = "0", "A"
TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[-+*/=%^]")
NUMBER_WORDS = frozenset(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "  # noqa: SIM905
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million".split()
)
PRONOUNS = {"she": "he", "her": "his", "him": "his", "hers": "his", "herself": "himself"}
"""They change with the name that they stand for."""
OPENERS = frozenset(
    "a after all an and as at because before but by calculate did do does during each every find for from "  # noqa: SIM905
    "given had has have he her his how i if in is it its let my now of on one or our she since some that the their "
    "then there these they this those to today was we were what when where which while who why will with would you "
    "your".split()
)
"""Words that are no names although a sentence may begin with them."""


def tokens(text: str) -> list[str]:
    """Words, numbers and the signs of arithmetic in `text`, in order; other punctuation is left out."""
    return TOKEN.findall(text)


def is_word_problem(tokens: list[str]) -> bool:
    """Whether a text states two numbers or more.

    With other numbers and names it is then still the same problem. In any other question, such as one of fact, the
    names are what is asked about.
    """
    return sum(_is_number(token.lower()) for token in tokens) >= 2


def masked(tokens: list[str]) -> list[str]:
    """The words in lower case; those of a word problem with every number as `0`, every name as `A`, one gender.

    A name is a capitalized word that does not usually open a sentence; several in a row are one. Texts of which more
    than half of the words are capitalized, such as headlines, keep theirs.
    """
    if not is_word_problem(tokens):
        return [token.lower() for token in tokens]
    titled = 2 * sum(token[0].isupper() for token in tokens) > sum(token[0].isalpha() for token in tokens)
    words: list[str] = []
    for token in tokens:
        word = token.lower()
        if _is_number(word):
            words.append(NUMBER)
        elif not token[0].isupper() or word in OPENERS or titled:
            if word != "s":  # of the genitive
                words.append(PRONOUNS.get(word, word))
        elif words[-1:] != [NAME]:
            words.append(NAME)
    return words


def shingles(words: list[str]) -> set[str]:
    """All runs of `SHINGLE` words, and the shorter ones that end the text: its last words say what is asked."""
    return {" ".join(words[start : start + SHINGLE]) for start in range(len(words))}


def _is_number(word: str) -> bool:
    return word[0].isdigit() or word in NUMBER_WORDS
