"""Runs on disk, as `compare` takes them, for the tests of pictures and page."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from modbench.comparison.load import from_record
from modbench.comparison.outcomes import RunOutcomes
from modbench.records import Record, Sample, TaskResult, write_record, write_samples

FinishedRun = Callable[..., RunOutcomes]


def run_maker(make_record: Callable[..., Record], runs: Path) -> FinishedRun:
    """What makes finished runs in the folder `runs`, from whether each problem of each task is solved.

    `responses` and `questions` replace the usual ones by the number of the problem; other keywords are fields of the
    record.
    """

    def make(
        method: str,
        verdicts: Mapping[str, Iterable[bool]],
        seed: int = 0,
        responses: Mapping[int, str] | None = None,
        questions: Mapping[int, str] | None = None,
        **fields: Any,
    ) -> RunOutcomes:
        folder = runs / "tiny" / method / f"seed-{seed}"
        tasks = {}
        for task, right in verdicts.items():
            samples = [
                Sample(
                    doc_id=number,
                    doc_hash=f"{task}-{number:03}",
                    question=(questions or {}).get(number, f"Question {number} of {task}?"),
                    response=(responses or {}).get(number, f"{method} thinks about {number}, seed {seed}."),
                    answer="1" if correct else "2",
                    gold="1",
                    metrics={"acc": float(correct)},
                )
                for number, correct in enumerate(right)
            ]
            write_samples(folder / "samples" / f"{task}.jsonl", samples)
            tasks[task] = TaskResult.from_counts(len(samples), sum(sample.correct for sample in samples))
        record = make_record(suite="tiny", method=method, seed=seed, tasks=tasks, **fields)
        write_record(folder, record)
        return from_record(folder, record)

    return make


def bits(text: str) -> list[bool]:
    """Verdicts as one writes them: `1` is solved."""
    return [letter == "1" for letter in text]


def unpacked(text: str) -> dict[str, Any]:
    """What a payload holds."""
    return json.loads(gzip.decompress(base64.b64decode(text, validate=True)))


def carried(page: Path) -> dict[str, Any]:
    """What a page holds."""
    (data,) = re.findall(r'<script type="text/plain" id="data">([^<]*)</script>', page.read_text())
    return unpacked(data)
