"""Made-up runs for the gate."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from modbench.comparison.outcomes import Facts, RunOutcomes, TaskOutcomes
from modbench.gate import Check
from modbench.records import Evaluation, ModelInfo, Parameters

N = 1000
TRAINING = 0.01
"""By how much the true accuracy of trainings of one recipe varies."""


def facts(adapter: str | None = "a", total: int = 100, seconds: float = 10.0, peak: int | None = 2**20) -> Facts:
    parameters = Parameters(lora=total, norms=0, router=0, total=total, overhead_percent=None)
    evaluation = Evaluation(seconds=seconds, tokens=None, peak_memory_bytes=peak)
    model = ModelInfo(name="tiny", revision=None, sha256="a" * 64)
    return Facts("suite", model, parameters, [], None, None, evaluation, {}, adapter, None)


def run(correct: np.ndarray, seed: int = 0, method: str = "mod_k", task: str = "x", **known: object) -> RunOutcomes:
    solved = replace(unsolved(task, len(correct)), correct=correct)
    return RunOutcomes(method, seed, {task: solved}, "tiny", facts(**known))  # type: ignore[arg-type]


@cache
def unsolved(task: str, n: int) -> TaskOutcomes:
    """`n` documents of a task: digesting their keys takes longer than to check a run."""
    return TaskOutcomes.of([f"{task}{index:05d}" for index in range(n)], [False] * n)


def pair(rng: np.random.Generator, discordance: float, loss: float = 0.0) -> tuple[RunOutcomes, RunOutcomes]:
    """Two runs whose true accuracies differ by `loss`, at the true share `discordance` of documents that differ."""
    kind = rng.choice(4, size=N, p=[(discordance + loss) / 2, (discordance - loss) / 2, 0.3, 0.7 - discordance])
    return run((kind == 0) | (kind == 2)), run((kind == 1) | (kind == 2))


def trainings(
    rng: np.random.Generator, tasks: int = 1, loss: float = 0.0, seeds: int = 5
) -> tuple[list[RunOutcomes], list[RunOutcomes]]:
    """Runs of two recipes that differ by `loss`, each training's own accuracy `TRAINING` about its recipe's."""

    def side(mean: float, adapter: str) -> list[RunOutcomes]:
        found = []
        for seed in range(seeds):
            solved = {f"t{i}": run(rng.random(N) < mean + rng.normal(0, TRAINING)).tasks["x"] for i in range(tasks)}
            found.append(RunOutcomes("mod_k", seed, solved, "tiny", facts(adapter=f"{adapter}{seed}")))
        return found

    return side(0.6, "before"), side(0.6 - loss, "after")


def accuracy_of(checks: list[Check]) -> Check:
    (found,) = (entry for entry in checks if entry.kind == "accuracy")
    return found
