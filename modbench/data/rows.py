"""Rows of the pinned files, and the problems that they ask."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from modbench.data.download import Unavailable
from modbench.data.overlap import compared, problem_index
from modbench.data.sources import locate


def rows(path: str) -> list[dict[str, Any]]:
    """The rows of the pinned file `path`, a JSON list or JSON lines. Raises what `locate` raises."""
    with locate(path).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file] if path.endswith(".jsonl") else json.load(file)


def problems(path: str) -> set[str]:
    """What the test set `path` asks, as `modbench.data.overlap.problem_of` compares it."""
    field = "question" if path.endswith(".jsonl") else "instruction"
    return problem_index(compared(row[field]) for row in rows(path))


def available_problems(paths: Iterable[str]) -> tuple[dict[str, set[str]], tuple[str, ...]]:
    """The problems of each of `paths` that can be had, and the paths that cannot."""
    found, missing = {}, []
    for path in paths:
        try:
            found[path] = problems(path)
        except Unavailable:
            missing.append(path)
    return found, tuple(missing)
