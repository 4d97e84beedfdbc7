"""The training data of suite `smollm2-math`: GSM8K's and MAWPS's training sets without the test problems."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

from modbench.data.download import Unavailable
from modbench.data.equations import UnsupportedEquation, clean_number, solve
from modbench.data.examples import Example
from modbench.data.overlap import normalized, problem_index
from modbench.data.sources import locate, sha256
from modbench.errors import ModbenchError

GSM8K_TRAIN = "grade_school_math/data/train.jsonl"
MAWPS_TRAIN = "dataset/mawps/trainset.json"
REQUIRED = ("dataset/AddSub/test.json", "dataset/gsm8k/test.json", "dataset/mawps/test.json")
"""The test sets that the suite evaluates on: without them there is no training data."""
OPTIONAL = (
    "dataset/AQuA/test.json",
    "dataset/MultiArith/test.json",
    "dataset/SingleEq/test.json",
    "dataset/SVAMP/test.json",
    "grade_school_math/data/test.jsonl",
)
"""Further test sets, checked where they can be had. The commonsense sets are not: each of their instructions begins
with fixed words ("Please choose the correct answer to the question: ...") that no training question begins with."""
TOLERANCE = Fraction(1, 1000)
CALCULATOR_MARK = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True)
class SourceCounts:
    """What became of the lines of one source: each of those `read` is counted in one field up to `kept`."""

    read: int
    overlapping: int
    """The question is a test problem."""
    unreadable: int
    """The answer is not in the usual form."""
    unsupported: int
    """The equation is not solved for its unknown."""
    bad_equation: int
    """The equation does not give the answer."""
    kept: int
    used: int
    """Drawn from those kept."""
    overlapping_by_set: dict[str, int]
    """Overlapping ones by test set; several sets may hold one problem."""


@dataclass(frozen=True)
class MixReport:
    """How the training data came about; file names are the keys of `modbench.data.sources.FILES`."""

    count: int
    seed: int
    sources: dict[str, SourceCounts]
    checked: dict[str, int]
    """Test sets that were compared with, and their numbers of distinct problems."""
    missing: tuple[str, ...]
    """Test sets that could not be had and so were not compared with."""
    sha256: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {"missing": list(self.missing)}


class _Rejected(Exception):
    """A line that gives no training example; its argument is the field of `SourceCounts` that counts it."""


def build_math_mix(count: int, seed: int) -> tuple[list[Example], MixReport]:
    """`count` examples in random order, half of them (rounded up) from GSM8K and half from MAWPS.

    Left out are all whose question is a test problem (equal in letters and digits), and the MAWPS lines whose
    equation does not give their answer within 0.001. The same files, `count` and `seed` give the same examples.

    Raises:
        Unavailable: a training set, or a test set that the suite evaluates on, cannot be had.
        ModbenchError: a source has fewer examples than its half.
    """
    tests, missing = _test_problems()
    gsm8k = _sift(GSM8K_TRAIN, "question", gsm8k_response, tests)
    mawps = _sift(MAWPS_TRAIN, "original_text", mawps_response, tests)
    rng, mix, sources = Random(seed), [], {}
    for path, share, (kept, counts) in (
        (GSM8K_TRAIN, count - count // 2, gsm8k),
        (MAWPS_TRAIN, count // 2, mawps),
    ):
        if share > len(kept):
            raise ModbenchError(f"{path} has {len(kept)} examples to train on, not {share}: ask for fewer")
        mix += rng.sample(kept, share)
        sources[path] = replace(counts, used=share)
    rng.shuffle(mix)
    return mix, MixReport(
        count=count,
        seed=seed,
        sources=sources,
        checked={path: len(problems) for path, problems in tests.items()},
        missing=missing,
        sha256={path: sha256(locate(path)) for path in (GSM8K_TRAIN, MAWPS_TRAIN, *tests)},
    )


def gsm8k_response(row: dict[str, Any]) -> str:
    """The worked answer without calculator marks, its last line `#### N` turned into "The answer is N."."""
    worked, mark, answer = row["answer"].rpartition("\n#### ")
    if not mark:
        raise _Rejected("unreadable")
    return f"{CALCULATOR_MARK.sub('', worked)}\nThe answer is {answer.strip().replace(',', '')}."


def mawps_response(row: dict[str, Any]) -> str:
    """The equation and the answer, as in "X = (22 - 14) / 4 = 2. The answer is 2."."""
    try:
        answer = Fraction(str(row["ans"]))
    except (ValueError, ZeroDivisionError):
        raise _Rejected("unreadable") from None
    try:
        solution = solve(row["equation"])
    except UnsupportedEquation:
        raise _Rejected("unsupported") from None
    if abs(solution.value - answer) > TOLERANCE:
        raise _Rejected("bad_equation")
    return f"X = {solution.text} = {clean_number(answer)}. The answer is {clean_number(answer)}."


def _test_problems() -> tuple[dict[str, set[str]], tuple[str, ...]]:
    """The normalized problems of each test set that can be had, and the sets that cannot."""
    tests, missing = {path: _problems(path) for path in REQUIRED}, []
    for path in OPTIONAL:
        try:
            tests[path] = _problems(path)
        except Unavailable:
            missing.append(path)
    return tests, tuple(missing)


def _problems(path: str) -> set[str]:
    field = "question" if path.endswith(".jsonl") else "instruction"
    # AQuA's instructions go on with the choices, which are not part of the problem.
    return problem_index(row[field].split("Answer Choices:")[0] for row in _rows(path))


def _rows(path: str) -> list[dict[str, Any]]:
    with locate(path).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file] if path.endswith(".jsonl") else json.load(file)


def _sift(
    path: str, field: str, respond: Callable[[dict[str, Any]], str], tests: dict[str, set[str]]
) -> tuple[list[Example], SourceCounts]:
    """The examples of one source that may be trained on, and what became of the others."""
    kept, fates, by_set, rows = [], Counter[str](), Counter[str](), _rows(path)
    for number, row in enumerate(rows, 1):
        problem = normalized(row[field])
        asked_in = [name for name, problems in tests.items() if problem in problems]
        by_set.update(asked_in)
        try:
            if asked_in:
                raise _Rejected("overlapping")
            kept.append(Example(row[field], respond(row), f"{path}:{number}"))
        except _Rejected as fate:
            fates[fate.args[0]] += 1
    return kept, SourceCounts(
        read=len(rows),
        overlapping=fates["overlapping"],
        overlapping_by_set={name: by_set[name] for name in tests},
        unreadable=fates["unreadable"],
        unsupported=fates["unsupported"],
        bad_equation=fates["bad_equation"],
        kept=len(kept),
        used=0,
    )
