"""Any string is judged: without an exception, in time, and what is printed reads back. 105,000 strings in all."""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modbench.answers import Outcome, Verdict, extract_choice, judge_choice, judge_number
from modbench.answers.read import MAX_DIGITS, Number
from modbench.answers.settle import settle

from .hostile import PIECES, SECONDS, seconds

ANY = st.text(st.characters(), max_size=60)
FRAGMENTS = st.lists(
    st.sampled_from(PIECES)
    | st.sampled_from(
        [
            "The answer is ",
            "Answer: ",
            "#### ",
            r"\boxed{",
            "}",
            "= ",
            " and a half",
            "%",
            " percent",
            " dozen",
            " x 10^",
            "e",
        ]
    )
    | st.sampled_from("٣५７½²³⁻−–×÷≈⁄٫٬，．％$£€₹")
    | st.sampled_from(
        ["(A)", "B.", " C ", "answer2", "option 1", "true", "False", "not ", "<think>", "</think>", "\n\nQ: "]
    )
    | st.integers(-(10**30), 10**30).map(str)
    | st.fractions().map(str)
    | st.floats().map(str)
    | st.integers(0, 10**12).map("{:,}".format),
    max_size=10,
).map("".join)
MATHS = st.text(string.digits + " .,-+*/^=:%$eExk()[]{}\\½−\u00a0\n", max_size=40)
LATEX = st.recursive(
    st.integers(-999, 9999).map(str) | st.sampled_from(["x", r"\pi", "1.5", "2,000", ""]),
    lambda inner: (
        st.tuples(inner, inner).map(lambda pair: rf"\frac{{{pair[0]}}}{{{pair[1]}}}")
        | inner.map(lambda text: rf"\text{{{text}}}")
        | inner.map(lambda text: rf"\boxed{{{text}}}")
        | st.tuples(inner, inner).map(lambda pair: f"{pair[0]}^{{{pair[1]}}}")
    ),
    max_leaves=6,
)
LABELS = [
    {"A": "23.65", "B": "1/5", "C": "Paris", "D": "2 miles", "E": ""},
    {"true": "", "false": ""},
    {"answer1": "a store", "answer2": "12", "answer3": "½"},
]


def fuzz(strings: int) -> settings:
    return settings(max_examples=strings, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def check(text: str) -> None:
    verdict = in_time(lambda: judge_number(text, "12.5", "What percentage?"))
    assert (verdict.answer is None) == (verdict.outcome in (Outcome.NO_ANSWER, Outcome.UNREADABLE))
    number = settle(text)
    if isinstance(number, Number):
        printed = str(number)
        again = settle(printed)
        assert len(printed) <= MAX_DIGITS + 1
        assert isinstance(again, Number)
        assert (again.value, again.percent, str(again)) == (number.value, number.percent, printed)
    for labels in LABELS:
        label = in_time(partial(judge_choice, text, "A", labels)).answer
        assert label is None or (label in labels and extract_choice(label, labels) == label)


def in_time(judge: Callable[[], Verdict]) -> Verdict:
    """The verdict; where it is late, the time is taken again, since other work may have held up the first call."""
    start = time.process_time()
    verdict = judge()
    assert time.process_time() - start < SECONDS or seconds(judge) < SECONDS
    return verdict


@pytest.mark.long
@fuzz(40_000)
@given(ANY)
def test_any_text(text: str) -> None:
    check(text)


@pytest.mark.long
@fuzz(15_000)
@given(FRAGMENTS)
def test_fragments_of_answers(text: str) -> None:
    check(text)


@pytest.mark.long
@fuzz(40_000)
@given(MATHS)
def test_signs_and_digits(text: str) -> None:
    check(text)


@pytest.mark.long
@fuzz(10_000)
@given(LATEX, st.sampled_from(["{}", "The answer is {}.", "#### {}", "${}$"]))
def test_nested_latex(text: str, frame: str) -> None:
    check(frame.replace("{}", text))
