"""The current rules of judging applied to the stored responses of finished runs; no model is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from modbench import __version__
from modbench.data.rows import rows
from modbench.data.sources import Unavailable
from modbench.demo.problems import draw_set
from modbench.errors import ModbenchError
from modbench.harness.samples import Tally, judged, kind_of
from modbench.harness.scoring import Kind
from modbench.harness.task_files import DEMO_COUNT, DEMO_SEED, read_task, task_data
from modbench.records import (
    Record,
    Rescored,
    Sample,
    TaskResult,
    iter_samples,
    lock_run,
    read_record,
    samples_file,
    utc_now,
    write_record,
    write_samples,
)
from modbench.records.files import RECORD_FILE, SAMPLES_FOLDER, check_counts
from modbench.records.folders import visible
from modbench.records.replacement import replacing_files


@dataclass(frozen=True)
class Change:
    """One task of one run, judged before and `after`; `after` is None where we read no answers, and nothing changes.

    `gained` and `lost` count the samples that are now correct, or no longer; `examples` are some of them, as they were
    and as they are.
    """

    run: Path
    task: str
    before: TaskResult
    after: TaskResult | None
    gained: int = 0
    lost: int = 0
    examples: list[tuple[Sample, Sample]] = field(default_factory=list)


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """The folders of the finished runs in `paths` or anywhere below them, each once, in order.

    The path of a run's record stands for the run. Raises ModbenchError for a path that has none.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        records = [path] if path.name == RECORD_FILE and path.is_file() else visible(path, RECORD_FILE)
        folders = [file.parent for file in records]
        if not folders:
            raise ModbenchError(f"there is no finished run in {path}: give a folder that holds a {RECORD_FILE}")
        for folder in folders:
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


def rescore(folder: Path, write: bool = True, examples: int = 0) -> list[Change]:
    """Judges the stored responses of the finished run in `folder` anew, and says what that changes.

    With `write` the run's samples and record are replaced, all or none, whatever moment the process is killed at; its
    identity stays. Up to `examples` changed samples are kept per task. One sample is in memory at a time.
    Raises ModbenchError, and leaves the run as it is, if another process works on it, or if its files are damaged or
    contradict each other.
    """
    if not write:
        record = read_record(folder)
        return [_Task(folder, record, task).change(examples) for task in record.tasks]
    with lock_run(folder):
        record = read_record(folder)
        tasks = [_Task(folder, record, task) for task in record.tasks]
        if all(task.kind is None for task in tasks):
            return [task.change(0) for task in tasks]
        with replacing_files(folder) as prepared:
            changes = [task.change(examples, prepared) for task in tasks]
            results = {change.task: change.after or change.before for change in changes}
            note = Rescored(at=utc_now(), modbench=__version__, tasks=[c.task for c in changes if c.after])
            write_record(prepared, record.model_copy(update={"tasks": results, "rescored": note}))
    return changes


class _Task:
    """One task of a run, with what it takes to judge its responses."""

    def __init__(self, folder: Path, record: Record, task: str) -> None:
        self.folder, self.record, self.task = folder, record, task
        self.kind: Kind | None = kind_of(task)

    def change(self, examples: int, prepared: Path | None = None) -> Change:
        """Judges the task's samples anew, and writes them into the folder `prepared` if there is one.

        Those of a task that is left alone are only read, and counted.
        """
        before = self.record.tasks[self.task]
        if self.kind is None:
            tally = Tally()
            for sample in iter_samples(samples_file(self.folder, self.task)):
                tally.add(sample)
            check_counts(self.folder, self.task, before, tally.n, tally.correct)
            return Change(self.folder, self.task, before, None)
        counts = _Counts(examples)
        samples = counts.passing(self._judged(self.kind))
        if prepared is None:
            for _ in samples:
                pass
        else:
            write_samples(prepared / SAMPLES_FOLDER / f"{self.task}.jsonl", samples)
        check_counts(self.folder, self.task, before, counts.after.n, counts.was_correct)
        after = counts.after.result()
        return Change(self.folder, self.task, before, after, counts.gained, counts.lost, counts.examples)

    def _judged(self, kind: Kind) -> Iterator[tuple[Sample, Sample]]:
        for sample in iter_samples(samples_file(self.folder, self.task)):
            yield sample, judged(sample, kind, sample.question or self._question(sample))

    def _question(self, sample: Sample) -> str | None:
        """The instruction that a sample of an older record answers, where the documents are those of the run."""
        if sample.doc_id >= len(self._problems):
            return None
        question, gold = self._problems[sample.doc_id]
        return question if gold == sample.gold else None

    @cached_property
    def _problems(self) -> Sequence[tuple[str, str]]:
        """The task's instructions and answers, in the order of their `doc_id`; empty if they cannot be had."""
        try:
            data = task_data(self.task)
        except Unavailable:
            return []
        return _problems(self.task) if data.items() <= self.record.data.items() else []


class _Counts:
    """What passes by, counted."""

    def __init__(self, examples: int) -> None:
        self.after = Tally()
        self.was_correct = self.gained = self.lost = 0
        self.examples: list[tuple[Sample, Sample]] = []
        self._most = examples

    def passing(self, pairs: Iterable[tuple[Sample, Sample]]) -> Iterator[Sample]:
        """The second of each of the `pairs`, which are a sample as it was and as it is."""
        for old, new in pairs:
            self.after.add(new)
            self.was_correct += old.correct
            self.gained += new.correct > old.correct
            self.lost += new.correct < old.correct
            if new.correct != old.correct and len(self.examples) < self._most:
                self.examples.append((old, new))
            yield new


def _problems(task: str) -> list[tuple[str, str]]:
    source = read_task(task)["dataset_kwargs"]
    if "data_file" in source:
        return [(row["instruction"], str(row["answer"])) for row in rows(source["data_file"])]
    return [(problem.text, problem.answer) for problem in draw_set(source["problems"], DEMO_COUNT, DEMO_SEED, True)]
