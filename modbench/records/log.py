"""`log.jsonl`: what happened in a run, one JSON object a line, and what its evaluation cost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from modbench.records.schema import Evaluation

LOG_FILE = "log.jsonl"


def append_log(folder: Path, entry: dict[str, Any]) -> None:
    """Adds `entry` to the log in `folder`, with the time of day (seconds since 1970) under `at`."""
    with (folder / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry | {"at": time.time()}) + "\n")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The entries of the log in `folder`, oldest first; a line that a kill cut off is left out."""
    path, entries = folder / LOG_FILE, []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def begin_task(folder: Path, task: str, cache: Path) -> None:
    """Notes that the evaluation of `task` begins; if it was cut before, also what the cut part took.

    That part ended, as far as one can tell, when it last wrote an answer to its request cache.
    """
    earlier = [entry for entry in read_log(folder) if task in (entry.get("begin"), entry.get("task"))]
    if earlier and "begin" in earlier[-1] and cache.exists():
        seconds = max(0.0, cache.stat().st_mtime - earlier[-1]["at"])
        append_log(folder, {"task": task, "seconds": seconds, "tokens": 0, "peak_memory_bytes": None})
    append_log(folder, {"begin": task})


def evaluation_cost(folder: Path) -> Evaluation:
    """The evaluation's cost: seconds over all parts of all tasks, tokens of each task's last part, the highest peak."""
    entries = [entry for entry in read_log(folder) if "task" in entry]
    peaks = [entry["peak_memory_bytes"] for entry in entries if entry["peak_memory_bytes"] is not None]
    return Evaluation(
        seconds=sum(entry["seconds"] for entry in entries),
        tokens=sum({entry["task"]: entry["tokens"] for entry in entries}.values()),
        peak_memory_bytes=max(peaks, default=None),
    )
