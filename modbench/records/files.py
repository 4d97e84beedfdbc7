"""Records and samples as files: written whole or not at all, refused in one line if they are anything else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from modbench.atomic import replacing, write_json
from modbench.errors import ModbenchError
from modbench.records.replacement import current
from modbench.records.schema import READABLE_VERSIONS, SCHEMA_VERSION, Record, Sample, TaskResult

RECORD_FILE = "record.json"
SAMPLES_FOLDER = "samples"
RUN_AGAIN = "delete it or move it away, and run again"

M = TypeVar("M", bound=BaseModel)


def write_record(folder: Path, record: Record) -> None:
    """Write `record` to `folder/record.json`, whole or not at all: with it the run is finished."""
    write_json(folder / RECORD_FILE, record.model_dump(mode="json"))


def read_record(folder: Path) -> Record:
    """The record of a finished run; raises ModbenchError if it is absent, damaged, foreign or of another schema."""
    return read_model(current(folder, RECORD_FILE), Record, RUN_AGAIN)


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write one JSON object per line to `path`, whole or not at all; holds one sample at a time."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(sample.model_dump_json().encode() + b"\n" for sample in samples)


def read_samples(path: Path) -> list[Sample]:
    """The samples of one task; raises ModbenchError that names the line if the file is damaged or foreign."""
    return list(iter_samples(path))


def iter_samples(path: Path) -> Iterator[Sample]:
    """The samples of one task one by one, with one in memory; raises as `read_samples` does, where it comes to it."""
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                raise _damaged(path, f"line {number}: cut off", RUN_AGAIN)
            try:
                yield Sample.model_validate_json(line, strict=True)
            except ValidationError as error:
                raise _refused(path, error, RUN_AGAIN, f"line {number}: ") from error


def read_run_samples(folder: Path, record: Record) -> dict[str, list[Sample]]:
    """The samples of each task of a finished run; raises ModbenchError also where they differ from the record."""
    found = {}
    for task, result in record.tasks.items():
        path = samples_file(folder, task)
        samples = found[task] = read_samples(path)
        check_counts(folder, task, result, len(samples), sum(sample.correct for sample in samples))
    return found


def samples_file(folder: Path, task: str) -> Path:
    """The file of a task's samples in the folder of a run."""
    return current(folder, f"{SAMPLES_FOLDER}/{task}.jsonl")


def check_counts(folder: Path, task: str, result: TaskResult, n: int, correct: int) -> None:
    """ModbenchError unless `result`, a task's entry in the record, has the counts of the samples, `n` and `correct`."""
    if (n, correct) != (result.n, result.correct):
        reason = f"{correct} correct of {n}, but {RECORD_FILE} says {result.correct} of {result.n}"
        raise _damaged(samples_file(folder, task), reason, f"delete {folder} or move it away, and run again")


def read_json(path: Path, remedy: str) -> Any:
    """The JSON value in `path`; ModbenchError with the `remedy` if the file is absent or is not finite JSON."""
    try:
        with _open(path) as file:
            text = file.read().decode()
    except UnicodeDecodeError as error:
        raise _damaged(path, "it is not UTF-8 text", remedy) from error
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
        if "\\u" in text:  # which can say half a surrogate pair, and UTF-8 cannot
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error), remedy) from error


def read_model(path: Path, model: type[M], remedy: str) -> M:
    """The `model` stored in `path`, under a schema version that is readable; raises ModbenchError with the `remedy`."""
    value = read_json(path, remedy)
    version = value.get("schema_version") if isinstance(value, dict) else None
    # The type too: true equals 1.
    if type(version) is not int or version not in READABLE_VERSIONS:
        reason = f"schema_version is {version!r}, this modbench reads {' and '.join(map(str, READABLE_VERSIONS))}"
        raise _damaged(path, reason, f"use the modbench that wrote it, or {remedy}")
    try:
        # Strict: "3" is no number and 1 is no text, in a file that we wrote.
        return model.model_validate(value | {"schema_version": SCHEMA_VERSION}, strict=True)
    except ValidationError as error:
        raise _refused(path, error, remedy) from error


def _refused(path: Path, error: ValidationError, remedy: str, where: str = "") -> ModbenchError:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return _damaged(path, f"{where}{place}: {message}" if place else f"{where}{message}", remedy)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise ModbenchError(f"there is no {path}: run again, or give the folder of a finished run") from error
    except OSError as error:
        raise ModbenchError(f"cannot read {path}: {error.strerror}") from error


def _damaged(path: Path, reason: str, remedy: str) -> ModbenchError:
    return ModbenchError(f"{path} is not what modbench wrote ({reason}): {remedy}")
