"""What a training set shares with test sets: problems that are the same, problems that are near, and repeated ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from modbench.data.near import Nearest, Vocabulary, nearest, nearest_earlier
from modbench.data.overlap import normalized
from modbench.data.problem_sets import ProblemSet

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Progress = Callable[[str, int], Callable[[int], object]]
"""Is given what is to be done and with how many problems; returns what to tell of problems as they are finished."""


@dataclass(frozen=True)
class Pair:
    """A test problem and the training example that it matches; both are numbered from 1 in their sets.

    `similarity` is the Jaccard similarity of their masked word runs: 1 for exact ones, but also for some near ones.
    """

    kind: str
    similarity: float
    test_number: int
    test: str
    training_number: int
    training: str


@dataclass(frozen=True)
class SetOverlap:
    """How many of the `problems` of test set `name` the training set holds: `exact`, else `near`, else `clean`."""

    name: str
    problems: int
    exact: int
    near: int
    training_exact: int
    """Training examples that are a problem of this set; `training_near`: further ones that are near one."""
    training_near: int
    pairs: list[Pair]
    """The examples: each exact and each near match of a test problem, as many as were asked for."""

    @property
    def clean(self) -> int:
        """Test problems that the training set holds nothing like."""
        return self.problems - self.exact - self.near


@dataclass(frozen=True)
class Repeats:
    """How many of the `problems` of set `name` repeat an earlier one of the set: exactly, or else nearly."""

    name: str
    problems: int
    exact: int
    near: int


@dataclass(frozen=True)
class Audit:
    """One training set against test sets; `exact` and `near` mark its examples that are or are near a test problem."""

    name: str
    examples: int
    against: list[SetOverlap]
    exact: Mask
    near: Mask

    def to_dict(self) -> dict[str, Any]:
        """The counts, shares (0 to 1) and pairs as JSON values; not the marks."""
        return {
            "name": self.name,
            "examples": self.examples,
            "exact": int(self.exact.sum()),
            "near": int(self.near.sum()),
            "against": [
                asdict(found)
                | {"clean": found.clean}
                | {f"{kind}_share": getattr(found, kind) / found.problems for kind in ("exact", "near", "clean")}
                for found in self.against
            ],
        }


def audit(training: ProblemSet, tests: Sequence[ProblemSet], progress: Progress, examples: int = 3) -> Audit:
    """Compares `training` with each of `tests`, and picks up to `examples` pairs of each kind and set.

    A test problem is an exact match if a training example is equal in letters and digits, else a near one if an
    example is near (`modbench.data.near`). A problem without a letter or digit matches nothing. The same sets always
    give the same result.
    """
    vocabulary = Vocabulary()
    shingled = vocabulary.shingled(training.problems)
    first = _firsts(training.problems)
    exact, near = np.zeros(len(training.problems), bool), np.zeros(len(training.problems), bool)
    against = []
    for test in tests:
        asked = _firsts(test.problems)
        trained = np.array([normalized(problem) in asked for problem in training.problems], bool)
        matches = [first.get(normalized(problem), -1) for problem in test.problems]
        done = progress(f"{training.name} against {test.name}", len(training.problems))
        of_training, of_test = nearest(shingled, vocabulary.shingled(test.problems), done)
        trained_near = ~trained & (of_training.index >= 0)
        is_exact = np.array(matches) >= 0
        is_near = ~is_exact & (of_test.index >= 0)
        against.append(
            SetOverlap(
                name=test.name,
                problems=len(test.problems),
                exact=int(is_exact.sum()),
                near=int(is_near.sum()),
                training_exact=int(trained.sum()),
                training_near=int(trained_near.sum()),
                pairs=[
                    *_pairs(
                        "exact", training, test, is_exact, Nearest(np.array(matches), np.ones(len(matches))), examples
                    ),
                    *_pairs("near", training, test, is_near, of_test, examples),
                ],
            )
        )
        exact |= trained
        near |= trained_near
    return Audit(training.name, len(training.problems), against, exact, near & ~exact)


def repeats(problems: ProblemSet, progress: Progress) -> Repeats:
    """How often `problems` repeat themselves; each repeat counts once, whatever the number of those before it."""
    first = _firsts(problems.problems)
    distinct = [problems.problems[number] for number in first.values()]
    empty = sum(not normalized(problem) for problem in problems.problems)
    near = nearest_earlier(Vocabulary().shingled(distinct), progress(f"{problems.name} in itself", len(distinct)))
    return Repeats(
        name=problems.name,
        problems=len(problems.problems),
        exact=len(problems.problems) - empty - len(distinct),
        near=int((near.index >= 0).sum()),
    )


def _firsts(problems: Sequence[str]) -> dict[str, int]:
    """The number of the first of equal problems, by their normalized text."""
    found: dict[str, int] = {}
    for number, problem in enumerate(problems):
        if text := normalized(problem):
            found.setdefault(text, number)
    return found


def _pairs(
    kind: str, training: ProblemSet, test: ProblemSet, chosen: Mask, nearest: Nearest, limit: int
) -> Iterator[Pair]:
    for number in np.flatnonzero(chosen)[:limit].tolist():
        other = int(nearest.index[number])
        yield Pair(
            kind=kind,
            similarity=float(nearest.similarity[number]),
            test_number=number + 1,
            test=" ".join(test.problems[number].split()),
            training_number=other + 1,
            training=" ".join(training.problems[other].split()),
        )
