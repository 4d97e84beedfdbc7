"""The demo's problems: right answers, and none of them in any training text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench import resources
from modbench.data.overlap import normalized
from modbench.demo import build
from modbench.demo.corpus import documents
from modbench.demo.examples import tuning_examples
from modbench.demo.problems import KINDS, draw_set
from modbench.demo.worlds import GAINS, LARGEST, Problem
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED
from modbench.suites import load_suite

OPERATIONS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}


@given(st.integers(0, 10**9), st.sampled_from(sorted(KINDS)))
def test_the_solution_computes_the_answer_from_the_numbers_told(seed: int, kind: str) -> None:
    problem = KINDS[kind](Random(seed))
    told = [int(n) for n in re.findall(r"\d+", problem.story)]
    result = None
    for step in problem.steps:
        a, operation, b, c = re.fullmatch(r"(\d+) (.) (\d+) = (\d+)\.", step).groups()
        assert OPERATIONS[operation](int(a), int(b)) == int(c)
        assert int(a) in (*told, result) and int(b) in (*told, result)
        assert 0 <= int(c) <= LARGEST
        result = int(c)
    assert str(result) == problem.answer
    assert len(problem.steps) == (2 if kind == "two_step" else 1)
    if kind == "choice":
        assert len(set(problem.choices)) == 4 and problem.answer in problem.choices
        assert problem.solution == f"{problem.answer}."
    else:
        assert problem.solution == " ".join([*problem.steps, f"The answer is {problem.answer}."])


@given(st.integers(0, 10**9))
def test_the_person_asked_about_has_what_the_story_tells(seed: int) -> None:
    """A reader of its own: follows every person's count through the story of a problem about changes."""
    problem = KINDS["one_step"](Random(seed))
    asked = re.search(r"does (\w+) have now\?", problem.question)
    if not asked:
        return
    counts: dict[str, int] = {}
    for name, verb, amount in re.findall(r"(\w+) (\w+) (\d+)", problem.story):
        if verb == "has":
            counts[name] = int(amount)
        else:
            counts[name] += int(amount) if verb in GAINS else -int(amount)
    assert counts[asked[1]] == int(problem.answer)


def held_out() -> list[Problem]:
    return [problem for kind in KINDS for problem in draw_set(kind, DEMO_COUNT, DEMO_SEED, held_out=True)]


@cache
def forbidden() -> frozenset[str]:
    """Every test story followed by its question, by its solution or by what a story would conclude."""
    return frozenset(
        normalized(f"{problem.story} {sequel}")
        for problem in held_out()
        for sequel in (problem.question.removesuffix(" Choose."), problem.steps[0], problem.statement)
    )


def check_disjoint(texts: Iterable[str]) -> None:
    """No line of `texts` tells a test story and goes on as that problem, its solution or its end."""
    lengths = sorted({len(text) for text in forbidden()})
    for text in texts:
        for line in text.removeprefix("Question: ").split("\n"):
            plain = normalized(line)
            assert not any(plain[:length] in forbidden() for length in lengths), line


def test_the_test_sets_have_at_least_300_problems_each_all_different() -> None:
    problems = [normalized(problem.text) for problem in held_out()]
    assert len(problems) == len(set(problems)) == 3 * DEMO_COUNT and DEMO_COUNT >= 300


def test_no_tuning_example_is_a_test_problem() -> None:
    count = load_suite("demo").training.count
    for seed in range(3):
        check_disjoint([example.instruction for example in tuning_examples(count, seed)])


def test_no_base_document_tells_a_test_story() -> None:
    check_disjoint(
        [text for stage in build.STAGES for text in itertools.islice(documents(build.SEED, stage.mixture), 5_000)]
    )


@pytest.mark.long
@pytest.mark.parametrize("stage", build.STAGES, ids=lambda stage: stage.name)
def test_no_document_of_the_whole_base_training_tells_a_test_story(stage: build.Stage) -> None:
    tokens, texts, words = stage.steps * build.BATCH * build.SEQUENCE, [], 0
    for text in documents(build.SEED, stage.mixture):
        if " has " in text:
            texts.append(text)
        words += text.count(" ") + 1  # never more than its tokens: all that was trained on, and a little beyond
        if words > tokens:
            break
    check_disjoint(texts)


def test_the_holdout_can_fail() -> None:
    problem = held_out()[0]
    for sequel in (problem.question, problem.solution, f"Choose.\n{problem.story} {problem.statement}"):
        with pytest.raises(AssertionError):
            check_disjoint([f"Question: {problem.story} {sequel}"])


def test_the_embedded_model_fits_in_8_megabytes() -> None:
    folders = [resources.folder("demo"), resources.folder("demo-adapter")]
    files: list[Path] = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pkl", ".py")]
