"""Runs as outcomes: modbench's own folders, and what plain lm-evaluation-harness leaves with `--log_samples`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from modbench.comparison.logged import as_logged, instruction_of
from modbench.comparison.outcomes import Facts, RunOutcomes, TaskOutcomes, document_keys
from modbench.data.sources import sha256
from modbench.errors import ModbenchError
from modbench.harness.samples import to_sample
from modbench.records import Record, Sample, read_record, read_run_samples, read_samples, samples_file
from modbench.records.files import RECORD_FILE, read_json
from modbench.records.folders import visible
from modbench.records.schema import PLAIN_NAME, PRIMARY_METRIC, canonical_json

NAMED = re.compile(r"(?:(?P<label>[^=:/\\]+)(?::(?P<seed>\d{1,10}))?=)?(?P<path>.+)", re.DOTALL)
"""`PATH`, `LABEL=PATH` or `LABEL:SEED=PATH`."""
ADAPTER = "adapter"
RESULTS = "results_*.json"
LOG_SAMPLES = "run lm_eval again with --log_samples and --output_path"
CONTEXT = ("chat_template_sha", "fewshot_as_multiturn", "system_instruction_sha")
"""What of a results file, besides the task's own settings, decides how the harness asked."""


ASKED = ("apply_chat_template", "num_fewshot", "generation")
"""What of a run's identity changes how all its tasks are asked."""


class NoRun(ModbenchError):
    """A folder is there, and no run in it."""


def from_record(folder: Path, record: Record) -> RunOutcomes:
    """The outcomes of a finished run of modbench; ModbenchError if its samples are damaged or contradict the record."""
    tasks = {}
    for task, samples in read_run_samples(folder, record).items():
        asked = record.identity.get("tasks", {}).get(task, {})
        conditions = {"metric": _metric(samples), "prompt": _prompt(record.identity, asked)}
        if isinstance(settings := asked.get("settings"), str):
            conditions["settings"] = settings
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
    runs += [_from_harness(results, path) for results in _newest_results(path)]
    if not runs:
        error = NoRun if path.is_dir() else ModbenchError
        raise error(f"{path} holds no run: neither {RECORD_FILE} nor lm_eval's {RESULTS} is there or below")
    return [_renamed(run, label, None if seed is None else int(seed)) for run in runs]


def _renamed(run: RunOutcomes, label: str | None, seed: int | None) -> RunOutcomes:
    return replace(run, method=label or run.method, seed=run.seed if seed is None else seed)


def _newest_results(path: Path) -> list[Path]:
    """The newest results file of each folder at or below `path`: their names end with the time, which sorts."""
    newest = {file.parent: file for file in visible(path, RESULTS)}
    return list(newest.values())


def _from_harness(results: Path, root: Path) -> RunOutcomes:
    remedy = LOG_SAMPLES
    value = read_json(results, remedy)
    if not isinstance(value, dict) or not isinstance(value.get("configs"), dict):
        raise ModbenchError(f"{results} is no results file of lm_eval: {remedy}")
    tasks = {}
    for task, config in value["configs"].items():
        file = _samples_beside(results, task)
        samples = _harness_samples(file, remedy)
        stated = _within(value, "n-samples", task, "effective")
        if stated is not None and stated != len(samples):
            raise ModbenchError(f"{file} has {len(samples)} samples, {results.name} says {stated}: {remedy}")
        context = {name: value.get(name) for name in CONTEXT}
        tasks[task] = _outcomes(samples, {"metric": _metric(samples), "harness settings": _settings(config, context)})
    if not tasks:
        raise ModbenchError(f"{results} has no task: {remedy}")
    name = results.parent.name if results.parent != root or len(root.name) else str(root)
    return RunOutcomes(name, 0, tasks, str(value.get("model_name") or name), folder=results.parent)


def samples_of(run: RunOutcomes, task: str) -> list[Sample]:
    """The samples behind the verdicts of `run` on `task`, read from its folder; ModbenchError if there is none."""
    if run.folder is None:
        raise ModbenchError(
            f"the responses of {run.name} are not at hand, its verdicts alone: name the folder of its run"
        )
    if run.record is not None:
        return read_samples(samples_file(run.folder, task))
    return _harness_samples(_samples_beside(max(run.folder.glob(RESULTS)), task), LOG_SAMPLES)


def _samples_beside(results: Path, task: str) -> Path:
    return results.with_name(f"samples_{task}_{results.stem.removeprefix('results_')}.jsonl")


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
                    sample = to_sample(as_logged(row))
                    samples.append(sample.model_copy(update={"question": sample.question or instruction_of(row)}))
    except FileNotFoundError:
        raise ModbenchError(f"there is no {file}: {remedy}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, StopIteration) as error:
        raise ModbenchError(f"{file}, line {number}: no sample of lm_eval ({error!r}): {remedy}") from error
    if not samples:
        raise ModbenchError(f"{file} holds no sample: {remedy}")
    return samples


def _settings(config: Any, context: Mapping[str, Any]) -> str:
    """A digest of how the harness asked and scored; its metadata name model and folders, which are no part of it."""
    settings = {key: value for key, value in config.items() if key != "metadata"} if isinstance(config, dict) else {}
    version = _within(config, "metadata", "version")
    text = json.dumps([settings, version, context], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _within(value: Any, *path: str) -> Any:
    """What lies at `path` in nested objects; None where one of them is no object or has no such key."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


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
