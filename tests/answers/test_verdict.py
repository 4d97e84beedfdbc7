from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import pytest
import sympy

from modbench.answers import Outcome, Verdict, extract_number, judge_choice, judge_number


def test_the_four_outcomes() -> None:
    assert judge_number("The answer is 42.", "42") == Verdict(Outcome.CORRECT, "42")
    assert judge_number("The answer is 41.50", "42") == Verdict(Outcome.WRONG, "41.5")
    assert judge_number("I do not know.", "42") == Verdict(Outcome.NO_ANSWER, None)
    assert judge_number("9**9**9", "42") == Verdict(Outcome.UNREADABLE, None)
    assert [outcome.value for outcome in Outcome] == ["correct", "wrong", "no_answer", "unreadable"]
    assert judge_number("42", "42").correct and not judge_number("41", "42").correct


def test_the_outcomes_of_choices() -> None:
    labels = {"A": "1", "B": "2"}
    assert judge_choice("The answer is (A).", "A", labels) == Verdict(Outcome.CORRECT, "A")
    assert judge_choice("The answer is (B).", "A", labels) == Verdict(Outcome.WRONG, "B")
    assert judge_choice("Well.", "A", labels) == Verdict(Outcome.NO_ANSWER, None)
    assert judge_choice("The answer is A or B.", "A", labels) == Verdict(Outcome.UNREADABLE, None)


@pytest.mark.parametrize("gold", ["42", "42.0", 42, 42.0, Fraction(42), sympy.Integer(42), sympy.Float(42), "#### 42"])
def test_golds_of_many_types(gold: object) -> None:
    assert judge_number("42", gold).correct
    assert not judge_number("43", gold).correct


def test_a_gold_that_is_no_number_is_matched_by_nothing() -> None:
    assert judge_number("42", "n/a") == Verdict(Outcome.WRONG, "42")


def test_values_are_exact_sympy_rationals() -> None:
    assert extract_number("0.1") == sympy.Rational(1, 10)
    assert isinstance(extract_number("12.0"), sympy.Integer)
    assert extract_number("nothing") is None


def test_the_import_is_cheap() -> None:
    heavy = "{'torch', 'sympy', 'transformers', 'numpy', 'lm_eval'}"
    program = f"import sys, modbench.answers; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
