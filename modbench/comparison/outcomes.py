"""What one run solved, document by document, in the form that every comparison works on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from modbench.records import Evaluation, ModelInfo, Parameters, Record, Sample, TaskResult, Training
from modbench.stats.overlap import Scored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def document_keys(samples: Iterable[Scored]) -> list[str]:
    """One key per sample: the document's hash, with `#n` behind it for the n-th (from 1) repetition of a document.

    Repetitions are told apart by their order of `doc_id`, since a few test sets repeat a problem.
    """
    ordered = list(samples)
    keys = [""] * len(ordered)
    seen: Counter[str] = Counter()
    for index in sorted(range(len(ordered)), key=lambda index: ordered[index].doc_id):
        name = ordered[index].doc_hash
        keys[index] = f"{name}#{seen[name]}" if seen[name] else name
        seen[name] += 1
    return keys


def metric_of(samples: Sequence[Sample]) -> str:
    """The metric behind the verdict: the first of the samples, since `acc` stands behind what it repeats."""
    return next(iter(samples[0].metrics))


def documents_digest(keys: Iterable[str]) -> str:
    """SHA-256, in hex, over sorted document keys: equal where two runs answered the same documents."""
    total = hashlib.sha256()
    for key in keys:
        total.update(key.encode() + b"\n")
    return total.hexdigest()


@dataclass(frozen=True, eq=False)
class Asked:
    """How a plain run of the harness put the documents of a task to its model.

    `prompts` has 64 bits of a digest of each document's prompt, in the order of the documents. `template` is the digest
    of the chat template (None: none was applied), `fewshot_seed` that with which examples were drawn (None: none are
    shown).
    """

    prompts: NDArray[np.uint64]
    template: str | None = None
    fewshot_seed: int | None = None


@dataclass(frozen=True, eq=False)
class TaskOutcomes:
    """The verdicts of one run on one task, its documents in the order of their sorted keys.

    `correct` and `seen` have one entry per document; `seen` (is the problem in the method's own training data) is None
    where unknown. `keys` is None where only the verdicts were kept, as in a leaderboard: `documents`, the digest of the
    keys, then still says whether two runs answered the same. `conditions` names what else has to be equal for two runs
    to be comparable, such as `metric`, `prompt` and `settings` (the task's, as a digest); what one side does not know
    is not held against it. `asked` is None where prompts were not kept, as in modbench's own records.
    """

    documents: str
    correct: NDArray[np.bool_]
    keys: tuple[str, ...] | None = None
    seen: NDArray[np.bool_] | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    asked: Asked | None = None

    @classmethod
    def of(
        cls,
        keys: Iterable[str],
        correct: Iterable[bool],
        seen: Iterable[bool | None] | None = None,
        conditions: Mapping[str, str] | None = None,
        asked: Asked | None = None,
    ) -> TaskOutcomes:
        """Verdicts, and prompts, in any order of documents; `seen` counts as unknown unless it is known of all."""
        import numpy as np

        given = list(keys)
        order = sorted(range(len(given)), key=given.__getitem__)
        sorted_keys = tuple(given[index] for index in order)
        known = None if seen is None else list(seen)
        return cls(
            documents=documents_digest(sorted_keys),
            correct=np.fromiter(correct, dtype=bool, count=len(given))[order],
            keys=sorted_keys,
            seen=None if known is None or None in known else np.array(known, dtype=bool)[order],
            conditions=dict(conditions or {}),
            asked=asked and replace(asked, prompts=asked.prompts[order]),
        )

    @property
    def n(self) -> int:
        """How many documents there are."""
        return len(self.correct)

    @cached_property
    def position(self) -> dict[str, int]:
        """Where each key stands; empty where the keys are unknown."""
        return {key: index for index, key in enumerate(self.keys or ())}

    def only(self, which: NDArray[np.bool_], keys: tuple[str, ...], documents: str) -> TaskOutcomes:
        """The verdicts on the documents where `which` is, whose sorted `keys` have the digest `documents`."""
        return replace(
            self,
            documents=documents,
            correct=self.correct[which],
            keys=self.keys and keys,
            seen=None if self.seen is None else self.seen[which],
            asked=self.asked and replace(self.asked, prompts=self.asked.prompts[which]),
        )


class Measured(Protocol):
    """What a run's record and a leaderboard's row both say of it."""

    @property
    def parameters(self) -> Parameters: ...
    @property
    def late_layers(self) -> list[int]: ...
    @property
    def gates(self) -> list[float] | None: ...
    @property
    def training(self) -> Training | None: ...
    @property
    def evaluation(self) -> Evaluation: ...
    @property
    def tasks(self) -> Mapping[str, TaskResult]: ...


@dataclass(frozen=True)
class Facts:
    """What modbench knows of a run besides its verdicts, from its record or from a leaderboard's row.

    `adapter` is the SHA-256 of the adapter's weights (None: untuned, or unknown), `adapter_bytes` their size.
    """

    suite: str
    model: ModelInfo
    parameters: Parameters
    late_layers: list[int]
    gates: list[float] | None
    training: Training | None
    evaluation: Evaluation
    tasks: Mapping[str, TaskResult]
    adapter: str | None
    adapter_bytes: int | None

    @classmethod
    def of(
        cls, measured: Measured, suite: str, model: ModelInfo, adapter: str | None, adapter_bytes: int | None
    ) -> Facts:
        """The facts of a record or a row, with what only one of the two says itself."""
        return cls(
            suite=suite,
            model=model,
            parameters=measured.parameters,
            late_layers=measured.late_layers,
            gates=measured.gates,
            training=measured.training,
            evaluation=measured.evaluation,
            tasks=measured.tasks,
            adapter=adapter,
            adapter_bytes=adapter_bytes,
        )


@dataclass(frozen=True, eq=False)
class RunOutcomes:
    """One run: its `method` (or the label that the user gave it), its seed, and its verdicts by task.

    `model` is its base in words. `facts` are None for a foreign run; `folder`, where its samples lie, is None for a
    leaderboard's row, and `record` for both. `logged` has the file of each task's samples of a foreign run, `notes`
    what a comparison should say of how the run was read.
    """

    method: str
    seed: int
    tasks: Mapping[str, TaskOutcomes]
    model: str
    facts: Facts | None = None
    folder: Path | None = None
    record: Record | None = None
    logged: Mapping[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The run in words, for messages."""
        return f"{self.method} seed {self.seed}"

    @property
    def place(self) -> str:
        """Where the run lies, else its name, for messages."""
        return str(self.folder) if self.folder else self.name
