"""The documents that were solved before and are not now, with what the new run said to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from modbench.comparison.load import samples_of
from modbench.comparison.outcomes import RunOutcomes, document_keys
from modbench.gate import Check, Status
from modbench.records import Sample


class Document(NamedTuple):
    """A document by its key, and the sample of the new run with that seed (None: it is not at hand)."""

    key: str
    seed: int
    sample: Sample | None


class Finding(NamedTuple):
    """A check and, unless it passed, some of the documents that it lost."""

    check: Check
    documents: tuple[Document, ...] = ()


def findings(checks: Sequence[Check], after: Sequence[RunOutcomes], show: int) -> list[Finding]:
    """Each check with at most `show` of its lost documents, as the runs `after` answered them.

    Of several seeds the first that does not solve a document is shown. Raises ModbenchError for damaged samples.
    """
    read: dict[tuple[int, str], dict[str, Sample]] = {}

    def sample_of(run: RunOutcomes, task: str, key: str) -> Sample | None:
        if run.folder is None:
            return None
        if (id(run), task) not in read:
            samples = samples_of(run, task)
            read[id(run), task] = dict(zip(document_keys(samples), samples, strict=True))
        return read[id(run), task][key]

    def lost(check: Check) -> tuple[Document, ...]:
        if check.status is Status.PASSED or check.task is None:
            return ()
        runs = [run for run in after if run.method == check.method and check.seed in (None, run.seed)]
        found = []
        for key in check.lost[:show]:
            run = next(run for run in runs if _fails(run, check.task, key))
            found.append(Document(key, run.seed, sample_of(run, check.task, key)))
        return tuple(found)

    return [Finding(check, lost(check)) for check in checks]


def _fails(run: RunOutcomes, task: str, key: str) -> bool:
    outcomes = run.tasks.get(task)
    return outcomes is not None and key in outcomes.position and not outcomes.correct[outcomes.position[key]]
