"""Runs on disk whose samples say what was trained on."""

from __future__ import annotations

from pathlib import Path

from modbench.records import Record, read_samples, write_samples


def mark_seen(run: tuple[Path, Record], marks: dict[str, list[bool]]) -> tuple[Path, Record]:
    """`run` with samples that say of each problem of each task whether it was trained on."""
    for task, of_task in marks.items():
        file = run[0] / "samples" / f"{task}.jsonl"
        pairs = zip(read_samples(file), of_task, strict=True)
        write_samples(file, [sample.model_copy(update={"seen": mark}) for sample, mark in pairs])
    return run
