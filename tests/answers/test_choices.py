from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.answers import Outcome, extract_choice, judge_choice

TABLE = json.loads((Path(__file__).parent / "choices.json").read_text(encoding="utf-8"))
LABELS: dict[str, dict[str, str]] = TABLE["labels"]


@pytest.mark.parametrize(("name", "text", "label"), TABLE["cases"])
def test_the_choice_settled_on(name: str, text: str, label: str | None) -> None:
    assert extract_choice(text, LABELS[name]) == label


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(
    "frame",
    ["{}", "{}.", "**{}**", "({})", r"\boxed{{{}}}", "The answer is {}.", "the correct answer is {}", "Answer: {}"],
)
def test_every_label_in_every_frame(labels: dict[str, str], frame: str) -> None:
    for label in labels:
        assert extract_choice(frame.format(label), labels) == label
        assert extract_choice(frame.format(label), list(labels)) == label
        assert judge_choice(frame.format(label), label, labels).outcome is Outcome.CORRECT


@pytest.mark.parametrize("name", ["aqua", "arc", "hellaswag", "winogrande"])
def test_every_text_stands_for_its_label(name: str) -> None:
    for label, text in LABELS[name].items():
        if text:
            assert extract_choice(f"The answer is {text}", LABELS[name]) == label
            assert extract_choice(text, LABELS[name]) == label


@pytest.mark.parametrize(
    "text",
    [
        *(
            "A or B",
            "I think A or B",
            "A/B",
            "either B or C",
            "B and C",
            "A, B, or C",
            "(A) or (B)",
            "A or B, hard to say",
        ),
        *("The answer is either B or C", "The answer is both A and B", "The answer is A/B"),
    ],
)
def test_several_labels_are_unreadable(text: str) -> None:
    assert judge_choice(text, "B", LABELS["aqua"]).outcome is Outcome.UNREADABLE


def test_several_words_are_unreadable() -> None:
    assert judge_choice("true or false", "false", LABELS["boolq"]).outcome is Outcome.UNREADABLE
    assert judge_choice("answer1/answer2", "answer2", LABELS["arc"]).outcome is Outcome.UNREADABLE


def test_without_labels_there_is_no_choice() -> None:
    assert extract_choice("The answer is (C).", {}) is None
    assert extract_choice("The answer is (C).", []) is None


@given(st.text(), st.sampled_from(sorted(LABELS)))
def test_what_is_extracted_is_a_label_and_reads_back(text: str, name: str) -> None:
    label = extract_choice(text, LABELS[name])
    assert label is None or extract_choice(label, LABELS[name]) == label in LABELS[name]
