"""Both verdicts on a response, against answers that nobody would dispute and upstream's rules in plain words."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.answers import Outcome
from modbench.harness.scoring import KINDS, Kind, score

AQUA = "How much is it? Answer Choices: (A) 10 (B) 20 (C) 30 (D) 40 (E) 50"
ARC = (
    "Please choose the correct answer to the question: Which is a metal?\n\n"
    "Answer1: wood Answer2: iron Answer3: water\n\nAnswer format: answer1/answer2/answer3"
)
BOOLQ = "Please answer the following question with true or false, question: is ice cold?\n\nAnswer format: true/false"
NONE = "I cannot tell."


@pytest.mark.parametrize(
    ("kind", "question", "response", "gold", "outcome", "answer", "upstream"),
    [
        ("number", "", "3 + 4 = 7. The answer is 7.", "7", "correct", "7", True),
        ("number", "", "The answer is 1,234.50 dollars.", "1234.5", "correct", "1234.5", True),
        ("number", "", "The answer is 8.", "7", "wrong", "8", False),
        ("number", "", NONE, "7", "no_answer", None, False),
        ("number", "", "", "7", "no_answer", None, False),
        ("letter", AQUA, "The answer is (C).", "C", "correct", "C", True),
        ("letter", AQUA, "The answer is (D).", "C", "wrong", "D", False),
        ("letter", "", "The answer is (C).", "C", "correct", "C", True),
        ("letter", AQUA, "no idea", "C", "no_answer", None, False),
        # Upstream takes the first capital letter from A to E, wherever it stands.
        ("letter", AQUA, "Dividing by two, the answer is (C).", "C", "correct", "C", False),
        ("label", ARC, "the correct answer is answer2", "answer2", "correct", "answer2", True),
        ("label", ARC, "the correct answer is answer1", "answer2", "wrong", "answer1", False),
        ("label", "", "the correct answer is answer5", "answer5", "correct", "answer5", True),
        ("label", "", "the correct answer is ending4", "ending4", "correct", "ending4", True),
        ("label", BOOLQ, "the correct answer is true", "true", "correct", "true", True),
        ("label", BOOLQ, "the correct answer is false", "true", "wrong", "false", False),
        ("label", BOOLQ, "", "true", "no_answer", None, False),
    ],
)
def test_verdicts(
    kind: Kind, question: str, response: str, gold: str, outcome: str, answer: str | None, upstream: bool
) -> None:
    scored = score(kind, question, response, gold)
    assert (scored.outcome, scored.answer) == (outcome, answer)
    assert scored.metrics == {
        "exact_match": outcome == "correct",
        "llm_adapters": upstream,
        "no_answer": outcome == "no_answer",
        "unreadable": outcome == "unreadable",
    }


@given(st.sampled_from(KINDS), st.text(), st.text(), st.sampled_from(["7", "A", "true", "answer2", "neither"]))
def test_any_text_has_one_outcome(kind: Kind, question: str, response: str, gold: str) -> None:
    if kind == "number" and gold != "7":
        gold = "7"
    scored = score(kind, question, response, gold)
    assert scored.metrics.keys() == {"exact_match", "llm_adapters", "no_answer", "unreadable"}
    assert all(value in (0.0, 1.0) and isinstance(value, float) for value in scored.metrics.values())
    said = [name for name in ("exact_match", "no_answer", "unreadable") if scored.metrics[name]]
    assert (
        said
        == {
            Outcome.CORRECT: ["exact_match"],
            Outcome.WRONG: [],
            Outcome.NO_ANSWER: ["no_answer"],
            Outcome.UNREADABLE: ["unreadable"],
        }[scored.outcome]
    )


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'essay' is none of number, letter, label"):
        score("essay", "", "", "")  # type: ignore[arg-type]


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys, modbench.harness.scoring, modbench.harness.samples, modbench.rescore, modbench.report.rescore\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "modbench" in found
    assert not {"torch", "transformers", "peft", "lm_eval", "datasets", "accelerate"} & set(found)
