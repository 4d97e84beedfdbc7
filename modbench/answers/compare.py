"""When two numbers count as the same answer.

Two answers are equal
1. if they are equal as rationals: `12.0` and `12`, `0.5` and `1/2`;
2. where either is an integer, if they differ by at most 1/1000. An integer answer is a count or a sum that came out: 18
   is not 17.99, but 17.9998 is 18 computed in decimals. The bound is upstream's, which published numbers rest on;
3. where neither is, if the prediction was printed with at least two decimals and is the gold rounded to that many. A
   gold of 1.8333333333333335 is a quotient that a program printed; whoever writes 1.83 has solved the problem. One
   decimal is too little: 0.7 is the gold 0.7 or nothing. A tie may be rounded up or down (2.675 to 2.67 or 2.68).
   Since an integer on either side goes to rule 2, rounding never leads across one: 2.00 is not 1.996;
4. where neither is an integer and either is printed with 15 decimals or more, if they differ by 1e-12 of the gold at
   most. Such decimals come from double precision, whose last digits are noise: the gold 0.6666666666666666 is 2/3, the
   gold 1.8333333333333335 is 11/6, although neither is the exact value nor the nearest decimal.

A fraction has no decimals, so that rule 3 does not forgive it: 1/3 is not 0.33 (and 0.33 is 1/3 rounded to two).

A percent sign is not part of the value, `75%` is 75: the answer to "what percentage" is stored as 75, and models write
it either way. Only where the question asks for a percentage are 75 % and 0.75 the same answer, too; elsewhere a
factor of 100 is an error. The fraction is never the side that has the sign, and never an integer that was predicted
(1 is not 100 %).

Likewise for a scale in words: "2 dozen" is 24, except where the question asks "how many dozen" or for a sum "in
millions" and the gold is the count of those.

Equality is reflexive on whatever can be read, but not symmetric: it is the prediction that is rounded.
"""

from __future__ import annotations

import re
from fractions import Fraction

from modbench.answers.read import Number
from modbench.answers.words import MULTIPLES, SMALL, TENS

TOLERANCE = Fraction(1, 1000)
NOISE = Fraction(1, 10**12)
DOUBLE_PLACES = 15
LEAST_PLACES = 2

# "What is the 20 percent discount" asks for no percentage: neither a figure nor a number word may stand between.
OTHER_WORD = rf"(?!(?:{'|'.join([*SMALL, *TENS, *MULTIPLES])})\b)[^\W\d][\w'’-]*\s+"
ASKS_FOR_PERCENT = re.compile(
    r"\b(?:what|which|how (?:many|much)|as an?|in|find the|calculate the|determine the|is the|what's the)\s+"
    rf"(?:{OTHER_WORD}){{0,3}}?(?:percent(?:age)?s?|per cent|%)(?![\w%])",
    re.IGNORECASE,
)
ASKS_IN_SCALE = re.compile(
    rf"\b(?:how many|in)\s+(?:(?!an?\b){OTHER_WORD})?(dozen|hundred|thousand|million|billion|trillion)s?\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"(?<!\bM[rs])(?<!\bMrs)(?<!\bDr)[.!?]\s+|\n")
QUESTION = 20_000


def equal(predicted: Number, gold: Number) -> bool:
    """Whether `predicted` is `gold` by the rules above, percent signs aside."""
    if predicted.value == gold.value:
        return True
    difference = abs(predicted.value - gold.value)
    if predicted.value.denominator == 1 or gold.value.denominator == 1:
        return difference <= TOLERANCE
    places = predicted.places or 0
    if places >= LEAST_PLACES and 2 * difference * 10**places <= 1:
        return True
    return max(places, gold.places or 0) >= DOUBLE_PLACES and difference <= NOISE * abs(gold.value)


def matching(question: str, predicted: Number, gold: Number) -> Number | None:
    """What of `predicted` counts as `gold` where the answer is to `question`; None if nothing does.

    That is `predicted` itself if it is `equal`, or if one is a percentage, the other its fraction, and a percentage is
    what the question asks for; or the count of dozens or millions if the question asks for that.
    """
    if equal(predicted, gold):
        return predicted
    start = _asking(question)
    if predicted.scale:
        count = Number(predicted.value / MULTIPLES[predicted.scale], predicted.places)
        scale = ASKS_IN_SCALE.search(question, start) if equal(count, gold) else None
        return count if scale and scale[1].lower() == predicted.scale else None
    if predicted.percent:
        as_percentage = not gold.percent and equal(_hundredth(predicted), gold)
    else:
        as_percentage = predicted.value.denominator > 1 and equal(_hundredfold(predicted), gold)
    return predicted if as_percentage and ASKS_FOR_PERCENT.search(question, start) else None


def _asking(question: str) -> int:
    """Where the last sentence with a question mark begins; what follows it may say in what form to answer."""
    start, mark = max(0, len(question) - QUESTION), question.rfind("?")
    return max((sentence.end() for sentence in SENTENCE.finditer(question, start, max(start, mark))), default=start)


def _hundredth(number: Number) -> Number:
    return Number(number.value / 100, None if number.places is None else number.places + 2)


def _hundredfold(number: Number) -> Number:
    return Number(number.value * 100, None if number.places is None else max(0, number.places - 2))
