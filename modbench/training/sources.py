"""The training examples that a suite asks for, with what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from modbench.data.digest import digest
from modbench.data.examples import Example, read_examples
from modbench.data.sources import sha256
from modbench.errors import ModbenchError
from modbench.suites import TrainingData


@dataclass(frozen=True)
class TrainingSet:
    """Examples, the SHA-256 of each thing that they come from, and the report of what was left out."""

    examples: Sequence[Example]
    data: dict[str, str]
    report: dict[str, Any] | None


def training_set(wanted: TrainingData) -> TrainingSet:
    """The examples of a suite's training data.

    Raises ModbenchError if a file cannot be had, an example is faulty, or fewer than `count` are there.
    """
    if wanted.source != "file" and wanted.count is None:
        raise ModbenchError(f"training source {wanted.source} needs a count in the suite")
    if wanted.source == "demo":
        from modbench.demo.examples import tuning_examples

        return _with_digest("demo/train", tuning_examples(wanted.count or 0, wanted.seed), {}, None)
    if wanted.source == "math_mix":
        from modbench.data.math_mix import build_math_mix

        examples, report = build_math_mix(wanted.count or 0, wanted.seed)
        return _with_digest("math_mix", examples, report.sha256, report.to_dict())
    if wanted.file is None:
        raise ModbenchError("training source file needs `file: PATH` in the suite, or --train PATH")
    examples = read_examples(wanted.file)
    if wanted.count is not None:
        if len(examples) < wanted.count:
            raise ModbenchError(
                f"{wanted.file} has {len(examples)} examples, {wanted.count} are wanted: lower the count"
            )
        examples = Random(wanted.seed).sample(examples, wanted.count)
    return _with_digest("train", examples, {wanted.file.name: sha256(wanted.file)}, None)


def _with_digest(
    name: str, examples: Sequence[Example], data: dict[str, str], report: dict[str, Any] | None
) -> TrainingSet:
    rows = ((example.instruction, example.response) for example in examples)
    return TrainingSet(examples, data | {name: digest(rows)}, report)
