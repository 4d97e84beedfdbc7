"""Training examples, and how a user's own file of them is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modbench.errors import ModbenchError


@dataclass(frozen=True)
class Example:
    """An instruction, the response to learn, and where both come from (`<file or set>:<number>`)."""

    instruction: str
    response: str
    source: str


def read_examples(path: Path) -> list[Example]:
    """Reads a JSON list or JSON lines of `{"instruction": ..., "output": ...}` and an optional `"input"`.

    A non-empty `input` follows the instruction on a new line.

    Raises:
        ModbenchError: the file cannot be read or holds no example; or, naming line (JSON lines) or item (list),
            counted from 1: broken JSON, or a field that is missing, empty or no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModbenchError(f"cannot read training file {path}: {error}") from error
    rows = _list_items(path, text) if text.lstrip().startswith("[") else _lines(path, text)
    examples = [_example(path, where, row) for where, row in rows]
    if not examples:
        raise ModbenchError(f"training file {path} holds no example")
    return examples


def _list_items(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModbenchError(f"training file {path}: broken JSON: {error}") from error
    return ((f"item {number}", item) for number, item in enumerate(items, 1))


def _lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ModbenchError(f"training file {path}, line {number}: broken JSON: {error}") from error


def _example(path: Path, where: str, row: Any) -> Example:
    if not isinstance(row, dict):
        raise ModbenchError(f"training file {path}, {where}: expected an object with instruction and output")
    for field in ("instruction", "output"):
        if field not in row:
            raise ModbenchError(f"training file {path}, {where}: field {field!r} is missing")
        if not isinstance(row[field], str) or not row[field].strip():
            raise ModbenchError(f"training file {path}, {where}: field {field!r} is not a non-empty text")
    context = row.get("input") or ""
    if not isinstance(context, str):
        raise ModbenchError(f"training file {path}, {where}: field 'input' is not a text")
    instruction = f"{row['instruction']}\n{context}" if context.strip() else row["instruction"]
    return Example(instruction, row["output"], f"{path.name}:{where.split()[1]}")
