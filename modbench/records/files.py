"""Records and samples as files: written whole or not at all, refused in one line if they are anything else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from modbench.atomic import write_json, write_text
from modbench.errors import ModbenchError
from modbench.records.schema import SCHEMA_VERSION, Record, Sample

RECORD_FILE = "record.json"
SAMPLES_FOLDER = "samples"
RUN_AGAIN = "delete it or move it away, and run again"

M = TypeVar("M", bound=BaseModel)


def write_record(folder: Path, record: Record) -> None:
    """Write `record` to `folder/record.json`, whole or not at all: with it the run is finished."""
    write_json(folder / RECORD_FILE, record.model_dump(mode="json"))


def read_record(folder: Path) -> Record:
    """The record of a finished run; raises ModbenchError if it is absent, damaged, foreign or of another schema."""
    return read_model(folder / RECORD_FILE, Record, RUN_AGAIN)


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write one JSON object per line to `path`, whole or not at all."""
    write_text(path, "".join(json.dumps(sample.model_dump(), ensure_ascii=False) + "\n" for sample in samples))


def read_samples(path: Path) -> list[Sample]:
    """The samples of one task; raises ModbenchError that names the line if the file is damaged or foreign."""
    # Not `splitlines`: JSON strings may hold other line separators as they are.
    *lines, rest = _read_text(path, RUN_AGAIN).split("\n")
    if rest:
        raise _damaged(path, f"line {len(lines) + 1}: cut off", RUN_AGAIN)
    return [_check(path, Sample, line, RUN_AGAIN, f"line {number}: ") for number, line in enumerate(lines, start=1)]


def read_run_samples(folder: Path, record: Record) -> dict[str, list[Sample]]:
    """The samples of each task of a finished run; raises ModbenchError also where they differ from the record."""
    found = {}
    for task, result in record.tasks.items():
        path = folder / SAMPLES_FOLDER / f"{task}.jsonl"
        samples = found[task] = read_samples(path)
        counts = len(samples), sum(sample.correct for sample in samples)
        if counts != (result.n, result.correct):
            reason = f"{counts[1]} correct of {counts[0]}, but {RECORD_FILE} says {result.correct} of {result.n}"
            raise _damaged(path, reason, f"delete {folder} or move it away, and run again")
    return found


def read_json(path: Path, remedy: str) -> Any:
    """The JSON value in `path`; ModbenchError with the `remedy` if the file is absent or is not finite JSON."""
    return _parse(path, _read_text(path, remedy), remedy)


def read_model(path: Path, model: type[M], remedy: str) -> M:
    """The `model` stored in `path` under the schema version of this package; raises ModbenchError with the `remedy`."""
    text = _read_text(path, remedy)
    version = _schema_version(_parse(path, text, remedy))
    if version != SCHEMA_VERSION:
        reason = f"schema_version is {version!r}, this modbench reads {SCHEMA_VERSION}"
        raise _damaged(path, reason, f"use the modbench that wrote it, or {remedy}")
    return _check(path, model, text, remedy)


def _schema_version(value: Any) -> Any:
    return value.get("schema_version") if isinstance(value, dict) else None


def _check(path: Path, model: type[M], text: str, remedy: str, where: str = "") -> M:
    try:
        # Strict: "3" is no number and 1 is no text, in a file that we wrote.
        return model.model_validate(_parse(path, text, remedy, where), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise _damaged(path, f"{where}{place}: {message}" if place else f"{where}{message}", remedy) from error


def _parse(path: Path, text: str, remedy: str, where: str = "") -> Any:
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"{where}{error}", remedy) from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _read_text(path: Path, remedy: str) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        raise ModbenchError(f"there is no {path}: run again, or give the folder of a finished run") from error
    except OSError as error:
        raise ModbenchError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _damaged(path, "it is not UTF-8 text", remedy) from error


def _damaged(path: Path, reason: str, remedy: str) -> ModbenchError:
    return ModbenchError(f"{path} is not what modbench wrote ({reason}): {remedy}")
