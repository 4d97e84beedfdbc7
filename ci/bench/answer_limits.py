"""Hostile strings of one megabyte, and how long the slowest takes to be judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from modbench.answers import judge_choice, judge_number
from modbench.answers.upstream import score_letter, score_number

SIZE = 1_000_000
CHOICES = {"A": "9**9**9", "B": "ten thousand", "C": "((((", "D": "", "E": "the store"}

UNITS = {
    "digits": "7",
    "fullwidth digits": "７",
    "Arabic digits": "٣",
    "superscripts": "²",
    "vulgar fractions": "½",
    "numbers": "1 ",
    "thousands": "1,",
    "grouped by spaces": "100 ",
    "dotted": "1.",
    "double dots": "1..",
    "dots": ".",
    "commas": ",",
    "minus signs": "-",
    "Unicode minus signs": "−",
    "signed": "-1",
    "slashes": "1/",
    "powers": "9**",
    "carets": "9^",
    "exponents": "1e",
    "times ten": "2 x 10^",
    "times": "1:",
    "percent": "7%",
    "dollars": "$",
    "dollar amounts": "$1 ",
    "open parentheses": "(",
    "parentheses": "()",
    "braces": "{",
    "brackets": "[",
    "backslashes": "\\",
    "nested fractions": "\\frac{1}{",
    "fractions": "\\frac12",
    "open boxes": "\\boxed{",
    "boxes": "\\boxed{1}",
    "open text": "\\text{",
    "hashes": "#",
    "markers": "#### ",
    "answered markers": "#### 1\n",
    "sentences": "The answer is ",
    "answered sentences": "The answer is 7. ",
    "answer labels": "Answer: ",
    "short labels": "A: ",
    "questions": "Question: 1\n",
    "open thoughts": "<think>",
    "closed thoughts": "</think>",
    "thoughts": "<think>1</think>",
    "number words": "twenty-",
    "long number words": "one hundred million ",
    "articles": "a ",
    "dozens": "a dozen ",
    "and": "one and ",
    "options": "option 2 ",
    "letters": "(C) ",
    "labels": "A B C D E ",
    "answers": "answer3",
    "choice text": "the store ",
    "capitals": "A",
    "words": "word ",
    "letters run": "x",
    "spaces": " ",
    "no-break spaces": "\u00a0",
    "newlines": "\n",
    "carriage returns": "\r\n",
    "tabs": "\t",
    "NUL": "\0",
    "lone surrogates": "\ud800",
    "direction marks": "\u202e\u2066\u200f",
    "marked digits": "1\u200f",
    "zero-width": "\u200b",
    "combining": "e\u0301",
    "ligatures": "\ufdfa",
    "emoji": "👍🏽",
    "bold": "**",
    "bold numbers": "**7** ",
    "equals": "1=",
    "annotations": "<<1+1=2>>",
    "headings": "### Response:",
    "pluses": "+",
    "quotes": "'\"",
}
"""Each is repeated to a megabyte."""


def hostile() -> dict[str, str]:
    """By name, strings of at most a megabyte that cost a careless reader its time, its memory or its life."""
    texts = {name: (unit * (SIZE // len(unit) + 1))[:SIZE] for name, unit in UNITS.items()}
    # The same with an answer at either end, so that nothing can stop at the first or the last character.
    texts |= {f"{name}, answered first": ("#### 7\n" + text)[:SIZE] for name, text in texts.items()} | {
        f"{name}, answered last": text[: SIZE - 20] + "\nThe answer is 7" for name, text in texts.items()
    }
    # The most that is ever read: in each of several questions many statements, each with as much as is looked at.
    statements = {name: "answer is that " + (unit * (600 // len(unit) + 1))[:600] for name, unit in UNITS.items()}
    texts |= {
        f"{name}, stated in four questions": ("\nQuestion: " + (stated * (SIZE // 600))[: SIZE // 4 - 11]) * 4
        for name, stated in statements.items()
    }
    half = SIZE // 2
    return texts | {
        "power tower": "The answer is 9**9**9**9",
        "huge exponent": "#### 1e999999999",
        "huge negative exponent": "#### 1e-999999999",
        "huge exponent of ten": "#### 2 x 10^999999999",
        "exponent of a million digits": "#### 1e" + "9" * (SIZE - 7),
        "million digits over million digits": "#### " + "7" * (half - 5) + "/" + "3" * (half - 1),
        "million decimals": "#### 0." + "3" * (SIZE - 7),
        "zero point zeros": "#### 0." + "0" * (SIZE - 8) + "1",
        "ten thousand parentheses": "#### " + "(" * 10_000 + "1" + ")" * 10_000,
        "nested fractions, closed": "#### " + "\\frac{1}{" * 50_000 + "2" + "}" * 50_000,
        "nested boxes, closed": "\\boxed{" * 100_000 + "7" + "}" * 100_000,
        "division by zero": "#### 1/0",
        "half markers, half digits": "#### " * (half // 5) + "7" * half,
        "half digits, half markers": "7" * half + "#### " * (half // 5),
        "half thoughts, half numbers": "<think>" * (half // 7) + "1 " * (half // 2),
    }


def slowest(runs: int = 3) -> dict[str, Any]:
    """Milliseconds of processor time of the slowest strings, best of `runs`: judged by us, and by both metrics."""
    ours: dict[str, float] = {}
    both: dict[str, float] = {}
    for name, text in hostile().items():
        number = _best(lambda text=text: judge_number(text, "7"), runs)
        choice = _best(lambda text=text: judge_choice(text, "A", CHOICES), runs)
        ours[name] = max(number, choice)
        both[name] = max(
            number + _best(lambda text=text: score_number(text, "7"), runs),
            choice + _best(lambda text=text: score_letter(text, "A"), runs),
        )
    return {"strings": len(ours), "ours": _worst(ours), "with llm_adapters": _worst(both)}


def _best(judge: Callable[[], Any], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        judge()
        seconds.append(time.process_time() - start)
    return min(seconds) * 1e3


def _worst(milliseconds: dict[str, float]) -> dict[str, float]:
    worst = sorted(milliseconds.items(), key=lambda item: -item[1])[:5]
    return {name: round(value, 1) for name, value in worst}
