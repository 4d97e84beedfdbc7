"""Runs as outcomes: modbench's own folders, and what plain lm-evaluation-harness leaves with `--log_samples`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from modbench.comparison.foreign import RESULTS, output_runs
from modbench.comparison.logged import read_logged
from modbench.comparison.outcomes import Facts, RunOutcomes, TaskOutcomes, document_keys, metric_of
from modbench.data.sources import sha256
from modbench.errors import ModbenchError
from modbench.records import Record, Sample, read_record, read_run_samples, read_samples, samples_file
from modbench.records.files import RECORD_FILE
from modbench.records.folders import visible
from modbench.records.schema import PLAIN_NAME, canonical_json

NAMED = re.compile(r"(?:(?P<label>[^=:/\\]+)(?::(?P<seed>\d{1,10}))?=)?(?P<path>.+)", re.DOTALL)
"""`PATH`, `LABEL=PATH` or `LABEL:SEED=PATH`."""
ADAPTER = "adapter"
ASKED = ("apply_chat_template", "num_fewshot", "generation")
"""What of a run's identity changes how all its tasks are asked."""


class NoRun(ModbenchError):
    """A folder is there, and no run in it."""


def from_record(folder: Path, record: Record) -> RunOutcomes:
    """The outcomes of a finished run of modbench; ModbenchError if its samples are damaged or contradict the record."""
    tasks = {}
    for task, samples in read_run_samples(folder, record).items():
        asked = record.identity.get("tasks", {}).get(task, {})
        conditions = {"metric": metric_of(samples), "prompt": _prompt(record.identity, asked)}
        # Apart from the prompt: leaderboards do not have the examples' digest where they are older than it.
        conditions |= {name: asked[name] for name in ("examples", "settings") if isinstance(asked.get(name), str)}
        tasks[task] = _outcomes(samples, conditions)
    adapter, size = _adapter(folder)
    facts = Facts.of(record, record.suite, record.model, adapter or _stated_adapter(record), size)
    return RunOutcomes(record.method, record.seed, tasks, record.model.name, facts, folder, record)


def _prompt(identity: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """How a task was asked, as far as it is not as its own file says."""
    own = {name: identity[name] for name in ASKED if name in identity}
    return canonical_json(own | ({"prompt": asked["prompt"]} if "prompt" in asked else {}))


def _adapter(folder: Path) -> tuple[str | None, int | None]:
    """SHA-256 over the weights of the run's adapter, file by file in the order of their names, and their size."""
    files = sorted((folder / ADAPTER).glob("*.safetensors"))
    if not files:
        return None, None
    return _digest({file.name: sha256(file) for file in files}), sum(file.stat().st_size for file in files)


def _stated_adapter(record: Record) -> str | None:
    """The same SHA-256 of an adapter that was evaluated where it lay: its files' are in the identity."""
    files = record.identity.get("adapter")
    if not isinstance(files, dict):
        return None
    weights = {name: str(digest) for name, digest in files.items() if name.endswith(".safetensors")}
    return _digest(weights) if weights else None


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{name}:{files[name]}\n" for name in sorted(files)).encode()).hexdigest()


def from_path(named: str) -> list[RunOutcomes]:
    """The runs in a folder: one of modbench's, or a folder above several, or an output folder of lm_eval.

    `LABEL=PATH` names the method (by default the record's, or the folder's name), `LABEL:SEED=PATH` its seed too
    (0 for lm_eval's, which knows none). Raises ModbenchError if there is neither, or if a file is damaged.
    """
    match = NAMED.fullmatch(named)
    assert match is not None  # any text is a path
    label, seed, path = match["label"], match["seed"], Path(match["path"])
    if label is not None and not re.fullmatch(PLAIN_NAME, label):
        raise ModbenchError(f"{label!r} cannot name a method: use letters, digits, _, -, @ and .")
    folders = sorted(file.parent for file in visible(path, RECORD_FILE))
    runs = [from_record(folder, read_record(folder)) for folder in folders]
    runs += output_runs(path)
    if not runs:
        error = NoRun if path.is_dir() else ModbenchError
        raise error(f"{path} holds no run: neither {RECORD_FILE} nor lm_eval's {RESULTS} is there or below")
    return [_renamed(run, label, None if seed is None else int(seed)) for run in runs]


def _renamed(run: RunOutcomes, label: str | None, seed: int | None) -> RunOutcomes:
    return replace(run, method=label or run.method, seed=run.seed if seed is None else seed)


def samples_of(run: RunOutcomes, task: str) -> list[Sample]:
    """The samples behind the verdicts of `run` on `task`, read from its folder; ModbenchError if there is none."""
    if run.folder is None:
        raise ModbenchError(
            f"the responses of {run.name} are not at hand, its verdicts alone: name the folder of its run"
        )
    if run.record is not None:
        return read_samples(samples_file(run.folder, task))
    return read_logged(run.logged[task]).samples


def _outcomes(samples: Sequence[Sample], conditions: Mapping[str, str]) -> TaskOutcomes:
    return TaskOutcomes.of(
        document_keys(samples),
        [sample.correct for sample in samples],
        [sample.seen for sample in samples],
        conditions,
    )
