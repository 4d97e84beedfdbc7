"""The choices of a problem, read back from an instruction as LLM-Adapters writes it.

AQuA: `<question> Answer Choices: (A) <text> (B) <text> ...`. The commonsense sets: `Answer1: <text> Answer2: <text>
...` under one of the names answer, solution, ending and option, and at the end `Answer format: answer1/answer2/...`;
BoolQ has the format `true/false` and no texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

AQUA = "Answer Choices:"
FORMAT = "Answer format:"
LABELS = re.compile(r"\s*([a-z]+[1-5]?(?:/[a-z]+[1-5]?){1,4})\s*")


def choices_of(instruction: str) -> dict[str, str]:
    """The labels of `instruction`'s choices and their texts, in order; {} where it has no choices.

    A label is what an answer has to name: "A" (AQuA), "answer1", "true". The texts are "" where there are none.
    """
    _, aqua, choices = instruction.rpartition(AQUA)
    if aqua:
        return _texts(choices, [label for label in "ABCDE" if f"({label})" in choices], "({})".format)
    body, commonsense, ending = instruction.rpartition(FORMAT)
    if commonsense and (named := LABELS.fullmatch(ending)):
        return _texts(body, named[1].split("/"), lambda label: f"{label.capitalize()}:")
    return {}


def _texts(body: str, labels: Sequence[str], mark: Callable[[str], str]) -> dict[str, str]:
    """The texts in `body` that stand after the marks of `labels`.

    Looked for from the end, because a question may well contain what looks like a mark.
    """
    texts = dict.fromkeys(labels, "")
    for label in reversed(labels):
        body, found, text = body.rpartition(mark(label))
        if not found:
            return dict.fromkeys(labels, "")
        texts[label] = text.strip()
    return texts
