"""What a leaderboard file holds, checked whenever one is made or read; published as JSON Schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints, model_validator

from modbench.records import Environment, Evaluation, ModelInfo, Parameters, Rescored, TaskResult, Training
from modbench.records.schema import Model, Name, Sha256, UtcTime, same_number
from modbench.stats.accuracy import Estimate, mean
from modbench.stats.solved import unpack

Version = Literal[3]
VERSION: Version = 3
"""What is written. 1 and 2 held measured rows only (with `source` for `kind`) and no outcomes; 1 had older records."""
READABLE = (1, 2, VERSION)
"""What is read; what an older version does not say is null, or empty."""

Key = tuple[str, str, int, str]
Digits = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?$")]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Mean(Model):
    """The unweighted mean over a row's tasks, from 0 to 1, and its standard error (null: unknown)."""

    accuracy: Fraction
    stderr: float | None

    @classmethod
    def over(cls, tasks: dict[str, TaskResult] | dict[str, PublishedResult]) -> Mean:
        """The mean of `tasks`, of which there is at least one."""
        value, stderr = mean([Estimate(result.accuracy, result.stderr) for result in tasks.values()])
        return cls(accuracy=value, stderr=stderr)


class Outcomes(Model):
    """Every verdict of a task, its documents in the order of their sorted keys, so that later runs can be paired.

    `documents` is the SHA-256 over those keys, `conditions` what else must be equal for a comparison, `correct` has the
    verdicts packed eight to a byte, the first in the highest bit, in base64, and `seen`, packed alike, which documents
    the method's own training data contained (null: unknown).
    """

    documents: Sha256
    conditions: dict[str, str]
    correct: str
    seen: str | None = None


class MeasuredRow(Model):
    """One run, from its record. Its numbers are checked against its counts, and those against its verdicts.

    `outcomes` has the verdicts of every task; `adapter` is the SHA-256 of the adapter's weights and `adapter_bytes`
    their size (each null where it is unknown, or nothing was tuned).
    """

    kind: Literal["measured"] = "measured"
    method: Name
    seed: NonNegativeInt
    tasks: dict[Name, TaskResult] = Field(min_length=1)
    mean: Mean
    parameters: Parameters
    late_layers: list[NonNegativeInt]
    gates: list[float] | None
    training: Training | None
    evaluation: Evaluation
    environment: Environment
    identity_digest: Sha256
    created: UtcTime
    rescored: Rescored | None = None
    outcomes: dict[Name, Outcomes] | None = None
    adapter: Sha256 | None = None
    adapter_bytes: PositiveInt | None = None

    @property
    def key(self) -> Key:
        """What tells rows apart, and orders them."""
        return self.kind, self.method, self.seed, self.identity_digest

    @property
    def name(self) -> str:
        """The row in words."""
        return f"{self.method} seed {self.seed}"

    @model_validator(mode="after")
    def _numbers_follow(self) -> Self:
        _check_mean(self.mean, Mean.over(self.tasks))
        if self.outcomes is not None:
            if self.outcomes.keys() != self.tasks.keys():
                raise ValueError(f"outcomes of {', '.join(self.outcomes)} in a row on {', '.join(self.tasks)}")
            for task, of in self.outcomes.items():
                _check_verdicts(task, self.tasks[task], of)
        return self


class PublishedResult(Model):
    """A task's accuracy as printed, as a fraction; what the source does not tell is null."""

    accuracy: Fraction
    stderr: None = None
    n: None = None
    correct: None = None


class Source(Model):
    """Where a row was published."""

    citation: str
    url: str
    table: str


class Printed(Model):
    """What the source prints beside the accuracies, in percent with its digits, and whether our numbers round to it."""

    mean: Digits
    mean_agrees: bool
    overhead: Digits | None
    overhead_agrees: bool | None

    @classmethod
    def beside(cls, mean: float, overhead_percent: float | None, printed: str, printed_overhead: str | None) -> Printed:
        """The mean (a fraction) and overhead computed here held against what is printed."""
        agrees = None
        if printed_overhead is not None and overhead_percent is not None:
            agrees = rounds_to(overhead_percent, printed_overhead)
        return cls(
            mean=printed,
            mean_agrees=rounds_to(100 * mean, printed),
            overhead=printed_overhead,
            overhead_agrees=agrees,
        )


class PublishedRow(Model):
    """One line of a publication's table on base `model`; the mean is computed here from the printed accuracies.

    `parameters` are counted here, on that model's shapes with the published recipe; `gates` were not published.
    """

    kind: Literal["published"] = "published"
    method: Name
    seed: None = None
    model: str
    source: Source
    tasks: dict[Name, PublishedResult] = Field(min_length=1)
    mean: Mean
    printed: Printed
    parameters: Parameters
    late_layers: list[NonNegativeInt]
    gates: None = None

    @property
    def key(self) -> Key:
        """What tells rows apart, and orders them."""
        return self.kind, self.method, 0, f"{self.model} {self.source.citation}"

    @property
    def name(self) -> str:
        """The row in words."""
        return f"{self.method} published"

    @model_validator(mode="after")
    def _numbers_follow(self) -> Self:
        _check_mean(self.mean, Mean.over(self.tasks))
        printed, overhead = self.printed, self.parameters.overhead_percent
        true = Printed.beside(self.mean.accuracy, overhead, printed.mean, printed.overhead)
        for what in ("mean_agrees", "overhead_agrees"):
            if getattr(printed, what) != getattr(true, what):
                raise ValueError(f"printed {what} is {getattr(true, what)}, not {getattr(printed, what)}")
        return self


Row = MeasuredRow | PublishedRow


class RowFaults(ValueError):
    """Rows that are sound but do not fit together; `faults` says what is wrong with which, by its index."""

    def __init__(self, message: str, faults: Sequence[tuple[int, str]]) -> None:
        super().__init__(message)
        self.faults = faults


class Leaderboard(Model):
    """The rows of one suite. `model` is the base of the measured rows (null: there are none), `data` maps each of their
    data files or sets to its SHA-256."""

    schema_version: Version = VERSION
    suite: Name
    model: ModelInfo | None
    data: dict[str, Sha256]
    rows: list[Annotated[Row, Field(discriminator="kind")]]

    @property
    def measured(self) -> list[MeasuredRow]:
        """The rows that come from records."""
        return [row for row in self.rows if isinstance(row, MeasuredRow)]

    @property
    def published(self) -> list[PublishedRow]:
        """The rows that come from publications."""
        return [row for row in self.rows if isinstance(row, PublishedRow)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.measured and self.model is None:
            raise ValueError("measured rows without a model")
        found = ((index, _fault(row, self.rows[:index])) for index, row in enumerate(self.rows))
        if faults := [(index, fault) for index, fault in found if fault]:
            raise RowFaults("; ".join(f"{self.rows[index].name} {fault}" for index, fault in faults), faults)
        return self


def _fault(row: Row, above: Sequence[Row]) -> str | None:
    """What is wrong with `row` beside the rows `above` it."""
    if any(other.key == row.key for other in above):
        return "is there twice"
    for other in above:
        if isinstance(row, MeasuredRow) and isinstance(other, MeasuredRow) and _same_run(row, other):
            of = f"{other.identity_digest[:8]} and {row.identity_digest[:8]}"
            return f"is one run under two identities, {of}: no two runs are equal in all else"
    if above and row.key < above[-1].key:
        return f"stands behind {above[-1].name}: rows are sorted by kind, method, seed and identity"
    return None


def _same_run(row: MeasuredRow, other: MeasuredRow) -> bool:
    """Whether two rows differ in nothing but what they say they are."""
    return row.created == other.created and row.model_copy(update={"identity_digest": other.identity_digest}) == other


def rounds_to(value: float, printed: str) -> bool:
    """Whether `value` rounds to `printed` at its number of decimals; a tie may go either way."""
    decimals = len(printed.partition(".")[2])
    return abs(value - float(printed)) <= 0.5 * 10.0**-decimals + 1e-9


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what is written; what it cannot say, such as that a mean follows, `validate` checks."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Leaderboard.model_json_schema()}


def _check_mean(stated: Mean, true: Mean) -> None:
    for field in ("accuracy", "stderr"):
        mine, theirs = getattr(stated, field), getattr(true, field)
        if not same_number(mine, theirs):
            raise ValueError(f"mean {field} {mine} is not the {theirs} of the tasks")


def _check_verdicts(task: str, result: TaskResult, outcomes: Outcomes) -> None:
    correct = int(unpack(outcomes.correct, result.n, f"the packed verdicts of {task}").sum())
    if outcomes.seen is not None:
        unpack(outcomes.seen, result.n, f"the packed `seen` of {task}")
    if correct != result.correct:
        raise ValueError(f"{task}: {correct} correct by its verdicts, {result.correct} by its counts")
    metric = outcomes.conditions.get("metric")
    if metric in result.metrics and not same_number(result.metrics[metric], result.accuracy):
        raise ValueError(f"{task}: {metric} {result.metrics[metric]} is not the accuracy {result.accuracy}")
