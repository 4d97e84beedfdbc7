"""When two problems are the same problem: the comparison behind every audit of training text against test sets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from modbench.data.choices import AQUA, FORMAT, choices_of

LEAD_IN = re.compile(
    r"\s*Please (?:answer the following question with true or false, question"
    r"|choose the correct (?:answer|solution) to the question"
    r"|choose the correct ending to complete the given sentence"
    r"|choose the correct answer to fill in the blank to complete the given sentence):\s*"
)
"""The words that LLM-Adapters' commonsense sets put before every question."""
FIRST_CHOICE = re.compile(r"(.*)\b(?:Answer|Solution|Ending|Option)1:", re.DOTALL)
"""All that precedes the choices of a commonsense set: the last such mark, since a question may contain one."""

WORDS = 4
"""A question of fewer does not say by itself which problem it is."""


def normalized(text: str) -> str:
    """`text` in lower case, letters and digits only: the form in which problems are compared for equality."""
    return "".join(filter(str.isalnum, text.lower()))


def question_of(instruction: str) -> str:
    """The question itself: `instruction` without the fixed words around it and without the choices.

    So it is for AQuA ("... Answer Choices: (A) ...") and for the commonsense sets ("Please choose the correct answer
    to the question: ... Answer1: ... Answer format: ..."); any other text is returned as it is.
    """
    lead_in = LEAD_IN.match(instruction)
    if lead_in is None:
        return instruction.split(AQUA)[0]
    question = instruction[lead_in.end() :].rpartition(FORMAT)[0] or instruction[lead_in.end() :]
    choices = FIRST_CHOICE.match(question)
    return (choices[1] if choices else question).rstrip()


def compared(instruction: str) -> str:
    """What of `instruction` is compared: its question, and the texts of the choices where that has under `WORDS` words.

    281 of PIQA's test problems ask no more than "sofa" or "toilet tissue", some of them several times.
    """
    question = question_of(instruction)
    return question if len(question.split()) >= WORDS else " ".join([question, *choices_of(instruction).values()])


def problem_of(instruction: str) -> str:
    """What of `instruction` is compared, normalized: two problems are the same where these are equal."""
    return normalized(compared(instruction))


def problem_index(texts: Iterable[str]) -> set[str]:
    """The problems in `texts`, normalized; a text without a letter or digit is no problem."""
    return {normalized(text) for text in texts} - {""}
