"""Which problems two methods solve: together, alone, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
