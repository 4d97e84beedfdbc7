"""Finished runs side by side: how many problems each method solves, which ones, and at what cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from modbench.errors import ModbenchError
from modbench.records import Evaluation, ModelInfo, Parameters, Record, Training, read_run_samples
from modbench.stats.accuracy import Estimate, mean
from modbench.stats.overlap import Key, Overlap, overlap, verdicts

Run = tuple[Path, Record]
"""The folder of a finished run, and its record."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Score(_Frozen):
    """An accuracy and its standard error (None: unknown), as fractions."""

    accuracy: float
    stderr: float | None


class MethodRow(_Frozen):
    """One method over its seeds: means of accuracies, gates and seconds, and the largest peak memory.

    `mean` is the unweighted mean over tasks. `gates` are those of `late_layers`, counted from 0.
    """

    method: str
    seeds: list[int]
    tasks: dict[str, Score]
    mean: Score
    parameters: Parameters
    late_layers: list[int]
    gates: list[float] | None
    train_seconds: float | None
    eval_seconds: float
    peak_memory_bytes: int | None


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


class Comparison(_Frozen):
    """The methods of one suite on one model; `problems` is the number of problems of each task."""

    suite: str
    model: ModelInfo
    problems: dict[str, int]
    seeds: list[int]
    methods: list[MethodRow]
    overlaps: list[PairOverlap]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values, in full precision."""
        return self.model_dump(mode="json")


def compare(runs: Sequence[Run]) -> Comparison:
    """Compare finished runs, methods in the order in which they first come; reads each run's samples from its folder.

    Raises ModbenchError if there are none, if one is given twice, if they are of different suites, models, tasks or
    numbers of problems, or if samples are damaged or do not match.
    """
    if not runs:
        raise ModbenchError("there is nothing to compare: run at least one method first")
    _check_comparable(runs)
    groups: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run[1].seed):
        groups.setdefault(run[1].method, []).append(run)
    order = list(dict.fromkeys(record.method for _, record in runs))
    solved = {
        method: {record.seed: verdicts(read_run_samples(folder, record)) for folder, record in groups[method]}
        for method in order
    }
    first = runs[0][1]
    return Comparison(
        suite=first.suite,
        model=first.model,
        problems=_problems(first),
        seeds=sorted({record.seed for _, record in runs}),
        methods=[_row([record for _, record in groups[method]], list(first.tasks)) for method in order],
        overlaps=[_pair(a, b, solved[a], solved[b]) for a, b in combinations(order, 2) if solved[a].keys() & solved[b]],
    )


def _check_comparable(runs: Sequence[Run]) -> None:
    aspects: dict[str, Callable[[Record], object]] = {
        "suites": lambda record: record.suite,
        "model weights": lambda record: record.model.sha256,
        "tasks or limits": _problems,
    }
    folder, first = runs[0]
    for other_folder, other in runs[1:]:
        for aspect, of in aspects.items():
            if of(first) != of(other):
                raise ModbenchError(
                    f"{folder} and {other_folder} have different {aspect}, {of(first)} and {of(other)}: "
                    "compare runs that differ in method and seed only"
                )
    seen: dict[tuple[str, int], Path] = {}
    for folder, record in runs:
        key = record.method, record.seed
        if key in seen:
            raise ModbenchError(f"{seen[key]} and {folder} are both {key[0]}, seed {key[1]}: compare one of them")
        seen[key] = folder
    tuned: dict[str, Run] = {}
    for folder, record in runs:
        twin_folder, twin = tuned.setdefault(record.method, (folder, record))
        if (twin.parameters, twin.late_layers) != (record.parameters, record.late_layers):
            raise ModbenchError(f"{twin_folder} and {folder} train different parameters: compare one of them")


def _problems(record: Record) -> dict[str, int]:
    return {task: result.n for task, result in record.tasks.items()}


def _row(records: Sequence[Record], tasks: Sequence[str]) -> MethodRow:
    first = records[0]
    scores = {
        task: mean([Estimate(record.tasks[task].accuracy, record.tasks[task].stderr) for record in records])
        for task in tasks
    }
    gates = [record.gates for record in records if record.gates is not None]
    training = [record.training for record in records if record.training is not None]
    costs: list[Training | Evaluation] = [*training, *(record.evaluation for record in records)]
    return MethodRow(
        method=first.method,
        seeds=[record.seed for record in records],
        tasks={task: _score(estimate) for task, estimate in scores.items()},
        mean=_score(mean(list(scores.values()))),
        parameters=first.parameters,
        late_layers=first.late_layers,
        gates=[_average(layer) for layer in zip(*gates, strict=True)] if gates else None,
        train_seconds=_average([cost.seconds for cost in training]) if training else None,
        eval_seconds=_average([record.evaluation.seconds for record in records]),
        peak_memory_bytes=max((c.peak_memory_bytes for c in costs if c.peak_memory_bytes is not None), default=None),
    )


def _pair(a: str, b: str, of_a: dict[int, dict[Key, bool]], of_b: dict[int, dict[Key, bool]]) -> PairOverlap:
    seeds = sorted(of_a.keys() & of_b.keys())
    total = Overlap(0, 0, 0, 0)
    for seed in seeds:
        try:
            total += overlap(of_a[seed], of_b[seed])
        except ModbenchError as error:
            raise ModbenchError(f"{a} and {b}, seed {seed}: {error}") from error
    return PairOverlap(
        a=a,
        b=b,
        seeds=seeds,
        both=total.both,
        only_a=total.only_a,
        only_b=total.only_b,
        neither=total.neither,
        jaccard=total.jaccard,
    )


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _score(estimate: Estimate) -> Score:
    return Score(accuracy=estimate.value, stderr=estimate.stderr)
