"""The worked solutions of GSM8K, whose golds are known: nothing lost, nothing let in."""

from __future__ import annotations

import json

import pytest

from modbench.answers import Outcome, judge_choice, judge_number
from modbench.data.choices import choices_of
from modbench.data.sources import locate

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def solutions() -> list[tuple[str, int, str]]:
    """Solution, answer and question of all 8,792 problems."""
    rows = [
        json.loads(line)
        for split in ("train", "test")
        for line in locate(f"grade_school_math/data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [
        (row["answer"], int(row["answer"].rpartition("#### ")[2].replace(",", "")), row["question"]) for row in rows
    ]


def test_no_right_answer_is_lost_and_no_wrong_one_let_in(solutions: list[tuple[str, int, str]]) -> None:
    assert len(solutions) == 8792
    for text, gold, question in solutions:
        assert judge_number(text, gold, question).correct
        for wrong in (gold + 1, gold * 10 + 1, gold - 0.01, gold / 100 + 1, -gold - 1):
            assert judge_number(text, wrong, question).outcome is Outcome.WRONG


def test_text_that_runs_on(solutions: list[tuple[str, int, str]]) -> None:
    for (text, gold, question), (other, _, another) in zip(solutions, solutions[1:] + solutions[:1], strict=True):
        assert judge_number(f"{text}\n\nQuestion: {another}\nAnswer: {other}", gold, question).correct


def test_the_worked_outputs_of_the_commonsense_sets_name_their_golds() -> None:
    for name, count in (("ARC-Challenge", 1172), ("boolq", 3270), ("piqa", 1838)):
        rows = json.loads(locate(f"dataset/{name}/test.json").read_text(encoding="utf-8"))
        assert len(rows) == count
        for row in rows:
            assert judge_choice(row["output"], row["answer"], choices_of(row["instruction"])).correct
