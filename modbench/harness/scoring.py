"""What a stored response is worth: our verdict and upstream's, by the kind of answer that its task asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from modbench.answers import Outcome, judge_choice, judge_number, upstream
from modbench.data.choices import choices_of

Kind = Literal["number", "letter", "label"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What a task's file may name as `metadata.answer`: a number, a letter (AQuA), or a label (the commonsense sets)."""

LETTERS = ("A", "B", "C", "D", "E")


@dataclass(frozen=True, slots=True)
class Scored:
    """The `outcome`, the `answer` that was read in canonical text (None if none), and the metrics, each 0 or 1.

    `exact_match` is ours, `llm_adapters` upstream's; `no_answer` and `unreadable` say which outcome it was.
    """

    outcome: Outcome
    answer: str | None
    metrics: dict[str, float]


def score(kind: Kind, question: str, response: str, gold: str) -> Scored:
    """Judges `response` to the instruction `question` ("" if unknown), whose right answer is `gold`.

    The choices are read from the question; where it has none, they are the labels that upstream looks for, without
    their texts. Raises ValueError for an unknown kind.
    """
    if kind == "number":
        verdict = judge_number(response, gold, question)
        theirs = upstream.score_number(response, gold)
    elif kind == "letter":
        verdict = judge_choice(response, gold, choices_of(question) or dict.fromkeys(LETTERS, ""))
        theirs = upstream.score_letter(response, gold)
    elif kind == "label":
        labels = choices_of(question) or _family(gold)
        verdict = judge_choice(response, gold, labels)
        theirs = upstream.score_label(response, gold, tuple(labels))
    else:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    metrics = {
        "exact_match": float(verdict.outcome is Outcome.CORRECT),
        "llm_adapters": float(theirs),
        "no_answer": float(verdict.outcome is Outcome.NO_ANSWER),
        "unreadable": float(verdict.outcome is Outcome.UNREADABLE),
    }
    return Scored(verdict.outcome, verdict.answer, metrics)


def _family(gold: str) -> Mapping[str, str]:
    return dict.fromkeys(next((family for family in upstream.LABELS if gold in family), (gold,)), "")
