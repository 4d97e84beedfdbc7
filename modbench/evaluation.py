"""One model, perhaps with an adapter, on tasks: a record and samples as a run has them, whoever trained the adapter."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modbench.atomic import write_json
from modbench.candidate import Candidate
from modbench.errors import ModbenchError
from modbench.harness.asking import CACHE, Questions, Say, answer_all
from modbench.methods import is_method
from modbench.records import Record, identity_digest, lock_run, read_record, run_folder, utc_now, write_record
from modbench.records.files import RECORD_FILE
from modbench.records.folders import IDENTITY_FILE, belongs
from modbench.records.log import LOG_FILE
from modbench.suites import Suite

SUITE = "eval"
"""The suite of records that follow none, and the folder of them all, apart from the runner's."""
_BEGUN = {IDENTITY_FILE, LOG_FILE, ".lock", CACHE}
"""What an evaluation leaves that has not answered a task yet."""


@dataclass(frozen=True)
class Job:
    """A candidate, what it is asked, and the suite that says so, if one does."""

    candidate: Candidate
    questions: Questions
    dtype: str
    batch_size: int
    suite: str | None = None

    @classmethod
    def of_suite(cls, candidate: Candidate, suite: Suite, dtype: str | None, batch_size: int | None) -> Job:
        """`candidate` asked as a run of `suite` is; precision and batch size are the suite's where None.

        Raises ModbenchError for an adapter that is called like a method: its record would pass for the suite's own run.
        """
        if candidate.adapter is not None and is_method(candidate.name):
            raise ModbenchError(
                f"the adapter in {candidate.adapter} is called like the method {candidate.name}, for which its record "
                "would pass: rename the folder"
            )
        questions = Questions(suite.tasks, suite.prompt, suite.apply_chat_template, generation=suite.generation)
        return cls(candidate, questions, dtype or suite.dtype, batch_size or suite.eval_batch_size, suite.name)

    def identity(self) -> dict[str, Any]:
        """All that decides the answers, and the suite, which the record states."""
        how: dict[str, Any] = {"dtype": self.dtype, "eval_batch_size": self.batch_size}
        if self.suite is not None:
            how["suite"] = self.suite
        return self.candidate.identity | how | self.questions.identity()

    def folder(self, runs: Path) -> Path:
        """A folder of its own under `runs`, claimed for it: `eval/<name>/seed-0`, or `eval/<suite>/<name>/seed-0`."""
        place = (runs, SUITE) if self.suite is None else (runs / SUITE, self.suite)
        return run_folder(*place, self.candidate.name, 0, self.identity())


def evaluate(job: Job, runs: Path, out: Path | None, say: Say) -> tuple[Path, Record]:
    """Answers what is missing, and returns the folder and its record: `out`, or a folder of its own under `runs`.

    The same job goes on where it was cut, and does nothing once it is done. Raises ModbenchError if the model or a
    task cannot be had, and if `out` holds anything else.
    """
    identity = job.identity()
    folder = out or job.folder(runs)
    with _claimed(folder, identity):
        if (folder / RECORD_FILE).exists():
            return folder, read_record(folder)
        return folder, _evaluate(job, identity, folder, say)


def _evaluate(job: Job, identity: dict[str, Any], folder: Path, say: Say) -> Record:
    from modbench.environment import environment
    from modbench.harness.evaluate import open_model

    candidate, questions = job.candidate, job.questions

    def open_lm() -> Any:
        chat = questions.apply_chat_template
        return open_model(candidate.folder, candidate.adapter, job.dtype, job.batch_size, chat)

    # What an adapter was trained on is not known here.
    learned: frozenset[str] | None = frozenset() if candidate.adapter is None else None
    tasks, evaluation = answer_all(questions, open_lm, folder, candidate.name, say, learned)
    record = Record(
        suite=job.suite or SUITE,
        method=candidate.name,
        seed=0,
        identity=identity,
        identity_digest=identity_digest(identity),
        model=candidate.info,
        data=questions.data(),
        data_report=None,
        prompt=questions.prompts(),
        recipe={},
        environment=environment(),
        parameters=candidate.parameters(),
        late_layers=candidate.late_layers(),
        gates=None,
        training=None,
        evaluation=evaluation,
        tasks=tasks,
        created=utc_now(),
    )
    write_record(folder, record)
    shutil.rmtree(folder / CACHE, ignore_errors=True)
    return record


@contextmanager
def _claimed(folder: Path, identity: dict[str, Any]) -> Iterator[None]:
    """Holds `folder` for the evaluation of this `identity`; ModbenchError if it holds anything else."""
    own = belongs(folder, identity)
    if not own and folder.exists() and not (folder.is_dir() and {path.name for path in folder.iterdir()} <= _BEGUN):
        raise ModbenchError(f"{folder} holds something else: name another --out, or move it away")
    with lock_run(folder):
        if not own:
            (folder / LOG_FILE).unlink(missing_ok=True)
            shutil.rmtree(folder / CACHE, ignore_errors=True)
            write_json(folder / IDENTITY_FILE, identity)
        yield
