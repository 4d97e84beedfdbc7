"""The training data of suite `smollm2-math`: GSM8K's and MAWPS's training sets without the test problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from modbench.data.examples import Example
from modbench.data.overlap import normalized
from modbench.data.rows import available_problems, problems, rows
from modbench.data.sources import locate, sha256
from modbench.data.worked import Rejected, gsm8k_response, mawps_response
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


def build_math_mix(count: int, seed: int) -> tuple[list[Example], MixReport]:
    """`count` examples in random order, half of them (rounded up) from GSM8K and half from MAWPS.

    Left out are all whose question is a test problem (equal in letters and digits), and the MAWPS lines whose
    equation does not give their answer within 0.001. The same files, `count` and `seed` give the same examples.

    Raises:
        Unavailable: a training set, or a test set that the suite evaluates on, cannot be had.
        ModbenchError: a source has fewer examples than its half.
    """
    tests, missing = available_problems(OPTIONAL)
    tests = {path: problems(path) for path in REQUIRED} | tests
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


def _sift(
    path: str, field: str, respond: Callable[[dict[str, Any]], str], tests: dict[str, set[str]]
) -> tuple[list[Example], SourceCounts]:
    """The examples of one source that may be trained on, and what became of the others."""
    kept, fates, by_set, lines = [], Counter[str](), Counter[str](), rows(path)
    for number, row in enumerate(lines, 1):
        problem = normalized(row[field])
        asked_in = [name for name, asked in tests.items() if problem in asked]
        by_set.update(asked_in)
        try:
            if asked_in:
                raise Rejected("overlapping")
            kept.append(Example(row[field], respond(row), f"{path}:{number}"))
        except Rejected as fate:
            fates[fate.args[0]] += 1
    return kept, SourceCounts(
        read=len(lines),
        overlapping=fates["overlapping"],
        overlapping_by_set={name: by_set[name] for name in tests},
        unreadable=fates["unreadable"],
        unsupported=fates["unsupported"],
        bad_equation=fates["bad_equation"],
        kept=len(kept),
        used=0,
    )
