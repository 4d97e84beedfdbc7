"""What changed from one leaderboard to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from modbench.leaderboard.schema import Leaderboard, Row

SHOWN = ("kind", "method", "seed", "tasks", "mean", "parameters")
"""Fields of a row that are compared by their numbers, or that its name says."""


class Change(NamedTuple):
    """One thing that differs. `row` names the row (empty: the leaderboard as a whole), `field` is a task, `mean`,
    `trained`, or names fields of which only it is said that they differ; `old` and `new` are accuracies as fractions,
    counts of parameters, or text (None: absent, or too long to say).
    """

    kind: Literal["added", "removed", "changed"]
    row: str
    field: str
    old: float | str | None = None
    new: float | str | None = None

    @property
    def difference(self) -> float | None:
        """New minus old, where both are numbers."""
        if isinstance(self.old, str) or isinstance(self.new, str) or self.old is None or self.new is None:
            return None
        return self.new - self.old


def diff(old: Leaderboard, new: Leaderboard) -> list[Change]:
    """What is different in `new`: first of the leaderboard as a whole, then row by row; empty if nothing is.

    Rows are the same that have the same method, seed and identity; of the others those of the same method and seed.
    """
    found = list(_whole(old, new))
    pairs, removed, added = _paired(old, new)
    for before, after in pairs:
        found += _changed(before, after)
    for row in removed:
        found += [Change("removed", row.name, field, old=value) for field, value in _numbers(row).items()]
    for row in added:
        found += [Change("added", row.name, field, new=value) for field, value in _numbers(row).items()]
    return found


def _whole(old: Leaderboard, new: Leaderboard) -> Iterator[Change]:
    if old.suite != new.suite:
        yield Change("changed", "", "suite", old.suite, new.suite)
    if old.model != new.model:
        names = [f"{model.name} ({model.sha256[:8]})" if model else None for model in (old.model, new.model)]
        yield Change("changed", "", "model", *names)
    for name in sorted(old.data.keys() | new.data.keys()):
        if old.data.get(name) != new.data.get(name):
            digests = [digest[:8] if digest else None for digest in (old.data.get(name), new.data.get(name))]
            yield Change("changed", "", f"data {name}", *digests)


def _paired(old: Leaderboard, new: Leaderboard) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """The rows of both that belong together, and those that only one has."""
    before, after = list(old.rows), list(new.rows)
    pairs = []
    for length in (4, 3):  # of the key: with the identity, then without
        waiting = {row.key[:length]: row for row in reversed(after)}
        for row in list(before):
            if found := waiting.pop(row.key[:length], None):
                pairs.append((row, found))
                before.remove(row)
                after.remove(found)
    return sorted(pairs, key=lambda pair: pair[1].key), before, after


def _changed(old: Row, new: Row) -> Iterator[Change]:
    before, after = _numbers(old), _numbers(new)
    for field in dict.fromkeys([*before, *after]):
        if before.get(field) != after.get(field):
            yield Change("changed", new.name, field, before.get(field), after.get(field))
    names = [name for name in type(new).model_fields if name not in SHOWN]
    others = [name for name in names if getattr(old, name) != getattr(new, name)]
    if others:
        yield Change("changed", new.name, ", ".join(others))


def _numbers(row: Row) -> dict[str, float]:
    accuracies = {task: result.accuracy for task, result in row.tasks.items()}
    return {**accuracies, "mean": row.mean.accuracy, "trained": row.parameters.total}
