"""What an evaluation came to: every metric of every task with its standard error, and the means of our groups."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modbench.harness.task_files import group_files, group_tasks
from modbench.records import Sample, iter_samples, samples_file
from modbench.records.log import read_log
from modbench.stats.accuracy import Estimate, mean

_COUNTED = ("no_answer", "unreadable")
"""Metrics that stand as counts in columns of their own."""


@dataclass(frozen=True)
class Line:
    """What one task, or a group of them, came to; speed in tokens per second, None where nothing was generated."""

    name: str
    n: int
    metrics: Mapping[str, Estimate]
    no_answer: int
    unreadable: int | None
    speed: float | None


def task_line(name: str, samples: Iterable[Sample], tokens: int, seconds: float) -> Line:
    """The line of a task: of each metric the mean over its samples and the standard error of that mean."""
    values: dict[str, list[float]] = {}
    outcomes: list[str | None] = []
    for sample in samples:
        outcomes.append(sample.outcome or (None if sample.answer is not None else "no_answer"))
        for metric, value in sample.metrics.items():
            values.setdefault(metric, []).append(value)
    n = len(outcomes)
    shown = {metric: _estimate(each) for metric, each in values.items() if metric not in _COUNTED and len(each) == n}
    if "exact_match" in shown:
        shown.pop("acc", None)  # which repeats it, for the tables that compare methods
    return Line(
        name,
        n,
        shown,
        outcomes.count("no_answer"),
        None if None in outcomes else outcomes.count("unreadable"),
        tokens / seconds if tokens and seconds else None,
    )


def group_lines(name: str, members: Sequence[Line]) -> list[Line]:
    """A group's means over the metrics that all members have: of the tasks, each counting once, and of all problems."""
    n = sum(line.n for line in members)
    common = [metric for metric in members[0].metrics if all(metric in line.metrics for line in members)]
    by_task = {metric: mean([line.metrics[metric] for line in members]) for metric in common}
    by_problem = {metric: _weighted([(line.metrics[metric], line.n) for line in members]) for metric in common}
    counts = [line.unreadable for line in members]
    unreadable = None if None in counts else sum(count or 0 for count in counts)
    no_answer = sum(line.no_answer for line in members)
    return [
        Line(f"{name}, mean of {len(members)} tasks", n, by_task, no_answer, unreadable, None),
        Line(f"{name}, all problems", n, by_problem, no_answer, unreadable, None),
    ]


def summary(folder: Path, names: Iterable[str]) -> list[Line]:
    """The lines of the finished evaluation in `folder`: those of the tasks that `names` name, and of their groups.

    Groups come last. Raises ModbenchError if a file is absent or damaged.
    """
    log, lines, groups = read_log(folder), dict[str, Line](), list[Line]()
    for name in names:
        tasks = group_tasks(name) if name in group_files() else [name]
        for task in tasks:
            if task not in lines:
                entries = [entry for entry in log if entry.get("task") == task]
                seconds = sum(entry["seconds"] for entry in entries)
                tokens = entries[-1]["tokens"] if entries else 0
                lines[task] = task_line(task, iter_samples(samples_file(folder, task)), tokens, seconds)
        if name in group_files():
            groups += group_lines(name, [lines[task] for task in tasks])
    return [*lines.values(), *groups]


def _estimate(values: Sequence[float]) -> Estimate:
    """The mean, and the standard error of a mean: the sample's standard deviation over sqrt(n); unknown for n = 1."""
    n, middle = len(values), math.fsum(values) / len(values)
    spread = math.fsum((value - middle) ** 2 for value in values)
    return Estimate(middle, math.sqrt(spread / (n - 1) / n) if n > 1 else None)


def _weighted(estimates: Sequence[tuple[Estimate, int]]) -> Estimate:
    n = sum(weight for _, weight in estimates)
    errors = [None if estimate.stderr is None else estimate.stderr * weight for estimate, weight in estimates]
    known = [error for error in errors if error is not None]
    stderr = math.hypot(*known) / n if len(known) == len(errors) else None
    return Estimate(math.fsum(estimate.value * weight for estimate, weight in estimates) / n, stderr)
