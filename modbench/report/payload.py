"""What the page carries: the comparison, every verdict, and the problems with all their responses, compressed."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modbench.comparison.load import samples_of
from modbench.comparison.models import Comparison
from modbench.comparison.outcomes import RunOutcomes, document_keys
from modbench.records import samples_file
from modbench.stats.solved import pack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PAGE_BYTES = 2_500_000
"""How large all texts may make the payload; beyond it, those on which all methods agree are left out."""
READ_BYTES = 100_000_000
"""How much of the sample files is read at all: beyond it, an even share of the problems on which methods differ."""

Chosen = Mapping[str, "NDArray[np.bool_]"]
"""By task, which of its documents are meant, in the order of their sorted keys."""
Documents = dict[str, list[list[Any]]]
"""By task, each document as its place, its question, the right answer, and per run `[response, answer, outcome]`."""


def payload(
    comparison: Comparison,
    runs: Sequence[RunOutcomes],
    pictures: Sequence[Mapping[str, str]],
    page_bytes: int = PAGE_BYTES,
    read_bytes: int = READ_BYTES,
) -> str:
    """Everything the page shows, as base64 of gzipped JSON: a text without a character that HTML has a meaning for.

    `runs` are joined: of one task all have the same documents in the same order. Texts that are left out, and why, are
    said in the payload's `texts.notes`. Raises ModbenchError where a run's samples are damaged.
    """
    facts = {
        "comparison": comparison.to_dict(),
        "pictures": list(pictures),
        "runs": [
            {
                "method": run.method,
                "seed": run.seed,
                "solved": {task: pack(run.tasks[task].correct) for task in comparison.problems},
            }
            for run in runs
        ],
    }
    everything, differing = _everything(runs[0]), _differing(runs)
    size = sum(map(_size, runs))
    share = size * _count(differing) / _count(everything) / read_bytes
    chosen = everything if size <= read_bytes else _thinned(differing, share)
    documents = _documents(runs, chosen)
    packed = _packed(facts | {"texts": {"documents": documents, "notes": _notes(runs, chosen, differing)}})
    if chosen is everything and len(packed) > page_bytes:
        documents = {task: [at for at in found if differing[task][at[0]]] for task, found in documents.items()}
        packed = _packed(facts | {"texts": {"documents": documents, "notes": _notes(runs, differing, differing)}})
    return packed


def _documents(runs: Sequence[RunOutcomes], chosen: Chosen) -> Documents:
    """The chosen documents with every run's response to them (None where it is not at hand); reads run by run."""
    if not any(run.folder for run in runs):
        return {task: [] for task in chosen}
    found: dict[str, dict[int, list[Any]]] = {
        task: {int(index): [int(index), None, None, [None] * len(runs)] for index in mask.nonzero()[0]}
        for task, mask in chosen.items()
    }
    for number, run in enumerate(runs):
        for task in found if run.folder else ():
            samples = samples_of(run, task)
            places = run.tasks[task].position
            for key, sample in zip(document_keys(samples), samples, strict=True):
                document = found[task].get(places.get(key, -1))
                if document is not None:
                    document[1] = document[1] or sample.question
                    document[2] = document[2] or sample.gold
                    document[3][number] = [sample.response, sample.answer, sample.outcome]
    return {task: list(documents.values()) for task, documents in found.items()}


def _size(run: RunOutcomes) -> int:
    """The bytes of the run's sample files."""
    if run.folder is None:
        return 0
    kept = run.record and [samples_file(run.folder, task) for task in run.tasks]
    return sum(file.stat().st_size for file in kept or run.folder.glob("samples_*.jsonl"))


def _everything(run: RunOutcomes) -> Chosen:
    import numpy as np

    return {task: np.ones(outcomes.n, dtype=bool) for task, outcomes in run.tasks.items()}


def _differing(runs: Sequence[RunOutcomes]) -> Chosen:
    """The documents that of the runs of some seed one solves and another does not."""
    import numpy as np

    chosen = {}
    for task, outcomes in runs[0].tasks.items():
        mask = np.zeros(outcomes.n, dtype=bool)
        for seed in {run.seed for run in runs}:
            solved = np.stack([run.tasks[task].correct for run in runs if run.seed == seed])
            mask |= solved.any(axis=0) & ~solved.all(axis=0)
        chosen[task] = mask
    return chosen


def _thinned(chosen: Chosen, factor: float) -> Chosen:
    """Every n-th of the chosen documents, where n is the `factor` rounded up."""
    step = max(1, math.ceil(factor))
    thinned = {}
    for task, mask in chosen.items():
        thinned[task] = mask.copy()
        thinned[task][mask] = False
        thinned[task][mask.nonzero()[0][::step]] = True
    return thinned


def _count(chosen: Chosen) -> int:
    return sum(int(mask.sum()) for mask in chosen.values())


def _notes(runs: Sequence[RunOutcomes], chosen: Chosen, differing: Chosen) -> list[str]:
    """Which texts are not there, in words."""
    without = ", ".join(run.name for run in runs if run.folder is None)
    notes = [f"the responses of {without} are not at hand"] if without else []
    n = sum(outcomes.n for outcomes in runs[0].tasks.values())
    if _count(chosen) < n:
        which = "those" if _count(chosen) == _count(differing) else "an even share of those"
        notes.append(
            f"to keep this page small, problems and responses can be read of {_count(chosen):,} of the {n:,} documents "
            f"only, {which} on which methods differ; all counts are over all documents"
        )
    return notes


def _packed(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Surrogates that a broken tokenizer left cannot be encoded, and must not stop a report.
    return base64.b64encode(gzip.compress(text.encode(errors="replace"), mtime=0)).decode("ascii")
