"""Sets of problems to compare: pinned files by name, a user's own file by path, or examples that are made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modbench.atomic import write_text
from modbench.data.examples import Example, read_examples
from modbench.data.overlap import compared
from modbench.data.rows import rows
from modbench.data.sources import FILES, locate
from modbench.errors import ModbenchError

TEST_SETS = tuple(path for path in FILES if path.startswith("dataset/") and path.endswith("/test.json"))
TRAINING_SETS = tuple(
    path for path in FILES if "train" in path.partition("/")[2] or path.startswith("ft-training_set/")
)
QUESTION_FIELDS = ("instruction", "question", "original_text")
"""The field of a pinned row that holds the question: LLM-Adapters', GSM8K's, MAWPS's."""


@dataclass(frozen=True)
class ProblemSet:
    """Problems under a `name`, in order: what of each is compared (`overlap.compared`); and their `file`, if any."""

    name: str
    problems: Sequence[str]
    file: Path | None


def read_set(name: str) -> ProblemSet:
    """The pinned file `name`, or a user's file at that path: training examples, or rows as GSM8K or MAWPS have them.

    Raises:
        Unavailable: a pinned file that cannot be had.
        ModbenchError: neither pinned nor a file, or a file that `read_examples` refuses.
    """
    if name in FILES:
        return ProblemSet(name, [compared(_question(row)) for row in rows(name)], locate(name))
    path = Path(name)
    if not path.exists():
        near = [known for known in FILES if name.lower() in known.lower()]
        hint = f"; pinned with a like name: {', '.join(near)}" if near else ""
        raise ModbenchError(f"{name} is neither a file nor a pinned one (`modbench data verify` lists those){hint}")
    foreign = _foreign_rows(path)
    if foreign is None:
        return from_examples(name, read_examples(path), path)
    return ProblemSet(name, [compared(_question(row)) for row in foreign], path)


def from_examples(name: str, examples: Iterable[Example], file: Path | None = None) -> ProblemSet:
    """The problems of `examples`."""
    return ProblemSet(name, [compared(example.instruction) for example in examples], file)


def write_without(problems: ProblemSet, left_out: Sequence[bool], target: Path) -> None:
    """Writes the file of `problems` to `target` without the items marked in `left_out`, each other one as it stands.

    A JSON list stays a JSON list, JSON lines stay lines; the file appears whole or not at all.
    Raises ModbenchError where `check_target` does, and if nothing would be left.
    """
    file = check_target(problems, target)
    if all(left_out):
        raise ModbenchError(f"every example of {problems.name} would be left out: nothing to write")
    head, items, tail = _items(file.read_text(encoding="utf-8-sig"))
    kept = [item for item, out in zip(items, left_out, strict=True) if not out]
    separator = f",{head[1:]}" if head else "\n"
    write_text(target, head + separator.join(kept) + tail)


def check_target(problems: ProblemSet, target: Path) -> Path:
    """The file of `problems`. ModbenchError if there is none, or if no file can be written to `target` beside it."""
    if problems.file is None:
        raise ModbenchError(f"{problems.name} is no file to write anew: name a training file")
    if target.is_dir():
        raise ModbenchError(f"{target} is a folder: name a file to write")
    if not target.parent.is_dir():
        raise ModbenchError(f"there is no folder {target.parent} to write {target.name} to: make it first")
    if target.exists() and target.samefile(problems.file):
        raise ModbenchError(f"{target} is the training file itself: write to another one")
    return problems.file


def _question(row: dict[str, Any]) -> str:
    question: str = next(row[field] for field in QUESTION_FIELDS if isinstance(row.get(field), str))
    context = row.get("input")
    return f"{question}\n{context}" if isinstance(context, str) and context.strip() else question


def _foreign_rows(path: Path) -> list[dict[str, Any]] | None:
    """The rows of a file that has its questions under another name than training examples; None for any other file."""
    try:
        found = [json.loads(item) for item in _items(path.read_text(encoding="utf-8-sig"))[1]]
    except (OSError, ValueError, RecursionError):
        return None
    if not found or not all(isinstance(row, dict) and "instruction" not in row for row in found):
        return None
    return found if all(any(isinstance(row.get(name), str) for name in QUESTION_FIELDS) for row in found) else None


def _items(text: str) -> tuple[str, list[str], str]:
    """What precedes the first item ("" for JSON lines), the items as they stand, and what follows the last."""
    if not text.lstrip().startswith("["):
        return "", [line for line in text.split("\n") if line.strip()], "\n"
    decoder, items = json.JSONDecoder(), []
    first = at = end = _next(text, text.index("[") + 1)
    while at < len(text) and text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        items.append(text[at:end])
        at = _next(text, end)
    return text[:first].lstrip(), items, text[end:]


def _next(text: str, at: int) -> int:
    """Where the next item or the end of the list begins."""
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at
