"""Pools of training problems from which few-shot examples are drawn: none of them is a test problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modbench.data.choices import choices_of
from modbench.data.digest import digest
from modbench.data.math_mix import GSM8K_TRAIN, MAWPS_TRAIN, OPTIONAL, REQUIRED
from modbench.data.overlap import problem_of
from modbench.data.problem_sets import TEST_SETS
from modbench.data.rows import available_problems, rows
from modbench.data.worked import Rejected, gsm8k_response, mawps_response
from modbench.errors import ModbenchError, unknown

MATH_10K = "ft-training_set/math_10k.json"
BOOLQ_TRAIN = "dataset/boolq/train.json"
COMMONSENSE_15K = "ft-training_set/commonsense_15k.json"
"""Drawn by its authors from commonsense_170k.json, of which it is a tenth to download."""

MATH_TESTS = (*REQUIRED, *OPTIONAL)
COMMONSENSE_TESTS = tuple(path for path in TEST_SETS if path not in MATH_TESTS)


@dataclass(frozen=True)
class Shot:
    """A solved problem to show: its instruction, its answer (number, letter or label) and the worked response."""

    instruction: str
    answer: str
    response: str


@dataclass(frozen=True)
class Pool:
    """Where the problems of a pool come from."""

    path: str
    """The training set, a key of `modbench.data.sources.FILES`."""
    read: Callable[[dict[str, Any]], Shot]
    """Makes a shot of a row; raises `Rejected` if the row is of another set or has no usable response."""
    tests: tuple[str, ...]
    """The test sets whose problems are left out, as far as they can be had."""


@dataclass(frozen=True)
class Sifted:
    """The shots of a pool that may be shown, and the files that decide which these are."""

    shots: Sequence[Shot]
    files: tuple[str, ...] = ()
    """The training set and the test sets that it was compared with."""
    missing: tuple[str, ...] = ()
    """The test sets that could not be had and so were not compared with."""

    @property
    def sha256(self) -> str:
        """SHA-256 over the shots, in hex."""
        return digest((shot.instruction, shot.answer, shot.response) for shot in self.shots)


def _gsm8k(row: dict[str, Any]) -> Shot:
    response = gsm8k_response(row)
    return Shot(row["question"], row["answer"].rpartition("#### ")[2].strip().replace(",", ""), response)


def _mawps(row: dict[str, Any]) -> Shot:
    return Shot(row["original_text"], str(row["ans"]), mawps_response(row))


def _aqua(row: dict[str, Any]) -> Shot:
    from modbench.answers import judge_choice

    choices, response = choices_of(row["instruction"]), row["output"].strip()
    # The worked outputs were written by a model: some arrive at another choice than the gold one.
    if row["answer"] not in choices or not judge_choice(response, row["answer"], choices).correct:
        raise Rejected("unreadable")
    return Shot(row["instruction"], row["answer"], response)


def _labelled(*labels: str) -> Callable[[dict[str, Any]], Shot]:
    """Takes the rows with these choices, one of them the answer."""

    def read(row: dict[str, Any]) -> Shot:
        if tuple(choices_of(row["instruction"])) != labels or row["answer"] not in labels:
            raise Rejected("unreadable")
        return Shot(row["instruction"], row["answer"], row["output"].strip())

    return read


POOLS: dict[str, Pool] = {
    "gsm8k_train": Pool(GSM8K_TRAIN, _gsm8k, MATH_TESTS),
    "mawps_train": Pool(MAWPS_TRAIN, _mawps, MATH_TESTS),
    "aqua_train": Pool(MATH_10K, _aqua, MATH_TESTS),
    "boolq_train": Pool(BOOLQ_TRAIN, _labelled("true", "false"), COMMONSENSE_TESTS),
    "piqa_train": Pool(COMMONSENSE_15K, _labelled("solution1", "solution2"), COMMONSENSE_TESTS),
    "hellaswag_train": Pool(COMMONSENSE_15K, _labelled("ending1", "ending2", "ending3", "ending4"), COMMONSENSE_TESTS),
    "winogrande_train": Pool(COMMONSENSE_15K, _labelled("option1", "option2"), COMMONSENSE_TESTS),
    # By their form alone ARC and OpenBookQA cannot be told apart; Social IQa has three choices.
    "arc_openbookqa_train": Pool(
        COMMONSENSE_15K, _labelled("answer1", "answer2", "answer3", "answer4"), COMMONSENSE_TESTS
    ),
    "social_iqa_train": Pool(COMMONSENSE_15K, _labelled("answer1", "answer2", "answer3"), COMMONSENSE_TESTS),
}


def read_pool(name: str) -> Sifted:
    """The shots of the pool `name`, in the order of its training set, without those that are test problems.

    Two problems are the same if they are equal in letters and digits, choices aside.

    Raises:
        Unavailable: the training set cannot be had.
        ModbenchError: there is no such pool, or nothing is left of it.
    """
    if name not in POOLS:
        raise unknown("pool", name, POOLS)
    tests, missing = available_problems(POOLS[name].tests)
    asked = set[str]().union(*tests.values())
    shots = [shot for shot in _shots(POOLS[name]) if problem_of(shot.instruction) not in asked]
    if not shots:
        raise ModbenchError(f"{POOLS[name].path} has no examples for {name}")
    return Sifted(shots, (POOLS[name].path, *tests), missing)


def _shots(pool: Pool) -> Iterator[Shot]:
    for row in rows(pool.path):
        try:
            yield pool.read(row)
        except Rejected:
            continue
