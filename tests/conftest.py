"""What tests of several parts share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from modbench.records import (
    Environment,
    Evaluation,
    ModelInfo,
    Parameters,
    Record,
    Sample,
    TaskResult,
    Training,
    identity_digest,
    write_record,
    write_samples,
)

# Before torch comes in, here and in what tests start: workers that use all cores each stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# How long an example takes says little where other tests run beside it.
settings.register_profile("beside others", settings(deadline=None))
settings.load_profile("beside others")

MakeSample = Callable[..., Sample]
MakeRecord = Callable[..., Record]
MakeRun = Callable[..., tuple[Path, Record]]


@pytest.fixture(scope="session")
def make_sample() -> MakeSample:
    """A sample of document `doc_id`, right or wrong."""

    def make(doc_id: int, correct: bool, doc_hash: str | None = None) -> Sample:
        return Sample(
            doc_id=doc_id,
            doc_hash=doc_hash or f"hash-{doc_id}",
            response="2 + 2 = 4.\nThe answer is 4.",
            answer="4",
            gold="4" if correct else "5",
            metrics={"acc": float(correct)},
        )

    return make


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """A valid record; keyword arguments replace its fields."""

    def make(**fields: Any) -> Record:
        identity = fields.get("identity", {"method": fields.get("method", "mod_k"), "seed": fields.get("seed", 0)})
        values = {
            "suite": "demo",
            "method": "mod_k",
            "seed": 0,
            "identity": identity,
            "identity_digest": identity_digest(identity),
            "model": ModelInfo(name="tiny", revision=None, sha256="a" * 64),
            "data": {"demo": "b" * 64},
            "data_report": None,
            "prompt": "qa",
            "recipe": {"epochs": 3, "learning_rate": 3e-4},
            "environment": Environment(packages={"torch": "2.13.0"}, hardware="a processor", threads=2, python="3.11"),
            "parameters": Parameters(lora=1000, norms=40, router=60, total=1100, overhead_percent=10.0),
            "late_layers": [9, 10, 11],
            "gates": [0.25, 0.25, 0.5],
            "training": Training(
                seconds=10.5, tokens=1000, peak_memory_bytes=2**21, examples=10, cut_off=1, steps=5, loss=0.5
            ),
            "evaluation": Evaluation(seconds=2.5, tokens=None, peak_memory_bytes=2**20),
            "tasks": {"modbench_one": TaskResult.from_counts(4, 2), "modbench_two": TaskResult.from_counts(2, 1)},
            "created": "2025-01-02T03:04:05+00:00",
        }
        return Record(**values | fields)

    return make


@pytest.fixture
def make_run(tmp_path: Path, make_record: MakeRecord, make_sample: MakeSample) -> MakeRun:
    """A finished run on disk, from whether each problem of each task is solved."""

    def make(method: str, verdicts: dict[str, Iterable[bool]], seed: int = 0, **fields: Any) -> tuple[Path, Record]:
        folder = tmp_path / "runs" / "demo" / method / f"seed-{seed}"
        tasks = {}
        for task, right in verdicts.items():
            samples = [make_sample(number, correct) for number, correct in enumerate(right)]
            write_samples(folder / "samples" / f"{task}.jsonl", samples)
            tasks[task] = TaskResult.from_counts(len(samples), sum(sample.correct for sample in samples))
        record = make_record(method=method, seed=seed, tasks=tasks, **fields)
        write_record(folder, record)
        return folder, record

    return make
