"""LLM-Adapters' scoring to the letter, on which published tables rest: `evaluate.py`, `commonsense_evaluate.py`.

Upstream decodes prompt and response together and scores what stands between the first `### Response:` and the next:
so a response is cut where it writes that heading itself. Upstream has no MAWPS; that MAWPS is scored like the other
arithmetic sets is our assumption. A response of 1 MB takes well under 100 ms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HEADING = "### Response:"
TOLERANCE = 1e-3
NUMBER = re.compile(r"-?\d+\.?\d*")
LETTER = re.compile("A|B|C|D|E")
LABELS = tuple(
    tuple(alternation.split("|"))
    for alternation in (
        "true|false",
        "solution1|solution2",
        "answer1|answer2|answer3|answer4|answer5",
        "ending1|ending2|ending3|ending4",
        "option1|option2",
    )
)
"""The labels that upstream looks for, all of them whatever a problem's own choices are."""

BREAK = re.compile(r"[^\d.]")
"""A number of `NUMBER` begins at such a character or after it, or ends before it: none goes on over it."""
STRETCH = 4096


def score_number(response: str, gold: str) -> bool:
    """Whether the last number of `response` differs from `gold` by at most 0.001, both in double precision.

    False where there is no number (upstream: infinity) and where `gold` is none (upstream stops there).
    """
    predicted = last_number(response.partition(HEADING)[0])
    if predicted is None:
        return False
    try:
        return abs(float(gold) - float(predicted)) <= TOLERANCE
    except ValueError:
        return False


def score_letter(response: str, gold: str) -> bool:
    """Whether the first capital A, B, C, D or E of `response`, be it inside a word, is `gold`."""
    return _first(LETTER, response) == gold


def score_label(response: str, gold: str, labels: Sequence[str]) -> bool:
    """Whether the first label in `response`, in the labels' own case and be it inside a word, is `gold`.

    Upstream's labels of the family that `gold` belongs to are looked for; `labels` where it belongs to none of them.
    """
    known = next((family for family in LABELS if gold in family), labels)
    return _first(re.compile("|".join(map(re.escape, known))), response) == gold


def last_number(text: str) -> str | None:
    """The last number in `text`, thousands commas aside, as it is written there; None if there is none."""
    text = text.replace(",", "")
    # From the end, stretch by stretch: a list of all numbers in a megabyte of them takes longer than all the rest.
    start = end = len(text)
    while start:
        stop, start = start, max(start - STRETCH, 0)
        edge = BREAK.search(text, start, stop) if start else None
        if edge or not start:
            begin = edge.start() if edge else 0
            if numbers := NUMBER.findall(text, begin, end):
                return numbers[-1]
            end = begin
    return None


def _first(pattern: re.Pattern[str], response: str) -> str | None:
    found = pattern.search(response.partition(HEADING)[0])
    return found[0] if found else None
