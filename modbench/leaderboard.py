"""Measured results of a suite in one JSON file that is published with the package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from modbench import resources
from modbench.atomic import write_json
from modbench.errors import ModbenchError
from modbench.records import (
    SCHEMA_VERSION,
    Environment,
    Evaluation,
    ModelInfo,
    Parameters,
    Record,
    TaskResult,
    Training,
)
from modbench.records.files import read_model
from modbench.records.schema import Model, Name, Sha256, UtcTime
from modbench.stats.accuracy import Estimate, mean


class Mean(Model):
    """The unweighted mean over a row's tasks, from 0 to 1, and its standard error (null: unknown)."""

    accuracy: float
    stderr: float | None

    @classmethod
    def over(cls, tasks: dict[str, TaskResult]) -> Mean:
        """The mean of `tasks`, of which there is at least one."""
        value, stderr = mean([Estimate(result.accuracy, result.stderr) for result in tasks.values()])
        return cls(accuracy=value, stderr=stderr)


class Row(Model):
    """One run. Its numbers are checked against its counts whenever it is made or read."""

    source: Literal["measured"] = "measured"
    method: Name
    seed: int
    tasks: dict[Name, TaskResult] = Field(min_length=1)
    mean: Mean
    parameters: Parameters
    late_layers: list[int]
    gates: list[float] | None
    training: Training | None
    evaluation: Evaluation
    environment: Environment
    identity_digest: Sha256
    created: UtcTime

    @model_validator(mode="after")
    def _mean_follows_from_tasks(self) -> Self:
        expected = Mean.over(self.tasks)
        for field, stated, true in (
            ("accuracy", self.mean.accuracy, expected.accuracy),
            ("stderr", self.mean.stderr, expected.stderr),
        ):
            if (stated is None) != (true is None) or not math.isclose(stated or 0, true or 0, abs_tol=1e-9):
                raise ValueError(f"mean {field} {stated} is not the {true} of {self.method}'s tasks")
        return self


class Leaderboard(Model):
    """The rows of one suite on one model; `data` maps each data file or set to its SHA-256."""

    schema_version: Literal[1] = SCHEMA_VERSION
    suite: Name
    model: ModelInfo
    data: dict[str, Sha256]
    rows: list[Row]


def from_records(records: Sequence[Record]) -> Leaderboard:
    """The leaderboard of finished runs, of one suite, model and data; raises ModbenchError otherwise."""
    if not records:
        raise ModbenchError("a leaderboard needs at least one finished run")
    boards = [
        Leaderboard(suite=record.suite, model=record.model, data=record.data, rows=[_row(record)]) for record in records
    ]
    board = boards[0]
    for other in boards[1:]:
        board = merge(board, other)
    return board


def merge(old: Leaderboard, new: Leaderboard) -> Leaderboard:
    """The rows of both; `new` replaces rows of the same method, seed and identity.

    Raises ModbenchError if they are of different suites, weights or data.
    """
    if old.suite != new.suite:
        raise ModbenchError(f"rows of suite {new.suite!r} in the leaderboard of {old.suite!r}: use a file per suite")
    if old.model.sha256 != new.model.sha256:
        raise ModbenchError(
            f"{new.model.name} (sha256 {new.model.sha256[:8]}) has other weights than the leaderboard's "
            f"{old.model.name} ({old.model.sha256[:8]}): use another file"
        )
    for name in old.data.keys() & new.data.keys():
        if old.data[name] != new.data[name]:
            raise ModbenchError(f"data {name!r} differs from the leaderboard's: use another file")
    rows = {(row.method, row.seed, row.identity_digest): row for row in (*old.rows, *new.rows)}
    model = new.model if new.model.note else new.model.model_copy(update={"note": old.model.note})
    return old.model_copy(update={"model": model, "data": old.data | new.data, "rows": list(rows.values())})


def read_leaderboard(path: Path) -> Leaderboard:
    """The leaderboard in `path`; raises ModbenchError if it is absent, damaged, or its numbers do not add up."""
    return read_model(path, Leaderboard, "restore it, or write it anew from the records")


def published(suite: str) -> Leaderboard | None:
    """The leaderboard of `suite` that comes with modbench, if there is one."""
    path = resources.folder("leaderboards") / f"{suite}.json"
    return read_leaderboard(path) if path.exists() else None


def write_leaderboard(path: Path, leaderboard: Leaderboard) -> Leaderboard:
    """Merge `leaderboard` into the file `path` (made if absent) and return what the file holds now.

    Raises ModbenchError, and leaves the file as it is, if that is damaged or does not fit.
    """
    merged = merge(read_leaderboard(path), leaderboard) if path.exists() else leaderboard
    write_json(path, merged.model_dump(mode="json"))
    return merged


def _row(record: Record) -> Row:
    return Row(
        method=record.method,
        seed=record.seed,
        tasks=record.tasks,
        mean=Mean.over(record.tasks),
        parameters=record.parameters,
        late_layers=record.late_layers,
        gates=record.gates,
        training=record.training,
        evaluation=record.evaluation,
        environment=record.environment,
        identity_digest=record.identity_digest,
        created=record.created,
    )
