"""Runs as outcomes: modbench's own folders, and what plain lm-evaluation-harness leaves with `--log_samples`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modbench.comparison.outcomes import Facts, RunOutcomes, TaskOutcomes, document_keys
from modbench.data.sources import sha256
from modbench.errors import ModbenchError
from modbench.harness.samples import to_sample
from modbench.records import Record, Sample, read_record, read_run_samples
from modbench.records.files import RECORD_FILE, read_json
from modbench.records.schema import PLAIN_NAME, PRIMARY_METRIC

NAMED = re.compile(r"(?:(?P<label>[^=:/\\]+)(?::(?P<seed>\d{1,10}))?=)?(?P<path>.+)", re.DOTALL)
"""`PATH`, `LABEL=PATH` or `LABEL:SEED=PATH`."""
ADAPTER = "adapter"
RESULTS = "results_*.json"
CONTEXT = ("chat_template_sha", "fewshot_as_multiturn", "system_instruction_sha")
"""What of a results file, besides the task's own settings, decides how the harness asked."""


def from_record(folder: Path, record: Record) -> RunOutcomes:
    """The outcomes of a finished run of modbench; ModbenchError if its samples are damaged or contradict the record."""
    tasks = {}
    for task, samples in read_run_samples(folder, record).items():
        settings = record.identity.get("tasks", {}).get(task, {}).get("settings")
        conditions = {"metric": _metric(samples)} | ({"settings": settings} if isinstance(settings, str) else {})
        tasks[task] = _outcomes(samples, conditions)
    adapter, size = _adapter(folder)
    facts = Facts(
        suite=record.suite,
        model=record.model,
        parameters=record.parameters,
        late_layers=record.late_layers,
        gates=record.gates,
        training=record.training,
        evaluation=record.evaluation,
        tasks=record.tasks,
        adapter=adapter,
        adapter_bytes=size,
    )
    return RunOutcomes(record.method, record.seed, tasks, record.model.name, facts, folder, record)


def _adapter(folder: Path) -> tuple[str | None, int | None]:
    """SHA-256 over the weights of the run's adapter, file by file in the order of their names, and their size."""
    files = sorted((folder / ADAPTER).glob("*.safetensors"))
    if not files:
        return None, None
    digest = hashlib.sha256("".join(f"{file.name}:{sha256(file)}\n" for file in files).encode()).hexdigest()
    return digest, sum(file.stat().st_size for file in files)


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
    folders = sorted(file.parent for file in path.rglob(RECORD_FILE) if not _hidden(file, path))
    runs = [from_record(folder, read_record(folder)) for folder in folders]
    runs += [_from_harness(results, path) for results in _newest_results(path)]
    if not runs:
        raise ModbenchError(f"{path} holds no run: neither {RECORD_FILE} nor lm_eval's {RESULTS} is there or below")
    return [_renamed(run, label, None if seed is None else int(seed)) for run in runs]


def _renamed(run: RunOutcomes, label: str | None, seed: int | None) -> RunOutcomes:
    from dataclasses import replace

    return replace(run, method=label or run.method, seed=run.seed if seed is None else seed)


def _newest_results(path: Path) -> list[Path]:
    """The newest results file of each folder at or below `path`: their names end with the time, which sorts."""
    newest = {file.parent: file for file in sorted(path.rglob(RESULTS)) if not _hidden(file, path)}
    return list(newest.values())


def _from_harness(results: Path, root: Path) -> RunOutcomes:
    remedy = "run lm_eval again with --log_samples and --output_path"
    value = read_json(results, remedy)
    if not isinstance(value, dict) or not isinstance(value.get("configs"), dict):
        raise ModbenchError(f"{results} is no results file of lm_eval: {remedy}")
    stamp = results.stem.removeprefix("results_")
    tasks = {}
    for task, config in value["configs"].items():
        file = results.with_name(f"samples_{task}_{stamp}.jsonl")
        samples = _harness_samples(file, remedy)
        stated = value.get("n-samples", {}).get(task, {}).get("effective")
        if stated is not None and stated != len(samples):
            raise ModbenchError(f"{file} has {len(samples)} samples, {results.name} says {stated}: {remedy}")
        context = {name: value.get(name) for name in CONTEXT}
        tasks[task] = _outcomes(samples, {"metric": _metric(samples), "harness settings": _settings(config, context)})
    if not tasks:
        raise ModbenchError(f"{results} has no task: {remedy}")
    name = results.parent.name if results.parent != root or len(root.name) else str(root)
    return RunOutcomes(name, 0, tasks, str(value.get("model_name") or name), folder=results.parent)


def _harness_samples(file: Path, remedy: str) -> list[Sample]:
    """The samples of the task's first filter, as modbench's own evaluation takes them."""
    samples, first = [], None
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith("\n"):
                    raise ModbenchError(f"{file}, line {number}: cut off: {remedy}")
                row = json.loads(line)
                first = first or row["filter"]
                if row["filter"] == first:
                    samples.append(to_sample(row))
    except FileNotFoundError:
        raise ModbenchError(f"there is no {file}: {remedy}") from None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, StopIteration) as error:
        raise ModbenchError(f"{file}, line {number}: no sample of lm_eval ({error!r}): {remedy}") from error
    if not samples:
        raise ModbenchError(f"{file} holds no sample: {remedy}")
    return samples


def _settings(config: Any, context: Mapping[str, Any]) -> str:
    """A digest of how the harness asked and scored; its metadata name model and folders, which are no part of it."""
    settings = {key: value for key, value in config.items() if key != "metadata"} if isinstance(config, dict) else {}
    version = config.get("metadata", {}).get("version") if isinstance(config, dict) else None
    text = json.dumps([settings, version, context], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _outcomes(samples: Sequence[Sample], conditions: Mapping[str, str]) -> TaskOutcomes:
    return TaskOutcomes.of(
        document_keys(samples),
        [sample.correct for sample in samples],
        [sample.seen for sample in samples],
        conditions,
    )


def _metric(samples: Sequence[Sample]) -> str:
    """The metric behind the verdict: the first that the samples have besides `PRIMARY_METRIC`, which repeats it."""
    return next((name for name in samples[0].metrics if name != PRIMARY_METRIC), PRIMARY_METRIC)


def _hidden(file: Path, root: Path) -> bool:
    """Whether it lies in a hidden folder, such as one that a killed process left behind."""
    return any(part.startswith(".") for part in file.relative_to(root).parts)
