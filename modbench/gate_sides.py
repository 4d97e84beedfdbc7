"""What the gate holds against what: of a leaderboard's rows and of new runs one of each method and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modbench.comparison.load import NoRun, from_path
from modbench.comparison.outcomes import RunOutcomes
from modbench.errors import unknown
from modbench.gate import ACCURACY, Check, Limits, Status, check
from modbench.leaderboard import Leaderboard, MeasuredRow, outcomes

Place = tuple[str, int]
"""A method and a seed."""


@dataclass(frozen=True)
class Sides:
    """The outcomes of the leaderboard's rows and of the new runs, which rows have none, and what was left out."""

    before: list[RunOutcomes]
    after: list[RunOutcomes]
    without_verdicts: list[Place]
    notes: list[str]

    def check(self, limits: Limits = ACCURACY) -> list[Check]:
        """All checks; where there are no verdicts to check against, that it cannot be told."""
        said = "its row has no verdicts by document: add that run again with `modbench leaderboard add`"
        untold = [
            Check("accuracy", method, None, seed, Status.CANNOT_TELL, said) for method, seed in self.without_verdicts
        ]
        return untold + check(self.before, self.after, limits)


def read_runs(named: Sequence[str]) -> list[RunOutcomes]:
    """The runs in folders, each as `comparison.load.from_path` reads it; a folder may hold none yet.

    Raises ModbenchError for a folder that is not there, and for damaged runs.
    """
    found: list[RunOutcomes] = []
    for name in named:
        try:
            found += from_path(name)
        except NoRun:
            continue
    return found


def sides(board: Leaderboard, runs: Sequence[RunOutcomes], methods: Sequence[str] = ()) -> Sides:
    """What of `board` and `runs` is to be checked: all measured rows, or those of `methods`.

    Of several runs of a method and seed the one counts whose identity a row has, else the newest; of several rows that
    of the run's identity, else the newest. Runs of other suites are left out. Raises ModbenchError for a method that
    the leaderboard does not have while it has others.
    """
    known = list(dict.fromkeys(row.method for row in board.measured))
    for method in methods:
        if known and method not in known:
            raise unknown("method of this leaderboard", method, known)
    meant = methods or known
    rows: dict[Place, list[MeasuredRow]] = {}
    for row in board.measured:
        if row.method in meant:
            rows.setdefault((row.method, row.seed), []).append(row)
    notes: list[str] = []
    after = _chosen_runs(_of_suite(runs, board.suite, notes), rows, notes)
    chosen = [row for place, several in rows.items() for row in _chosen_rows(place, several, after.get(place), notes)]
    before = outcomes(board.model_copy(update={"rows": chosen}))
    told = {(run.method, run.seed) for run in before}
    if extra := [
        run.name for place, run in after.items() if place not in rows and (not methods or run.method in methods)
    ]:
        notes.append(f"not in the leaderboard: {', '.join(extra)}")
    return Sides(before, list(after.values()), [place for place in rows if place not in told], notes)


def _of_suite(runs: Sequence[RunOutcomes], suite: str, notes: list[str]) -> list[RunOutcomes]:
    """The runs that are of that suite, or of none, such as lm_eval's."""
    others = [run.facts.suite for run in runs if run.facts and run.facts.suite != suite]
    notes += [f"left out, of suite {name}: {others.count(name)}" for name in dict.fromkeys(others)]
    return [run for run in runs if not run.facts or run.facts.suite == suite]


def _chosen_runs(
    runs: Sequence[RunOutcomes], rows: Mapping[Place, Sequence[MeasuredRow]], notes: list[str]
) -> dict[Place, RunOutcomes]:
    several: dict[Place, list[RunOutcomes]] = {}
    for run in runs:
        several.setdefault((run.method, run.seed), []).append(run)
    chosen = {}
    for place, found in several.items():
        known = {row.identity_digest for row in rows.get(place, ())}
        equal = [run for run in found if _identity(run) in known]
        best = chosen[place] = max(equal or found, key=_created)
        if len(found) > 1:
            why = "of a row's identity" if equal else "the newest"
            notes.append(f"{best.name}: of {len(found)} runs {best.folder}, {why}")
    return chosen


def _chosen_rows(
    place: Place, rows: Sequence[MeasuredRow], run: RunOutcomes | None, notes: list[str]
) -> Sequence[MeasuredRow]:
    """The row of the run's identity if there is one, else all, of which `leaderboard.outcomes` takes the newest."""
    if len(rows) == 1:
        return rows
    equal = [row for row in rows if run is not None and row.identity_digest == _identity(run)]
    method, seed = place
    notes.append(f"{method} seed {seed}: of {len(rows)} rows {'that of its identity' if equal else 'the newest'}")
    return equal or rows


def _identity(run: RunOutcomes) -> str | None:
    return run.record.identity_digest if run.record else None


def _created(run: RunOutcomes) -> str:
    return run.record.created if run.record else ""
