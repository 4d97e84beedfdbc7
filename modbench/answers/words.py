"""Numbers in English words: `twenty-five`, `one hundred and five`, `a dozen`, `two and a half`, `three quarters`.

A run of number words, of at most `MAX_WORDS`, is read from its beginning as far as it makes one number. An article is
part of a number only before `hundred`, `dozen`, `half` and the like, and an ordinal (`third`) only behind a count.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from fractions import Fraction
from typing import NamedTuple

SMALL_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
PART_WORDS = "third fourth fifth sixth seventh eighth ninth tenth"

SMALL = {word: value for value, word in enumerate(SMALL_WORDS.split())}
TENS = {word: 10 * value for value, word in enumerate(TENS_WORDS.split(), start=2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
DOZENS = {"dozen": 12, "dozens": 12}
MULTIPLES = {"hundred": 100} | SCALES | DOZENS
PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4} | {
    form: value for value, word in enumerate(PART_WORDS.split(), start=3) for form in (word, word + "s")
}
ARTICLES = ("a", "an")
SIGNS = ("minus", "negative")

MAX_WORDS = 32
RUNS = 3


def _any_of(*words: str) -> str:
    return "(?:" + "|".join(sorted(words, reverse=True)) + r")\b"


BEGINNING = rf"(?:{_any_of(*SMALL, *TENS, 'half')}|an?\s{{1,3}}{_any_of(*MULTIPLES, *PARTS)})"
WORDS = _any_of(*SMALL, *TENS, *MULTIPLES, *PARTS, *ARTICLES, *SIGNS, "and", "point")
RUN = re.compile(
    rf"\b(?=(?:{_any_of(*SIGNS)}\s{{1,3}})?{BEGINNING}){WORDS}(?:[\s-]{{1,3}}{WORDS}){{0,{MAX_WORDS - 1}}}",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z]+")
ORDINAL = re.compile(r"-(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)\b", re.IGNORECASE)
PRONOUN_BEFORE = re.compile(r"\b(?:no|this|that|each|every|any|which|other|another|the)\s+$", re.IGNORECASE)
PRONOUN_AFTER = re.compile(r"\s+(?:of|another|who|that|which|day|way|can|could|must|should)\b", re.IGNORECASE)


class Words(NamedTuple):
    """A number in words: its `value`, and the `end` of it in the text."""

    value: Fraction
    end: int


def words_at(text: str, start: int) -> Words | None:
    """The number in words that begins at `start` of `text`; None if there is none."""
    run = RUN.match(text, start)
    if run is None:
        return None
    words = list(WORD.finditer(text, start, run.end()))
    return _first([word[0].lower() for word in words], words, text)


def last_words(text: str) -> Words | None:
    """The last number in words of `text`; a lone `one` is passed over where it is a pronoun (`no one`, `one of`)."""
    found = None
    for run in deque(RUN.finditer(text), maxlen=RUNS):
        places = list(WORD.finditer(text, run.start(), run.end()))
        words = [place[0].lower() for place in places]
        while words:
            number = _first(words, places, text)
            if number and not is_pronoun(text, places[0].start(), number.end):
                found = number
            taken = bisect_left(places, number.end, key=re.Match.start) if number else 1
            words, places = words[taken:], places[taken:]
    return found


def _first(words: list[str], places: list[re.Match[str]], text: str) -> Words | None:
    value, used = _signed(words)
    if not used or ORDINAL.match(text, end := places[used - 1].end()):
        return None
    return Words(value, end)


def is_pronoun(text: str, start: int, end: int) -> bool:
    """Whether the number word from `start` to `end` of `text` is a `one` that stands for a thing or a person."""
    if text[start:end].lower() != "one":
        return False
    return bool(PRONOUN_BEFORE.search(text, max(0, start - 10), start) or PRONOUN_AFTER.match(text, end))


def _signed(words: list[str]) -> tuple[Fraction, int]:
    """The value of the longest beginning of `words` that is a number, and how many words it takes (0 for none)."""
    if words[0] not in SIGNS:
        return _mixed(words, 0)
    value, end = _mixed(words, 1)
    return -value, end if end > 1 else 0


def _mixed(words: list[str], start: int) -> tuple[Fraction, int]:
    """A count, a part (`a half`), both (`two and a half`), or decimals; then perhaps a scale (`half a million`)."""
    value, end = _part(words, start)
    if end == start:
        count, end = _count(words, start)
        value = Fraction(count)
        if words[end : end + 1] == ["point"]:
            return _decimals(value, words, end)
        if end > start and words[end : end + 1] == ["and"]:
            part, after = _part(words, end + 1)
            if after > end + 1 and part < 1:
                value, end = value + part, after
    if end > start and value.denominator > 1:
        scale = end + 1 if words[end : end + 1] in (["a"], ["an"]) else end
        if words[scale : scale + 1] and words[scale] in MULTIPLES:
            return value * MULTIPLES[words[scale]], scale + 1
    return value, end


def _decimals(value: Fraction, words: list[str], point: int) -> tuple[Fraction, int]:
    end = point + 1
    while end < len(words) and SMALL.get(words[end], 10) < 10:
        value += Fraction(SMALL[words[end]], 10 ** (end - point))
        end += 1
    return (value, end) if end > point + 1 else (value, point)


def _part(words: list[str], start: int) -> tuple[Fraction, int]:
    """`half`, `a third`, `two thirds`; `end` is `start` if there is no part. `twenty-fifth` is an ordinal."""
    count, at = (1, start + 1) if words[start : start + 1] and words[start] in ARTICLES else _count(words, start)
    if at < len(words) and (part := PARTS.get(words[at])):
        if at == start:
            return (Fraction(1, 2), at + 1) if words[at] == "half" else (Fraction(0), start)
        if count < 10 or words[at].endswith("s"):
            return Fraction(count, part), at + 1
    return Fraction(0), start


def _count(words: list[str], start: int) -> tuple[int, int]:
    """A whole number; the end is `start` if there is none."""
    total = group = 0
    room, limit = 1000, 10**15  # what the next addend and the next scale have to be below
    at = start
    if words[at : at + 1] and words[at] in ARTICLES:
        if at + 1 == len(words) or words[at + 1] not in MULTIPLES:
            return 0, start
        group, room, at = 1, 0, at + 1
    while at < len(words):
        word = words[at]
        addend = SMALL.get(word) or TENS.get(word)
        if addend is not None and addend < room:
            group, room = group + addend, 10 if word in TENS else 0
        elif word == "zero" and at == start:
            return 0, at + 1
        elif word == "hundred" and 0 < group < 100:
            group, room = group * 100, 100
        elif word in SCALES and group and SCALES[word] < limit:
            total, group, room, limit = total + group * SCALES[word], 0, min(1000, SCALES[word]), SCALES[word]
        elif word in DOZENS and group and not total:
            return group * 12, at + 1
        elif word == "and" and _continues(words, at):
            pass
        else:
            break
        at += 1
    return total + group, at


def _continues(words: list[str], at: int) -> bool:
    """Whether the `and` at `at` joins `hundred` or a scale to what is still the same count (`one hundred and five`)."""
    if at == 0 or at + 1 == len(words) or words[at - 1] not in MULTIPLES:
        return False
    joined = words[at + 1] in SMALL or words[at + 1] in TENS
    return joined and not (at + 2 < len(words) and words[at + 2] in PARTS)
