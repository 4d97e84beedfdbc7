"""Output folders of plain lm-evaluation-harness, run with `--log_samples`, as runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modbench.comparison.conditions import said
from modbench.comparison.logged import LOG_SAMPLES, read_logged
from modbench.comparison.outcomes import Asked, RunOutcomes, TaskOutcomes, document_keys, metric_of
from modbench.errors import ModbenchError
from modbench.records.files import read_json
from modbench.records.folders import visible
from modbench.records.schema import canonical_json

RESULTS = "results_*.json"
ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]{6,16}(?=>)")
"""Where a function lay in memory: the harness writes it where it cannot write the function's text."""
MODEL = re.compile("model.*|peft|delta|mod_config")
"""What in the `config` of a results file says which model it is of."""
NAMES = re.compile("metadata|task|task_alias|tag|group|dataset_.*|.*_split")
"""What in a task's settings names files, models and groups: documents and prompts are compared one by one."""


def output_runs(path: Path) -> list[RunOutcomes]:
    """The run of each folder at or below `path` that has results of the harness, under the folder's name and seed 0.

    Of each task the newest results count. Raises ModbenchError for damaged files, for results that samples do not bear
    out, and for results of several models in one folder.
    """
    files: dict[Path, list[Path]] = {}
    for file in visible(path, RESULTS):  # sorted, and since names end with the time, from old to new
        files.setdefault(file.parent, []).append(file)
    return [_run(folder, of, path) for folder, of in files.items()]


def _run(folder: Path, files: Sequence[Path], root: Path) -> RunOutcomes:
    results = {file: _read(file) for file in files}
    _check_one_model(results)
    newest = {task: file for file, value in results.items() for task in value["configs"]}
    if not newest:
        raise ModbenchError(f"{files[-1]} has no task: {LOG_SAMPLES}")
    logged = {task: _samples_beside(file, task) for task, file in newest.items()}
    name = folder.name if folder != root or folder.name else str(root)
    return RunOutcomes(
        method=name,
        seed=0,
        tasks={task: _outcomes(task, results[file], file, logged[task]) for task, file in newest.items()},
        model=str(results[files[-1]].get("model_name") or name),
        folder=folder,
        logged=logged,
        notes=tuple(_notes(folder, newest, results)),
    )


def _notes(folder: Path, newest: Mapping[str, Path], results: Mapping[Path, dict[str, Any]]) -> Iterator[str]:
    older = [task for task in newest if sum(task in value["configs"] for value in results.values()) > 1]
    if older:
        yield f"{folder} has older results of {', '.join(older)} too: the newest count"
    for task, file in newest.items():
        filters = results[file]["configs"][task].get("filter_list")
        if isinstance(filters, list) and len(filters) > 1:
            names = [str(_within(each, "name")) for each in filters]
            yield f"{folder}: of the filters of {task} {said(names[0])} counts, not {', '.join(map(said, names[1:]))}"


def _read(file: Path) -> dict[str, Any]:
    value = read_json(file, LOG_SAMPLES)
    if not isinstance(value, dict) or not isinstance(value.get("configs"), dict):
        raise ModbenchError(f"{file} is no results file of lm_eval: {LOG_SAMPLES}")
    for task, config in value["configs"].items():
        if not isinstance(config, dict):
            raise ModbenchError(f"{file}: the settings of {task} are no object: {LOG_SAMPLES}")
    return value


def _check_one_model(results: Mapping[Path, dict[str, Any]]) -> None:
    known: dict[str, tuple[object, Path]] = {}
    for file, value in results.items():
        config = value["config"] if isinstance(value.get("config"), dict) else {}
        for name, mine in (config | {"model_name": value.get("model_name")}).items():
            theirs, first = known.setdefault(name, (mine, file))
            if MODEL.fullmatch(name) and mine != theirs:
                raise ModbenchError(
                    f"{first} and {file.name} beside it are of different models ({name} {said(theirs)} and "
                    f"{said(mine)}): put them into folders of their own, with the samples of each"
                )


def _samples_beside(results: Path, task: str) -> Path:
    return results.with_name(f"samples_{task}_{results.stem.removeprefix('results_')}.jsonl")


def _outcomes(task: str, value: Mapping[str, Any], results: Path, file: Path) -> TaskOutcomes:
    """The outcomes of one task, of which `value` is what the results file says and `file` has the samples."""
    import numpy as np

    samples, prompts = read_logged(file)
    stated = _within(value, "n-samples", task, "effective")
    if stated is not None and stated != len(samples):
        raise ModbenchError(f"{file} has {len(samples)} samples, {results.name} says {stated}: {LOG_SAMPLES}")
    config, template = value["configs"][task], value.get("chat_template_sha")
    known = [prompt for prompt in prompts if prompt is not None]
    asked = Asked(
        prompts=np.array(known, dtype=np.uint64),
        template=None if template is None else str(template),
        fewshot_seed=_within(value, "config", "fewshot_seed") if _within(config, "num_fewshot") else None,
    )
    return TaskOutcomes.of(
        document_keys(samples),
        [sample.correct for sample in samples],
        conditions={"metric": metric_of(samples), "harness settings": _settings(config, value)},
        asked=asked if len(known) == len(prompts) else None,
    )


def _settings(config: Any, value: Mapping[str, Any]) -> str:
    """How the harness asked and scored, as JSON, without names and folders, and without what is not set or off."""
    settings = {key: of for key, of in config.items() if of is not False and not NAMES.fullmatch(key)}
    # Turns exist only where examples are shown in a chat.
    turns = bool(settings.get("num_fewshot") and value.get("chat_template_sha") and value.get("fewshot_as_multiturn"))
    context = {
        "version": _within(config, "metadata", "version"),
        "fewshot_as_multiturn": turns,
        "system_instruction_sha": value.get("system_instruction_sha"),
    }
    given = {key: of for key, of in (settings | context).items() if of is not None}
    return ADDRESS.sub("", canonical_json(given))


def _within(value: Any, *path: str) -> Any:
    """What lies at `path` in nested objects; None where one of them is no object or has no such key."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
