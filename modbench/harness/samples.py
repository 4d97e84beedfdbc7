"""What the harness logs of a task as modbench's samples, their verdicts, and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from typing import Any

from modbench.answers import Outcome
from modbench.data.overlap import problem_of
from modbench.errors import ModbenchError
from modbench.harness.scoring import Kind, score
from modbench.harness.task_files import read_task, task_files
from modbench.records import Sample, TaskResult
from modbench.records.schema import PRIMARY_METRIC

INVALID = "[invalid]"
"""What the harness's own filters put in place of an answer that is not there."""


class Tally:
    """Counts samples one by one: verdicts, and the sum of each metric."""

    def __init__(self) -> None:
        self.n = self.correct = 0
        self._no_answer = self._unreadable = self._unknown = 0
        self._sums: Counter[str] = Counter()
        self._having: Counter[str] = Counter()

    def add(self, sample: Sample) -> None:
        self.n += 1
        self.correct += sample.correct
        if sample.outcome is None:
            self._unknown += 1
            self._no_answer += sample.answer is None
        else:
            self._no_answer += sample.outcome is Outcome.NO_ANSWER
            self._unreadable += sample.outcome is Outcome.UNREADABLE
        for name, value in sample.metrics.items():
            self._sums[name] += value  # type: ignore[assignment]
            self._having[name] += 1

    def result(self) -> TaskResult:
        """The counts of what was added, which is at least one sample; means of the metrics that all samples have."""
        counted = {PRIMARY_METRIC, "no_answer", "unreadable"}
        means = {
            name: total / self.n
            for name, total in self._sums.items()
            if name not in counted and self._having[name] == self.n
        }
        unreadable = None if self._unknown else self._unreadable
        return TaskResult.from_counts(self.n, self.correct, self._no_answer, unreadable, means)


def task_result(samples: Iterable[Sample]) -> TaskResult:
    """The verdicts of `samples`, counted."""
    tally = Tally()
    for sample in samples:
        tally.add(sample)
    return tally.result()


def kind_of(task: str) -> Kind | None:
    """What kind of answer is read from the responses to `task`; None where none is, or where another reads it."""
    if task not in task_files():
        return None
    kind: Kind | None = read_task(task).get("metadata", {}).get("answer")
    return kind


def judged(sample: Sample, kind: Kind, question: str | None) -> Sample:
    """`sample` with the verdicts that its response deserves by the current rules, as an answer to `question`."""
    scored = score(kind, question or "", sample.response, sample.gold)
    return Sample(
        doc_id=sample.doc_id,
        doc_hash=sample.doc_hash,
        response=sample.response,
        answer=scored.answer,
        gold=sample.gold,
        metrics=sample.metrics | scored.metrics | {PRIMARY_METRIC: scored.metrics["exact_match"]},
        question=question,
        outcome=scored.outcome,
        seen=sample.seen,
    )


def with_seen(sample: Sample, problems: Set[str]) -> Sample:
    """`sample` with whether its problem is one of `problems` (`problem_of` each); as it is without a question."""
    if sample.question is None:
        return sample
    return sample.model_copy(update={"seen": problem_of(sample.question) in problems})


def values(row: dict[str, Any]) -> dict[str, float]:
    """The metrics of a logged row that are numbers."""
    return {name: float(row[name]) for name in row["metrics"] if isinstance(row[name], (int, float))}


def to_sample(row: dict[str, Any], kind: Kind | None = None) -> Sample:
    """A row of the harness's `samples` as ours, judged by us where the `kind` of the answer is ours to read.

    Raises ModbenchError if the row's first metric says neither right nor wrong, or if none is a number.
    """
    found = values(row)
    if not found:
        raise ModbenchError("no metric is a number: name a task that says right or wrong")
    primary = PRIMARY_METRIC if PRIMARY_METRIC in found else next(iter(found))
    if found[primary] not in (0.0, 1.0):
        raise ModbenchError(f"a verdict is {primary} = {found[primary]}: name a task that says right or wrong")
    response, answer, gold = _texts(row)
    question = row["doc"].get("instruction")
    sample = Sample(
        doc_id=row["doc_id"],
        doc_hash=row["doc_hash"],
        response=response,
        answer=answer,
        gold=gold,
        metrics=found | {PRIMARY_METRIC: found[primary]},
        question=question if isinstance(question, str) else None,
        outcome=_outcome(found[primary], answer),
    )
    return sample if kind is None else judged(sample, kind, sample.question)


def _outcome(verdict: float, answer: str | None) -> Outcome:
    if verdict:
        return Outcome.CORRECT
    return Outcome.NO_ANSWER if answer is None else Outcome.WRONG


def _texts(row: dict[str, Any]) -> tuple[str, str | None, str]:
    """The response, the answer extracted from it and the gold; for log-likelihoods the likeliest choice is both."""
    filtered, target = row["filtered_resps"], row["target"]
    if not isinstance(filtered[0], (list, tuple)):
        return row["resps"][0][0], None if filtered[0] == INVALID else str(filtered[0]), str(target)
    best = max(range(len(filtered)), key=lambda i: filtered[i][0])
    continuations = [str(arguments[1]).strip() for arguments in row["arguments"]]
    if len(set(continuations)) == 1 and "choices" in row["doc"]:  # the choices are in the contexts
        return row["doc"]["choices"][best], row["doc"]["choices"][best], row["doc"]["answer"]
    gold = continuations[target] if isinstance(target, int) else str(target)
    return continuations[best], continuations[best], gold
