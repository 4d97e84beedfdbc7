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
from modbench.records import Record, identity_digest, lock_run, read_record, run_folder, utc_now, write_record
from modbench.records.files import RECORD_FILE
from modbench.records.folders import IDENTITY_FILE, belongs
from modbench.records.log import LOG_FILE

SUITE = "eval"
"""The suite under which such records stand."""
_BEGUN = {IDENTITY_FILE, LOG_FILE, ".lock", CACHE}
"""What an evaluation leaves that has not answered a task yet."""


@dataclass(frozen=True)
class Job:
    """A candidate, and what it is asked."""

    candidate: Candidate
    questions: Questions
    dtype: str
    batch_size: int

    def identity(self) -> dict[str, Any]:
        """All that decides the answers."""
        how = {"dtype": self.dtype, "eval_batch_size": self.batch_size}
        return self.candidate.identity | how | self.questions.identity()


def evaluate(job: Job, runs: Path, out: Path | None, say: Say) -> tuple[Path, Record]:
    """Answers what is missing, and returns the folder and its record: `out`, or a folder of its own under `runs`.

    The same job goes on where it was cut, and does nothing once it is done. Raises ModbenchError if the model or a
    task cannot be had, and if `out` holds anything else.
    """
    identity = job.identity()
    folder = out or run_folder(runs, SUITE, job.candidate.name, 0, identity)
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
        suite=SUITE,
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
