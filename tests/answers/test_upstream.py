from __future__ import annotations

import re
import time
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modbench.answers import upstream
from modbench.answers.upstream import last_number, score_label, score_letter, score_number


def upstream_output(decoded: str) -> str:
    """What LLM-Adapters scores of prompt and response decoded together."""
    return decoded.split("### Response:")[1].strip()


def upstream_number(sentence: str) -> float:
    """As `extract_answer_number` of LLM-Adapters for the arithmetic sets."""
    sentence = sentence.replace(",", "")
    pred = list(re.findall(r"-?\d+\.?\d*", sentence))
    return float(pred[-1]) if pred else float("inf")


def upstream_first(alternation: str, sentence: str) -> str:
    """As `extract_answer_letter` and the `extract_answer` of the commonsense sets."""
    found = re.findall(alternation, sentence.strip())
    return found[0] if found else ""


PROMPT = "### Instruction:\n                How many?\n\n                ### Response:\n                "
NUMBERS = st.text(st.sampled_from("0123456789.,- $x\n٣５")) | st.text()
PIECES = [
    "### Response:",
    "12",
    "1.",
    ".5",
    "-",
    "1,000",
    "\x00",
    "\ud800",
    "A",
    "E. B",
    "true",
    "answer5",
    "answer1",
    "1" * 400,
]
RESPONSES = NUMBERS | st.lists(st.sampled_from(PIECES) | st.text(max_size=5)).map("".join)
ALTERNATIONS = [
    "true|false",
    "solution1|solution2",
    "answer1|answer2|answer3|answer4|answer5",
    "ending1|ending2|ending3|ending4",
    "option1|option2",
]


@given(RESPONSES, st.floats(-1e4, 1e4).map(str) | st.integers(-20, 1000).map(str))
@example("4.001", "4")
@example("4.0009999999999994", "4")
@example("9" * 400, "inf")
@example("nothing", "inf")
@example("7 ### Response: 8", "7")
def test_numbers_are_scored_as_upstream_does(response: str, gold: str) -> None:
    predicted = upstream_number(upstream_output(PROMPT + response))
    assert score_number(response, gold) is (abs(float(gold) - predicted) <= 0.001)


@given(RESPONSES)
def test_a_response_scores_against_its_own_number(response: str) -> None:
    predicted = upstream_number(upstream_output(PROMPT + response))
    assert score_number(response, repr(predicted)) is (abs(predicted) != float("inf"))


@given(RESPONSES | st.text("ABCDEFabc ()."), st.sampled_from("ABCDE"))
def test_letters_are_scored_as_upstream_does(response: str, gold: str) -> None:
    assert score_letter(response, gold) is (upstream_first("A|B|C|D|E", upstream_output(PROMPT + response)) == gold)


@given(st.data(), st.sampled_from(ALTERNATIONS))
def test_labels_are_scored_as_upstream_does(data: st.DataObject, alternation: str) -> None:
    labels = alternation.split("|")
    pieces = st.sampled_from([*labels, *map(str.upper, labels), "### Response:", "answer", " is ", "false", "5"])
    response = "".join(data.draw(st.lists(pieces)))
    gold = data.draw(st.sampled_from(labels))
    # A problem's own choices may be fewer than upstream's list: they change nothing.
    own = labels[: data.draw(st.integers(1, len(labels)))]
    expected = upstream_first(alternation, upstream_output(PROMPT + response)) == gold
    assert score_label(response, gold, own) is expected


def test_labels_that_upstream_does_not_know_are_looked_for_as_given() -> None:
    assert score_label("so it is (c) or d", "(c)", ["(c)", "d"])
    assert not score_label("c", "(c)", ["(c)", "d"])
    assert not score_label("", "(c)", ["(c)", "d"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X = (22 - 14) / 4 = 2. The answer is 2.", "2."),
        ("She has $1,234.50 left", "1234.50"),
        ("-7 or 5 - 3", "3"),
        ("5 -3", "-3"),
        ("1.2.3", "3"),
        (".5", "5"),
        ("6.02e23", "23"),
        ("no number", None),
        ("", None),
        ("- . ,", None),
    ],
)
def test_last_number(text: str, expected: str | None) -> None:
    assert last_number(text) == expected


@given(st.text(st.sampled_from("11..-, x٣"), max_size=40), st.integers(1, 7), st.integers(1, 3))
def test_the_last_number_of_a_long_text_is_the_last_of_all(text: str, stretch: int, repeats: int) -> None:
    found = re.findall(r"-?\d+\.?\d*", (text * repeats).replace(",", ""))
    with mock.patch.object(upstream, "STRETCH", stretch):
        assert last_number(text * repeats) == (found[-1] if found else None)


@pytest.mark.parametrize("gold", ["", "three", "1,000", "nan"])
def test_a_gold_that_is_no_number_is_never_met(gold: str) -> None:
    assert score_number("1000", gold) is False


HOSTILE = [
    "1",
    "1 ",
    "1.",
    "1..",
    "-",
    "-1",
    ",",
    ",1",
    "１",
    ".",
    "x",
    "### Response",
    "a",
    "answer",
    "\x00",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_megabyte_is_scored_in_time(text: str) -> None:
    text = "0 " * 1000 + text * (998_000 // len(text))
    for response in (text, text[:700_000] + "- " * 150_000):
        start = time.process_time()
        score_number(response, "1")
        score_letter(response, "A")
        score_label(response, "answer1", [])
        # Typically under 60 ms; the bound leaves room for a loaded machine.
        assert time.process_time() - start < 0.5
