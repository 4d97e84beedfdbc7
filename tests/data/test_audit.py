from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modbench.data.audit import audit, repeats
from modbench.data.near import WORD_PROBLEM, similarity
from modbench.data.problem_sets import ProblemSet, read_set

real = pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")
NUTS = "Tom has {} nuts . He eats {} of them . How many nuts does Tom have now ?"
PROBLEMS = st.lists(
    st.sampled_from(
        [NUTS.format(3, 2), NUTS.format(9, 4).upper(), NUTS.format(3, 2).lower(), "Why so?", "why so", "?"]
    ),
    max_size=8,
)


def silent(what: str, total: int) -> Callable[[int], object]:
    return lambda count: None


def problem_set(*problems: str, name: str = "test") -> ProblemSet:
    return ProblemSet(name, problems, None)


def plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def test_each_problem_counts_once() -> None:
    training = problem_set(
        *(NUTS.format(3, 2), NUTS.format(3, 2).upper(), NUTS.format(50, 7), "Ann has one cat.", "?!"), name="mine"
    )
    test = problem_set(NUTS.format(3, 2), NUTS.format(8, 1), "Is a cat a dog in France?", "...", name="theirs")
    found = audit(training, [test], silent)
    (against,) = found.against
    assert (against.problems, against.exact, against.near, against.clean) == (4, 1, 1, 2)
    assert (against.training_exact, against.training_near) == (2, 1)
    assert (found.exact.tolist(), found.near.tolist()) == (
        [True, True, False] + [False] * 2,
        [False, False, True] + [False] * 2,
    )
    assert [(pair.kind, pair.similarity, pair.test_number, pair.training_number) for pair in against.pairs] == [
        ("exact", 1, 1, 1),
        ("near", 1, 2, 1),
    ]
    assert against.pairs[1].test == NUTS.format(8, 1) and against.pairs[1].training == NUTS.format(3, 2)


@settings(deadline=None)
@given(PROBLEMS, st.lists(PROBLEMS, min_size=1, max_size=3))
def test_counts_against_sets(training: list[str], tests: list[list[str]]) -> None:
    found = audit(problem_set(*training), [problem_set(*test, name=str(n)) for n, test in enumerate(tests)], silent)
    known, asked = {plain(text) for text in training} - {""}, {plain(text) for test in tests for text in test} - {""}
    assert found.exact.tolist() == [plain(text) in asked for text in training]
    for test, against in zip(tests, found.against, strict=True):
        assert against.exact == sum(plain(text) in known for text in test)
        # No two of the other questions are alike.
        alike = [max((similarity(text, other) for other in training), default=0) for text in test]
        assert against.exact + against.near == sum(
            value >= WORD_PROBLEM or plain(text) in known for text, value in zip(test, alike, strict=True)
        )
        assert not (found.exact & found.near).any()


def test_the_rest_matches_nothing() -> None:
    training = problem_set(
        NUTS.format(3, 2), NUTS.format(5, 4), "Why does a cat purr at night?", NUTS.format(1, 0) + "!"
    )
    test = problem_set(NUTS.format(5, 4), NUTS.format(6, 6))
    found = audit(training, [test], silent)
    rest = [text for text, out in zip(training.problems, found.exact | found.near, strict=True) if not out]
    assert rest == ["Why does a cat purr at night?"]
    again = audit(problem_set(*rest), [test], silent)
    assert (again.against[0].exact, again.against[0].near) == (0, 0) and not (again.exact | again.near).any()


def test_shares_in_json() -> None:
    found = audit(problem_set("a b c d"), [problem_set("a b c d", "e f g h", "i j k l", "m n o p")], silent).to_dict()
    assert found["exact"] == 1 and found["near"] == 0
    (against,) = found["against"]
    assert (against["exact_share"], against["near_share"], against["clean_share"]) == (0.25, 0, 0.75)


@given(PROBLEMS)
def test_repeats_against_a_count(problems: list[str]) -> None:
    found = repeats(problem_set(*problems), silent)
    times = Counter(text for text in map(plain, problems) if text)
    assert (found.problems, found.exact) == (len(problems), sum(times.values()) - len(times))
    firsts = list({plain(text): text for text in reversed(problems) if plain(text)}.values())[::-1]
    alike = [max((similarity(text, other) for other in firsts[:n]), default=0) for n, text in enumerate(firsts)]
    assert found.near == sum(value >= WORD_PROBLEM for value in alike)


@pytest.mark.realdata
@real
def test_mawps_training_set_against_addsub() -> None:
    """Most of AddSub is in it word for word, as LLM-Adapters' own README says."""
    training, test = read_set("dataset/mawps/trainset.json"), read_set("dataset/AddSub/test.json")
    found = audit(training, [test], silent)
    (against,) = found.against
    known = {plain(text) for text in training.problems}
    assert against.exact == sum(plain(text) in known for text in test.problems) == 327
    assert (against.problems, against.near) == (395, 52)
    asked = {plain(text) for text in test.problems}
    assert found.exact.sum() == sum(plain(text) in asked for text in training.problems)


@pytest.mark.realdata
@real
def test_gsm8k_is_not_in_its_training_set() -> None:
    training, test = read_set("grade_school_math/data/train.jsonl"), read_set("dataset/gsm8k/test.json")
    (against,) = audit(training, [test], silent).against
    assert (against.problems, against.exact) == (1319, 0)
    assert all(
        pair.kind == "near" and pair.similarity == similarity(pair.test, pair.training) for pair in against.pairs
    )
