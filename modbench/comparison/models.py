"""What a comparison says, as plain values: tables, pictures, the page and JSON are made from these."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from modbench.records import ModelInfo, Parameters
from modbench.stats.paired import Standing

MACRO = "macro"
"""Stands for a task: the unweighted mean over tasks."""
MICRO = "micro"
"""Stands for a task: the mean over all documents of all tasks."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Score(_Frozen):
    """An accuracy, averaged over seeds, as a fraction; `low` to `high` is Wilson's interval over documents.

    `stderr` is that of the documents within a seed, `spread` the standard deviation over seeds (None: one seed),
    `seeds` the value of each seed. For a mean over tasks `low` and `high` are None.
    """

    accuracy: float
    stderr: float | None
    low: float | None
    high: float | None
    spread: float | None
    seeds: dict[int, float]


class Clean(_Frozen):
    """One method on the problems of a task that none of the compared methods was trained on.

    `seen` problems are in the method's own training data, `n` in nobody's, and `score` is the accuracy on these `n`
    (None: none is left). None too where the training data are not known, for `n` and `score` those of any method.
    """

    n: int | None
    seen: int | None
    score: Score | None


class Best(_Frozen):
    """The most accurate `methods` on a task (or `MACRO`, `MICRO`), and those `tied` with them: not significantly worse.

    Worse is what a paired test against the first of them says: with one seed an exact McNemar p below 0.05, adjusted
    by Holm over all methods and tasks compared with it, else and for `MACRO` and `MICRO` the wider 95 % interval of the
    difference below 0. A method without a seed in common with the best is neither tied nor worse.
    """

    methods: list[str]
    tied: list[str]


class Cost(_Frozen):
    """What a method costs: means over seeds, the largest peak; None is unknown. Speeds are in tokens per second.

    `overhead` is how many more parameters it trains than `Comparison.over`, in percent.
    """

    parameters: Parameters | None
    overhead: float | None
    adapter_bytes: int | None
    train_seconds: float | None
    train_speed: float | None
    eval_seconds: float | None
    eval_speed: float | None
    peak_memory_bytes: int | None


class MethodRow(_Frozen):
    """One method over its seeds. `tasks`, `macro` and `micro` are accuracies, `clean_macro` is the mean of those in
    `clean` (None: a task has none).

    `no_answer` and `unreadable` are counts by task, summed over seeds. `gates` are those of `late_layers`, counted
    from 0. `pareto` names the costs (fields of `Cost`, `total` for trained parameters) on whose front of macro accuracy
    the method lies.
    """

    method: str
    seeds: list[int]
    tasks: dict[str, Score]
    macro: Score
    micro: Score
    clean: dict[str, Clean]
    clean_macro: Score | None
    no_answer: dict[str, int | None]
    unreadable: dict[str, int | None]
    late_layers: list[int]
    gates: list[float] | None
    cost: Cost
    pareto: list[str]


class Difference(_Frozen):
    """A method minus the baseline on one task (or `MACRO`, `MICRO`), over the `seeds` that both have.

    `interval` is the paired bootstrap's over documents, `seed_interval` Student's over seeds (None: one seed), and
    `standing` follows from the wider. `p_values` are exact McNemar's of each seed's pair, `adjusted` Holm's of them
    over all that the comparison prints (both empty for the two means); `detectable` is the smallest difference that
    these documents could show at the `discordance` seen (None: not even a difference of 1).
    """

    method: str
    baseline: str
    task: str
    seeds: list[int]
    difference: float
    interval: tuple[float, float]
    seed_interval: tuple[float, float] | None
    discordance: float
    p_values: dict[int, float]
    adjusted: dict[int, float]
    detectable: float | None
    standing: Standing


class PairOverlap(_Frozen):
    """How many problems methods `a` and `b` solve together and alone, added up over the seeds that both have."""

    a: str
    b: str
    seeds: list[int]
    both: int
    only_a: int
    only_b: int
    neither: int
    jaccard: float | None
    kappa: float | None
    yule_q: float | None


class Intersection(_Frozen):
    """How many problems exactly `methods` solve and no other does, over the seeds that all methods have."""

    methods: list[str]
    count: int


class SolvedSets(_Frozen):
    """All methods' solved sets at once, over the `seeds` that all methods have and `n` problems in total.

    `intersections` are the largest ones, `rest` counts the problems of those that are not listed. `union` is solved by
    at least one method (the oracle's accuracy is union / n); `attained` is each method's share of it (None where
    nothing is solved), `unique` what only that method solves.
    """

    seeds: list[int]
    n: int
    union: int
    rest: int
    intersections: list[Intersection]
    attained: dict[str, float | None]
    unique: dict[str, int]


class Comparison(_Frozen):
    """Methods on the same documents. `problems` is the number of documents of each task; `notes` say what was reduced,
    what is unknown, and how far the intervals carry. `model` is None where the runs have different bases. `best` is by
    task, `MACRO` and `MICRO`; `over` names the method whose trained parameters overheads count from."""

    suite: str | None
    model: ModelInfo | None
    problems: dict[str, int]
    seeds: list[int]
    baseline: str
    margin: float
    over: str
    methods: list[MethodRow]
    best: dict[str, Best]
    differences: list[Difference]
    overlaps: list[PairOverlap]
    solved: SolvedSets | None
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values, in full precision."""
        return self.model_dump(mode="json")
