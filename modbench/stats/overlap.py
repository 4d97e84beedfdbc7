"""Which problems two methods solve: together, alone, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from modbench.errors import ModbenchError

Key = tuple[str, str, int]
"""A problem: its task, the hash of its document, and how many equal documents the task has before it."""


class Scored(Protocol):
    """What is needed of a scored answer."""

    @property
    def doc_id(self) -> int: ...
    @property
    def doc_hash(self) -> str: ...
    @property
    def correct(self) -> bool: ...


@dataclass(frozen=True)
class Overlap:
    """How many problems both methods solve, only the first, only the second, and neither."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def jaccard(self) -> float | None:
        """Solved by both over solved by either, 0 to 1; None where nothing is solved."""
        either = self.both + self.only_a + self.only_b
        return self.both / either if either else None

    @property
    def n(self) -> int:
        """The problems, all of them."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa, -1 to 1: agreement beyond what the accuracies bring by chance; None where chance is all."""
        in_a, in_b, n = self.both + self.only_a, self.both + self.only_b, self.n
        chance = in_a * in_b + (n - in_a) * (n - in_b)
        return (n * (self.both + self.neither) - chance) / (n * n - chance) if n * n != chance else None

    @property
    def yule_q(self) -> float | None:
        """Yule's Q, -1 to 1: 0 where the two solve independently of each other; None where it is 0 / 0."""
        agree, differ = self.both * self.neither, self.only_a * self.only_b
        return (agree - differ) / (agree + differ) if agree + differ else None

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(
            self.both + other.both,
            self.only_a + other.only_a,
            self.only_b + other.only_b,
            self.neither + other.neither,
        )


def verdicts(samples: Mapping[str, Iterable[Scored]]) -> dict[Key, bool]:
    """Whether each problem is solved, from the samples of each task.

    Equal documents of a task are told apart by their order of `doc_id`, since some test sets repeat a problem.
    """
    found: dict[Key, bool] = {}
    for task, answers in samples.items():
        seen: Counter[str] = Counter()
        for sample in sorted(answers, key=lambda sample: sample.doc_id):
            found[task, sample.doc_hash, seen[sample.doc_hash]] = sample.correct
            seen[sample.doc_hash] += 1
    return found


def solved(verdicts: Mapping[Key, bool]) -> set[Key]:
    """The problems that are solved."""
    return {key for key, correct in verdicts.items() if correct}


def overlap(a: Mapping[Key, bool], b: Mapping[Key, bool]) -> Overlap:
    """Count the problems by who solves them; raise ModbenchError unless `a` and `b` answered the same problems."""
    if a.keys() != b.keys():
        stray = min(a.keys() ^ b.keys())
        raise ModbenchError(
            f"the two answered different problems ({len(a.keys() - b.keys())} only the first, "
            f"{len(b.keys() - a.keys())} only the second, such as {stray[1]!r} of {stray[0]}): "
            "run both with the same tasks, data and limit"
        )
    in_a, in_b = solved(a), solved(b)
    return Overlap(len(in_a & in_b), len(in_a - in_b), len(in_b - in_a), len(a) - len(in_a | in_b))
