"""The regression gate: new runs held against the rows of a leaderboard, document by document or seed by seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from modbench.comparison.join import join
from modbench.comparison.outcomes import Facts, RunOutcomes, TaskOutcomes
from modbench.errors import ModbenchError
from modbench.stats.intervals import LEVEL, Interval, paired_interval, seed_interval, seed_spread
from modbench.stats.paired import detectable, detectable_over_seeds, holm, mcnemar, paired_t

SEEDS = 5
"""How many seeds a retrained method needs on both sides: fewer say little about the spread between trainings."""


class Status(StrEnum):
    """What the gate says of one check, or of all."""

    PASSED = "passed"
    REGRESSED = "regressed"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Limits:
    """What is asked beyond accuracy: a `margin` (as a fraction) asks for non-inferiority in place of significance,
    `speed` and `memory` are the largest ratios, after over before, that evaluation seconds and peak memory may have.

    Raises ModbenchError for a ratio that is not above 0 and finite.
    """

    margin: float | None = None
    speed: float | None = None
    memory: float | None = None

    def __post_init__(self) -> None:
        for name, ratio in (("speed", self.speed), ("memory", self.memory)):
            if ratio is not None and not 0 < ratio < math.inf:
                raise ModbenchError(f"--{name} {ratio:g}: give a ratio above 0, such as 1.5")


ACCURACY = Limits()
"""Nothing but that no accuracy is significantly worse and no parameters are added."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked, and what came of it.

    `seed` is None where several seeds are judged together. `before` and `after` are accuracies as fractions,
    parameters, seconds or bytes, by `kind`. `interval` is of after minus before; `raw` is the one-sided p value for
    "worse", `p_value` the same adjusted over all accuracies checked; `n` counts documents, and `discordance` is the
    share of them on which both differ. Over so many `seeds` that is their mean, and `spread` the standard deviation of
    their differences (at least that of a document either way). `detectable` is the smallest loss that would show in
    80 % of cases, at that discordance or, over seeds, at that spread, and at the level so adjusted. `lost` and `gained`
    are the keys of documents solved before only, and now only (over seeds: by most of them); `said` is the reason in
    words.
    """

    kind: str
    method: str
    task: str | None
    seed: int | None
    status: Status
    said: str
    before: float | None = None
    after: float | None = None
    interval: Interval | None = None
    raw: float | None = None
    p_value: float | None = None
    n: int | None = None
    discordance: float | None = None
    seeds: int | None = None
    spread: float | None = None
    detectable: float | None = None
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()

    @property
    def difference(self) -> float | None:
        """After minus before, where both are known."""
        return None if self.before is None or self.after is None else self.after - self.before

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


def check(before: Sequence[RunOutcomes], after: Sequence[RunOutcomes], limits: Limits = ACCURACY) -> list[Check]:
    """Holds `after` against `before`: for each method of `before` its accuracy by task, its parameters, and its cost.

    A run with the same adapter is compared document by document (exact McNemar, one-sided); retrained ones need
    `SEEDS` seeds on both sides and are compared by their differences seed by seed (Student's paired t, one-sided).
    The p values of all accuracies are adjusted together by Holm, so that equal models raise a false alarm in at most
    1 - `LEVEL` of all calls, however much is checked.
    """
    found: list[Check] = []
    for method in dict.fromkeys(run.method for run in before):
        old = {run.seed: run for run in before if run.method == method}
        new = {run.seed: run for run in after if run.method == method}
        found += _of_method(method, old, new, limits)
    return _decided(found, limits)


def verdict(checks: Iterable[Check]) -> Status:
    """Regressed if anything is, else undecided if anything is, else passed."""
    statuses = {check.status for check in checks}
    for status in (Status.REGRESSED, Status.CANNOT_TELL):
        if status in statuses:
            return status
    return Status.PASSED if statuses else Status.CANNOT_TELL


def _of_method(
    method: str, old: Mapping[int, RunOutcomes], new: Mapping[int, RunOutcomes], limits: Limits
) -> Iterator[Check]:
    if not new:
        yield _unknown("accuracy", method, None, "no run of it is there")
        return
    common = sorted(old.keys() & new.keys())
    same = [seed for seed in common if _same_adapter(old[seed].facts, new[seed].facts)]
    # Without those whose adapter is the same: their differences of 0 would hide what a retrained one lost.
    retrained = [(old[seed], new[seed]) for seed in common if seed not in same]
    for seed in sorted(old.keys() - new.keys()):
        yield _unknown("accuracy", method, seed, "no run of this seed is there")
    for seed in same:
        yield from _by_document(old[seed], new[seed])
    if retrained:
        yield from _by_seed(retrained)
    for seed in common:
        yield from _costs(old[seed], new[seed], limits)


def _same_adapter(old: Facts | None, new: Facts | None) -> bool:
    """Whether both are known to have the same adapter, or none."""
    if old is None or new is None or old.adapter != new.adapter:
        return False
    return old.adapter is not None or old.parameters.total == new.parameters.total == 0


def _by_document(old: RunOutcomes, new: RunOutcomes) -> Iterator[Check]:
    for task in old.tasks:
        joined = _joined(old, new, task)
        if isinstance(joined, str):
            yield _unknown("accuracy", old.method, old.seed, joined, task)
            continue
        theirs, mine = joined
        lost, gained = theirs.correct & ~mine.correct, mine.correct & ~theirs.correct
        b, c, n = int(lost.sum()), int(gained.sum()), mine.n
        yield Check(
            kind="accuracy",
            method=old.method,
            task=task,
            seed=old.seed,
            status=Status.PASSED,
            said="",
            before=float(theirs.correct.mean()),
            after=float(mine.correct.mean()),
            interval=paired_interval([{-1.0: b, 1.0: c, 0.0: n - b - c}], [1.0]),
            raw=mcnemar(c, b, "less"),
            n=n,
            discordance=(b + c) / n,
            lost=_keys(mine, lost),
            gained=_keys(mine, gained),
        )


def _by_seed(pairs: Sequence[tuple[RunOutcomes, RunOutcomes]]) -> Iterator[Check]:
    method = pairs[0][0].method
    if len(pairs) < SEEDS:
        said = f"another or an unknown adapter: that takes {SEEDS} seeds on both sides, {len(pairs)} are there"
        yield _unknown("accuracy", method, None, said)
        return
    for task in dict.fromkeys(task for old, _ in pairs for task in old.tasks):
        joined = [(old.seed, _joined(old, new, task)) for old, new in pairs]
        yield from (_unknown("accuracy", method, seed, of, task) for seed, of in joined if isinstance(of, str))
        sides = [of for _, of in joined if not isinstance(of, str)]
        if len(sides) == len(pairs):
            yield _over_seeds(method, task, sides)


def _over_seeds(method: str, task: str, sides: Sequence[tuple[TaskOutcomes, TaskOutcomes]]) -> Check:
    before, after = ([float(of.correct.mean()) for of in side] for side in zip(*sides, strict=True))
    differences = [now - was for was, now in zip(before, after, strict=True)]
    lost, gained = _moved(sides)
    n = min(of.n for of, _ in sides)
    # One document either way: five seeds that each lose one are no proof.
    floor = math.sqrt(2) / n
    return Check(
        kind="accuracy",
        method=method,
        task=task,
        seed=None,
        status=Status.PASSED,
        said="",
        before=math.fsum(before) / len(sides),
        after=math.fsum(after) / len(sides),
        interval=seed_interval(differences, floor=floor),
        raw=paired_t(differences, "less", floor),
        n=n,
        discordance=math.fsum(float((was.correct != now.correct).mean()) for was, now in sides) / len(sides),
        seeds=len(sides),
        spread=seed_spread(differences, floor),
        lost=lost,
        gained=gained,
    )


def _moved(sides: Sequence[tuple[TaskOutcomes, TaskOutcomes]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The documents that more than half of the seeds solved before and less than half do now, and the other way."""
    if len({of.documents for side in sides for of in side}) > 1:
        return (), ()
    before, after = (sum(of.correct.astype(int) for of in side) * 2 for side in zip(*sides, strict=True))
    half, now = len(sides), sides[0][1]
    return _keys(now, (before > half) & (after < half)), _keys(now, (before < half) & (after > half))


def _joined(old: RunOutcomes, new: RunOutcomes, task: str) -> tuple[TaskOutcomes, TaskOutcomes] | str:
    """The outcomes before and now on a task, or what keeps them from being compared."""
    if task not in old.tasks:
        return "the leaderboard's row of this seed lacks it"
    if task not in new.tasks:
        return "the new run has not answered it"
    before, after = (replace(run, tasks={task: run.tasks[task]}) for run in (old, new))
    try:
        join([replace(before, method=f"the leaderboard's {old.method}"), after])
    except ModbenchError as error:
        return str(error)
    return old.tasks[task], new.tasks[task]


def _costs(old: RunOutcomes, new: RunOutcomes, limits: Limits) -> Iterator[Check]:
    if old.facts is None or new.facts is None:
        for kind, asked in (("parameters", True), ("speed", limits.speed), ("memory", limits.memory)):
            if asked:
                yield _unknown(kind, old.method, old.seed, "lm_eval does not say: use `modbench eval`")
        return
    before, after = old.facts, new.facts
    trained = before.parameters.total, after.parameters.total
    yield _measured(old, "parameters", *trained, trained[1] > trained[0], "trained parameters grew")
    for kind, limit, was, now in (
        ("speed", limits.speed, before.evaluation.seconds, after.evaluation.seconds),
        ("memory", limits.memory, before.evaluation.peak_memory_bytes, after.evaluation.peak_memory_bytes),
    ):
        if limit is None:
            continue
        if not was or now is None:
            yield _unknown(kind, old.method, old.seed, "not measured on both sides")
        else:
            said = f"{now / was:.3g} times as before, more than {limit:g}"
            yield _measured(old, kind, was, now, now / was > limit, said)


def _measured(old: RunOutcomes, kind: str, before: float, after: float, worse: bool, said: str) -> Check:
    status = Status.REGRESSED if worse else Status.PASSED
    return Check(kind, old.method, None, old.seed, status, said if worse else "", before=before, after=after)


def _decided(checks: Sequence[Check], limits: Limits) -> list[Check]:
    """The checks with their p values adjusted, and the verdicts on accuracies that follow from them or the margin."""
    p_values = [check.raw for check in checks if check.raw is not None]
    adjusted = iter(holm(p_values))
    level = 1 - 2 * (1 - LEVEL) / max(len(p_values), 1)  # two-sided, of Holm's first step
    return [check if check.raw is None else _judged(check, next(adjusted), limits.margin, level) for check in checks]


def _judged(check: Check, p_value: float, margin: float | None, level: float) -> Check:
    interval = check.interval
    assert interval is not None
    assert check.n is not None and check.discordance is not None
    if check.seeds is None or check.spread is None:
        would_show = detectable(check.n, check.discordance, level=level)
    else:
        would_show = detectable_over_seeds(check.seeds, check.spread, level=level)
    if p_value < 1 - LEVEL and (margin is None or interval.high < -margin):
        status, said = Status.REGRESSED, "significantly worse"
    elif margin is None or interval.low > -margin:
        status, said = Status.PASSED, ""
    else:
        status, said = Status.CANNOT_TELL, f"its interval reaches below the margin of {100 * margin:g} points"
    return replace(check, p_value=p_value, detectable=would_show, status=status, said=said)


def _unknown(kind: str, method: str, seed: int | None, said: str, task: str | None = None) -> Check:
    return Check(kind, method, task, seed, Status.CANNOT_TELL, said)


def _keys(of: TaskOutcomes, flags: Any) -> tuple[str, ...]:
    """The keys of the flagged documents; none where keys are unknown."""
    return tuple(of.keys[index] for index in flags.nonzero()[0]) if of.keys else ()
