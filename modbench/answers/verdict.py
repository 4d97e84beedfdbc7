"""From a response and a gold to a verdict: correct, wrong, no answer found, or not readable within limits."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from modbench.answers.choices import AMBIGUOUS, settle_choice
from modbench.answers.compare import equal, matching
from modbench.answers.read import Number, written
from modbench.answers.settle import settle

if TYPE_CHECKING:
    import sympy  # type: ignore[import-untyped]

Value: TypeAlias = "str | int | float | Fraction | sympy.Basic"


class Outcome(StrEnum):
    """What became of a response."""

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The `outcome`, and the `answer` that was read in its canonical form (`42`, `3/4`, `12.5`, `75%`, a label).

    `answer` is None where nothing was read. Reading it again gives the same value.
    """

    outcome: Outcome
    answer: str | None

    @property
    def correct(self) -> bool:
        """Whether the answer is right."""
        return self.outcome is Outcome.CORRECT


NO_ANSWER = Verdict(Outcome.NO_ANSWER, None)
UNREADABLE = Verdict(Outcome.UNREADABLE, None)


def judge_number(response: str, gold: Value, question: str = "") -> Verdict:
    """Whether the number that `response` settles on is the `gold`.

    `question` decides only whether a percentage and its fraction are the same answer, and whether "2 dozen" may be 2
    (see `compare`). A gold that cannot be read is matched by nothing.
    """
    predicted = settle(response)
    if predicted is None:
        return NO_ANSWER
    if not isinstance(predicted, Number):
        return UNREADABLE
    expected = _number(gold)
    right = matching(question, predicted, expected) if expected is not None else None
    return Verdict(Outcome.WRONG, str(predicted)) if right is None else Verdict(Outcome.CORRECT, str(right))


def judge_choice(response: str, gold: str, labels: Mapping[str, str]) -> Verdict:
    """Whether the choice that `response` settles on is the `gold`; `labels` maps each label to its choice's text.

    A response that settles on several choices at once is unreadable.
    """
    label = settle_choice(response, labels)
    if label is None:
        return NO_ANSWER
    if label is AMBIGUOUS:
        return UNREADABLE
    return Verdict(Outcome.CORRECT if label == gold else Outcome.WRONG, label)


def is_equivalent(predicted: Value, gold: Value) -> bool:
    """Whether `predicted` counts as `gold` by the rules of `compare`; False if either cannot be read as a number."""
    left, right = _number(predicted), _number(gold)
    return left is not None and right is not None and equal(left, right)


def extract_number(text: str) -> sympy.Rational | None:
    """The number that `text` settles on; None if there is none or if it cannot be read within the limits."""
    number = settle(text)
    if not isinstance(number, Number):
        return None
    import sympy

    return sympy.Rational(number.value.numerator, number.value.denominator)


def _number(value: Value) -> Number | None:
    """What a gold or a prediction in any of the accepted types stands for; a float is what its digits say."""
    if isinstance(value, str):
        number = written(value) or settle(value)
        return number if isinstance(number, Number) else None
    if isinstance(value, numbers.Rational):
        exact = Fraction(int(value.numerator), int(value.denominator))
        return Number(exact, _places(exact))
    return _number(str(value))


def _places(value: Fraction) -> int | None:
    """How many decimals print `value` exactly; None if no number does."""
    rest, places = value.denominator, 0
    while rest % 10 == 0:
        rest, places = rest // 10, places + 1
    for prime in (2, 5):
        while rest % prime == 0:
            rest, places = rest // prime, places + 1
    return places if rest == 1 else None
