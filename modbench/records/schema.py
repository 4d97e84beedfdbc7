"""The contents of a record and of a sample, checked whenever one is made or read."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from modbench.answers import Outcome
from modbench.stats.accuracy import accuracy

SchemaVersion = Literal[2]
SCHEMA_VERSION: SchemaVersion = 2
"""What is written. Version 1 had no `question`, `outcome`, `seen`, `unreadable`, `metrics` and `rescored`."""
READABLE_VERSIONS = (1, SCHEMA_VERSION)
"""What is read; what an older version does not say is null, or empty."""
PRIMARY_METRIC = "acc"
"""The metric that says whether a sample is correct: it is, where the value is above 0."""
SHARES = ("exact_match", "llm_adapters")
"""Metrics that are 0 or 1 for a sample, so that their mean is a share."""
PLAIN_NAME = r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$"
"""A name that can be a file's: no separator, no control character, no leading dot."""


def canonical_json(value: object) -> str:
    """`value` as JSON in one form only: sorted keys, no spaces, ASCII. Raises ValueError for what JSON cannot say."""
    try:
        # Twice, since keys that are numbers sort as text only once they are text.
        plain = json.loads(json.dumps(value, allow_nan=False))
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def identity_digest(identity: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the canonical JSON of `identity`: equal for equal identities, whatever their key order."""
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()


def utc_now() -> str:
    """The present moment, ISO 8601 in UTC to the second, as `Record.created` wants it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _check_utc(text: str) -> str:
    if datetime.fromisoformat(text).utcoffset() != timedelta(0):
        raise ValueError(f"{text!r} is not a time in UTC")
    return text


def _as_json(value: object) -> object:
    # A tuple becomes a list now, not at the first reading: a record equals what is read back.
    return json.loads(canonical_json(value))


def _whole(text: object) -> object:
    if not isinstance(text, str) or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def same_number(stated: float | None, true: float | None) -> bool:
    """Whether two numbers differ in rounding at most, or both are unknown."""
    if stated is None or true is None:
        return stated is true
    return math.isclose(stated, true, rel_tol=1e-12)


Name = Annotated[str, StringConstraints(pattern=PLAIN_NAME)]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_as_json)]
UtcTime = Annotated[str, AfterValidator(_check_utc)]
Text = Annotated[str, BeforeValidator(_whole)]
"""Text that UTF-8 can say: half a surrogate pair becomes U+FFFD."""


class Model(BaseModel):
    """The base of everything that is stored: no unknown fields, no changes after the check, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TaskResult(Model):
    """The verdicts of one task, counted: `accuracy` = correct / n from 0 to 1, its standard error (null if n = 1).

    `no_answer` counts responses in which no answer was found, `unreadable` those not readable within the limits (null:
    unknown); both are wrong. `metrics` has the mean of each metric over the samples.
    """

    n: PositiveInt
    correct: NonNegativeInt
    accuracy: float
    stderr: float | None
    no_answer: NonNegativeInt
    unreadable: NonNegativeInt | None = None
    metrics: dict[str, float] = {}

    @classmethod
    def from_counts(
        cls,
        n: int,
        correct: int,
        no_answer: int = 0,
        unreadable: int | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> TaskResult:
        """The result with its accuracy and standard error computed; raises ValueError at impossible counts."""
        value, stderr = accuracy(correct, n)
        return cls(
            n=n,
            correct=correct,
            accuracy=value,
            stderr=stderr,
            no_answer=no_answer,
            unreadable=unreadable,
            metrics=dict(metrics or {}),
        )

    @model_validator(mode="after")
    def _follows_from_counts(self) -> Self:
        if self.no_answer > self.n:
            raise ValueError(f"{self.no_answer} without an answer of {self.n}")
        if self.unreadable is not None and self.correct + self.no_answer + self.unreadable > self.n:
            counts = f"{self.correct} correct, {self.no_answer} without an answer, {self.unreadable} unreadable"
            raise ValueError(f"{counts} of {self.n}")
        for name in SHARES:
            if not 0 <= self.metrics.get(name, 0) <= 1:
                raise ValueError(f"{name} {self.metrics[name]} is no share")
        value, stderr = accuracy(self.correct, self.n)
        if not same_number(self.accuracy, value):
            raise ValueError(f"accuracy {self.accuracy} is not correct / n = {value}")
        if not same_number(self.stderr, stderr):
            raise ValueError(f"stderr {self.stderr} is not the {stderr} of {self.correct} correct of {self.n}")
        return self


class Parameters(Model):
    """How many parameters are trained, by part, and `total` in percent over `lora_not_k`'s (null: no such base).

    `lora` is all that PEFT trains, whatever the PEFT method.
    """

    lora: NonNegativeInt
    norms: NonNegativeInt
    router: NonNegativeInt
    total: NonNegativeInt
    overhead_percent: float | None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.total != self.lora + self.norms + self.router:
            raise ValueError(f"total {self.total} is not lora + norms + router")
        return self


class Training(Model):
    """What training took: label and prompt tokens seen, examples and how many of them were cut off, optimizer steps,
    and the mean loss of the last logged steps (null if unknown or not finite)."""

    seconds: NonNegativeFloat
    tokens: NonNegativeInt
    peak_memory_bytes: NonNegativeInt | None
    examples: NonNegativeInt
    cut_off: NonNegativeInt
    steps: NonNegativeInt
    loss: float | None


class Evaluation(Model):
    """What evaluation took."""

    seconds: NonNegativeFloat
    tokens: NonNegativeInt | None
    peak_memory_bytes: NonNegativeInt | None


class Environment(Model):
    """Where the run happened: package versions, the processor or accelerator in words, threads, Python's version."""

    packages: dict[str, str]
    hardware: str
    threads: PositiveInt
    python: str


class ModelInfo(Model):
    """The base model: `sha256` over its weights, `note` on their origin (such as "de-quantized from Q4_1")."""

    name: str
    revision: str | None
    sha256: Sha256
    note: str | None = None


class Rescored(Model):
    """When stored responses were judged anew, by which modbench, and of which tasks."""

    at: UtcTime
    modbench: str
    tasks: list[Name]


class Record(Model):
    """A finished run: what it was, what came out, and all that is needed to get it again.

    `data` maps each data file or set to its SHA-256; `late_layers` counts layers from 0, and `gates` is the mean
    gate of each (null without a router). `training` is null for a method that trains nothing. `rescored` is null where
    the verdicts are those of the run itself.
    """

    schema_version: SchemaVersion = SCHEMA_VERSION
    suite: Name
    method: Name
    seed: NonNegativeInt
    identity: JsonObject
    identity_digest: Sha256
    model: ModelInfo
    data: dict[str, Sha256]
    data_report: JsonObject | None
    prompt: str
    recipe: JsonObject
    environment: Environment
    parameters: Parameters
    late_layers: list[NonNegativeInt]
    gates: list[float] | None
    training: Training | None
    evaluation: Evaluation
    tasks: dict[Name, TaskResult]
    created: UtcTime
    rescored: Rescored | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.identity_digest != identity_digest(self.identity):
            raise ValueError("identity_digest is not the digest of the identity")
        if self.gates is not None and len(self.gates) != len(self.late_layers):
            raise ValueError(f"{len(self.gates)} gates for {len(self.late_layers)} late layers")
        if not self.tasks:
            raise ValueError("no task")
        return self


class Sample(Model):
    """One answered problem: the model's `response`, the `answer` read from it (null if none), the `gold` one, and each
    metric's verdict, `acc` among them.

    `doc_hash` says which problem it is, `question` is its instruction, `outcome` what came of it, and `seen` whether
    the problem is in the method's own training data (each null if unknown).
    """

    doc_id: NonNegativeInt
    doc_hash: Text
    response: Text
    answer: Text | None
    gold: Text
    metrics: dict[str, float]
    question: Text | None = None
    outcome: Outcome | None = None
    seen: bool | None = None

    @model_validator(mode="after")
    def _has_a_verdict(self) -> Self:
        if PRIMARY_METRIC not in self.metrics:
            raise ValueError(f"metrics without {PRIMARY_METRIC!r}")
        if self.metrics[PRIMARY_METRIC] not in (0.0, 1.0):
            raise ValueError(f"{PRIMARY_METRIC} {self.metrics[PRIMARY_METRIC]} is neither 0 nor 1")
        if self.outcome is not None and (self.outcome is Outcome.CORRECT) != self.correct:
            raise ValueError(f"outcome {self.outcome.value!r} with {PRIMARY_METRIC} {self.metrics[PRIMARY_METRIC]}")
        return self

    @property
    def correct(self) -> bool:
        return self.metrics[PRIMARY_METRIC] > 0
