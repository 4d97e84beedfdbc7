"""What the harness logs of a task as modbench's samples, and their counts."""

from __future__ import annotations

from typing import Any

from modbench.errors import ModbenchError
from modbench.harness.tasks import INVALID
from modbench.records import Sample, TaskResult
from modbench.records.schema import PRIMARY_METRIC


def task_result(samples: list[Sample]) -> TaskResult:
    """The verdicts of `samples`, counted."""
    correct = sum(sample.correct for sample in samples)
    return TaskResult.from_counts(len(samples), correct, sum(sample.answer is None for sample in samples))


def values(row: dict[str, Any]) -> dict[str, float]:
    """The metrics of a logged row that are numbers."""
    return {name: float(row[name]) for name in row["metrics"] if isinstance(row[name], (int, float))}


def to_sample(row: dict[str, Any]) -> Sample:
    """A row of the harness's `samples` as ours; ModbenchError if its first metric says neither right nor wrong."""
    found = values(row)
    primary = PRIMARY_METRIC if PRIMARY_METRIC in found else next(iter(found))
    if found[primary] not in (0.0, 1.0):
        raise ModbenchError(f"a verdict is {primary} = {found[primary]}: name a task that says right or wrong")
    response, answer = _answer(row)
    return Sample(
        doc_id=row["doc_id"],
        doc_hash=row["doc_hash"],
        response=response,
        answer=answer,
        gold=str(_gold(row)),
        metrics=found | {PRIMARY_METRIC: found[primary]},
    )


def _answer(row: dict[str, Any]) -> tuple[str, str | None]:
    """The response and the answer extracted from it; for log-likelihoods the likeliest choice is both."""
    filtered = row["filtered_resps"]
    if isinstance(filtered[0], (list, tuple)):
        best = max(range(len(filtered)), key=lambda i: filtered[i][0])
        choice = str(row["arguments"][best][1]).strip()
        return choice, choice
    answer = filtered[0] if isinstance(filtered[0], str) else filtered[0][0]
    return row["resps"][0][0], None if answer == INVALID else str(answer)


def _gold(row: dict[str, Any]) -> Any:
    if isinstance(row["target"], int) and isinstance(row["filtered_resps"][0], (list, tuple)):
        return str(row["arguments"][row["target"]][1]).strip()
    return row["target"]
