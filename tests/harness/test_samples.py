"""From the harness's rows to samples and their counts, against a plain recount."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.answers import Outcome
from modbench.errors import ModbenchError
from modbench.harness.samples import INVALID, judged, kind_of, task_result, to_sample, with_seen
from modbench.harness.scoring import KINDS, score
from modbench.harness.task_files import task_files
from modbench.records import Sample

QUESTION = "Ann has 3 apples and buys 4. How many has she?"


def generated(response: str, **changes: Any) -> dict[str, Any]:
    """A row as the harness logs it for a task of ours with a generated answer."""
    metrics = score("number", QUESTION, response, "7").metrics
    row = {
        "doc_id": 5,
        "doc": {"instruction": QUESTION, "answer": "7"},
        "target": "7",
        "arguments": [(f"Q: {QUESTION}", {"until": ["\n"]})],
        "resps": [[response]],
        "filtered_resps": [response],
        "filter": "none",
        "metrics": list(metrics),
        "doc_hash": "hash",
    }
    return row | metrics | changes


def likely(scores: list[float], target: object, doc: dict[str, Any], continuations: list[str]) -> dict[str, Any]:
    """A row of a task scored by log-likelihood."""
    best = scores.index(max(scores))
    return {
        "doc_id": 0,
        "doc": doc,
        "target": target,
        "arguments": [("context", text) for text in continuations],
        "resps": [[(value, False)] for value in scores],
        "filtered_resps": [(value, False) for value in scores],
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": "hash",
        "acc": float(best == 1),
    }


@pytest.mark.parametrize(
    ("response", "answer", "outcome"),
    [
        ("3 + 4 = 7. The answer is 7.", "7", Outcome.CORRECT),
        ("The answer is 8.", "8", Outcome.WRONG),
        ("No idea.", None, Outcome.NO_ANSWER),
    ],
)
def test_rows_of_ours_are_judged(response: str, answer: str | None, outcome: Outcome) -> None:
    sample = to_sample(generated(response), "number")
    assert (sample.doc_id, sample.doc_hash, sample.response, sample.gold) == (5, "hash", response, "7")
    assert (sample.question, sample.answer, sample.outcome, sample.seen) == (QUESTION, answer, outcome, None)
    right = float(outcome is Outcome.CORRECT)
    assert sample.metrics == score("number", QUESTION, response, "7").metrics | {"acc": right}


@pytest.mark.parametrize(
    ("filtered", "right", "answer", "outcome"),
    [("7", 1.0, "7", "correct"), ("8", 0.0, "8", "wrong"), (INVALID, 0.0, None, "no_answer")],
)
def test_rows_of_others_are_taken_at_their_word(filtered: str, right: float, answer: str, outcome: str) -> None:
    row = generated("So 7 or 8.", metrics=["exact_match"], exact_match=right, filtered_resps=[filtered], doc={"q": "?"})
    sample = to_sample(row)
    assert (sample.answer, sample.outcome, sample.question, sample.correct) == (answer, outcome, None, bool(right))
    assert sample.metrics == {"exact_match": right, "acc": right}


def test_half_a_surrogate_pair_loses_nothing_else() -> None:
    sample = to_sample(generated("\ud800 The answer is 7."), "number")
    assert (sample.response, sample.answer, sample.correct) == ("\ufffd The answer is 7.", "7", True)
    sample.model_dump_json()


def test_choices_are_answered_by_the_likeliest() -> None:
    doc = {"instruction": "Iron or wood?", "choices": ["wood", "iron"], "answer": "iron"}
    for scores, answer in (([-2.0, -1.0], "iron"), ([-1.0, -2.0], "wood")):
        for target in (1, "iron"):
            sample = to_sample(likely(scores, target, doc, [" wood", " iron"]))
            assert (sample.answer, sample.response, sample.gold) == (answer, answer, "iron")
            assert sample.outcome == ("correct" if answer == "iron" else "wrong")
        # WinoGrande's: each choice stands in a context of its own, what is scored is the same.
        sample = to_sample(likely(scores, "is a metal.", doc, [" is a metal."] * 2))
        assert (sample.answer, sample.gold, sample.question) == (answer, "iron", "Iron or wood?")


def test_a_verdict_that_is_none_is_refused() -> None:
    with pytest.raises(ModbenchError, match=r"f1 = 0\.5"):
        to_sample(generated("7", metrics=["f1"], f1=0.5))
    with pytest.raises(ModbenchError, match="no metric is a number"):
        to_sample(generated("7", metrics=["f1"], f1="N/A"))


@given(
    st.lists(
        st.tuples(st.sampled_from([*Outcome, None]), st.booleans(), st.sampled_from([None, 0.25, 1.0])), min_size=1
    )
)
def test_counts_are_those_of_a_recount(drawn: list[tuple[Outcome | None, bool, float | None]]) -> None:
    samples = []
    for outcome, right, f1 in drawn:
        correct = right if outcome is None else outcome is Outcome.CORRECT
        answer = None if outcome in (Outcome.NO_ANSWER, None) and not correct else "7"
        metrics = {"acc": float(correct), "no_answer": 0.0} | ({} if f1 is None else {"f1": f1})
        samples.append(
            Sample(doc_id=0, doc_hash="", response="", answer=answer, gold="", metrics=metrics, outcome=outcome)
        )
    result = task_result(iter(samples))
    outcomes = [outcome for outcome, _, _ in drawn]
    assert (result.n, result.correct) == (len(drawn), sum(s.metrics["acc"] == 1 for s in samples))
    assert result.no_answer == sum(s.answer is None if s.outcome is None else s.outcome == "no_answer" for s in samples)
    assert result.unreadable == (None if None in outcomes else outcomes.count(Outcome.UNREADABLE))
    of_all = [f1 for _, _, f1 in drawn if f1 is not None]
    assert result.metrics.keys() == ({"f1"} if len(of_all) == len(drawn) else set())
    if result.metrics:
        assert math.isclose(result.metrics["f1"], sum(of_all) / len(of_all))


def test_kinds_are_those_of_the_task_files() -> None:
    kinds = {task: kind_of(task) for task in task_files()}
    assert kinds["modbench_demo_one_step"] == kinds["modbench_gsm8k"] == "number"
    assert kinds["modbench_demo_choice"] is None and kind_of("gsm8k") is None
    assert set(kinds.values()) <= {None, *KINDS}


def test_a_seen_problem_is_one_whose_words_were_trained_on(make_sample: Callable[..., Sample]) -> None:
    old = make_sample(0, True)
    assert with_seen(old, {"x"}) == old and old.seen is None
    new = judged(old, "number", "ANN has 3 apples, and buys 4! How many has she?")
    assert with_seen(new, {"annhas3applesandbuys4howmanyhasshe"}).seen is True
    assert with_seen(new, {"annhas3applesandbuys5howmanyhasshe"}).seen is False
    assert with_seen(new, set()).seen is False
