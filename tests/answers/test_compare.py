from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from modbench.answers import is_equivalent, judge_number

DECIMALS = st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=4)


@pytest.mark.parametrize(
    ("predicted", "gold"),
    [
        ("12.0", "12"),
        ("1,234", "1234.0"),
        ("$29.00", 29),
        ("0.5", "1/2"),
        ("75%", "75"),
        ("17.9995", "18"),
        ("18", "17.9995"),
        ("1.83", "1.8333333333333335"),
        ("1.8333", "1.8333333333333335"),
        ("0.67", "0.6666666666666666"),
        ("2/3", "0.6666666666666666"),
        ("11/6", "1.8333333333333335"),
        ("1 5/6", "1.8333333333333335"),
        ("0.6666666666666667", "0.6666666666666666"),
        ("0.33", Fraction(1, 3)),
        ("2.67", "2.675"),
        ("2.68", "2.675"),
        (sympy.Rational(1, 2), 0.5),
        (sympy.Float("0.5"), "1/2"),
        (np.int64(3), 3.0),
        ("twenty-five", 25),
    ],
)
def test_the_same_answer(predicted: object, gold: object) -> None:
    assert is_equivalent(predicted, gold)


@pytest.mark.parametrize(
    ("predicted", "gold"),
    [
        ("17.99", "18"),
        ("18", "17.99"),
        ("2.00", "1.996"),
        ("2", "1.8333333333333335"),
        ("1.8", "1.8333333333333335"),
        ("1.84", "1.8333333333333335"),
        ("0.66", "0.6666666666666666"),
        ("0.7", "0.6666666666666666"),
        ("1/3", "0.33"),
        ("0.75", "75"),
        ("75%", "0.75"),
        ("0.5", "0.51"),
        ("-3", "3"),
        ("none", "3"),
        ("3", "none"),
        ("none", "none"),
        (sympy.pi, "3.14"),
        (float("nan"), float("nan")),
    ],
)
def test_another_answer(predicted: object, gold: object) -> None:
    assert not is_equivalent(predicted, gold)


@pytest.mark.parametrize(
    ("question", "response", "gold", "right"),
    [
        ("What percentage of the flowers are not roses?", "0.75", "75", True),
        ("What percentage of the flowers are not roses?", "3/4", "75", True),
        ("What percent is it?", "75%", "0.75", True),
        ("Give it as a percentage.", "75%", "0.75", True),
        ("What percentage did they win?", "1", "100", False),
        ("What percentage did they win?", "0.75%", "75", False),
        ("What percentage did they win?", "7500", "75", False),
        ("What is the price after a discount of 20%?", "0.75", "75", False),
        ("What share of the flowers are roses?", "75%", "0.75", False),
        ("", "75%", "0.75", False),
        ("By how much percent did it grow?", "0.75", "75", True),
        ("What would be the percent of roses?", "0.75", "75", True),
        ("What percentages of them are roses?", "0.75", "75", True),
        ("How many are roses? Give it as a percentage.", "0.75", "75", True),
        ("How many are roses, as a percentage? Say why.", "0.75", "75", True),
        ("What percentage do Mr. and Mrs. Roe own?", "0.75", "75", True),
        ("She invested in 5 percent bonds. How many dollars?", "0.75", "75", False),
        ("In about twenty percent of shops, how many sell it?", "0.75", "75", False),
        ("What is the 20 percent discount in dollars?", "0.75", "75", False),
        ("What is the twenty-five percent discount?", "0.75", "75", False),
        ("It is told in percent. How many dollars is it?", "0.75", "75", False),
        ("She invested in 2 million shares?", "2 million", "2", False),
        ("She invested in two million shares?", "2 million", "2", False),
        ("How many dozen eggs does she need?", "The answer is 2 dozen eggs.", "2", True),
        ("How many eggs does she need?", "The answer is 2 dozen eggs.", "2", False),
        ("How many eggs does she need?", "The answer is 2 dozen eggs.", "24", True),
        ("What is it, in millions?", "405 million", "405", True),
        ("What is it, in thousands?", "405 million", "405", False),
    ],
)
def test_what_the_question_asks_for(question: str, response: str, gold: str, right: bool) -> None:
    assert judge_number(response, gold, question).correct is right


@given(st.fractions())
def test_reflexive(value: Fraction) -> None:
    assert is_equivalent(value, value)
    assert is_equivalent(str(value), value)


@given(st.fractions(), st.fractions())
def test_symmetric_where_nothing_is_rounded(left: Fraction, right: Fraction) -> None:
    if left.denominator == 1 or right.denominator == 1:
        assert is_equivalent(left, right) == is_equivalent(right, left) == (abs(left - right) <= Fraction(1, 1000))


@given(st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=6), st.integers(2, 5))
def test_rounding_against_the_decimal_module(gold: Decimal, places: int) -> None:
    rounded = gold.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    integer = gold == gold.to_integral_value() or rounded == rounded.to_integral_value()
    expected = abs(rounded - gold) <= Decimal("0.001") if integer else True
    assert is_equivalent(f"{rounded:f}", f"{gold:f}") is expected


@given(DECIMALS, DECIMALS)
def test_never_further_than_the_rounding_allows(predicted: Decimal, gold: Decimal) -> None:
    if is_equivalent(f"{predicted:f}", f"{gold:f}"):
        assert abs(predicted - gold) <= Decimal("0.001")
