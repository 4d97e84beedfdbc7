"""Suite x methods x seeds to records: does what is missing, goes on where it was cut, overwrites nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from modbench.checkpoints import layer_count, resolve_model, snapshot_revision, weights_sha256
from modbench.harness.task_files import check_task, task_identity
from modbench.methods import Method
from modbench.records import (
    Evaluation,
    ModelInfo,
    Record,
    find_run,
    identity_digest,
    lock_run,
    read_samples,
    run_folder,
    utc_now,
    write_record,
    write_samples,
)
from modbench.records.log import append_log, begin_task, evaluation_cost
from modbench.records.schema import TaskResult
from modbench.suites import Suite
from modbench.training.sources import TrainingSet, training_set

Say = Callable[[str], None]
TRAINING_VERSION = 2
"""Raised whenever the same recipe trains otherwise than before; 2: methods of a seed share their dropout masks."""


@dataclass(frozen=True)
class Run:
    """One cell of the grid, with the identity that decides whether a finished run may be reused."""

    method: Method
    seed: int
    identity: dict[str, Any]


class Benchmark:
    """A suite on a base model, with its runs under the folder `runs`.

    Raises ModbenchError if the model or the data cannot be had. Nothing is written before `run`.
    """

    def __init__(self, suite: Suite, runs: Path, model_note: str | None = None) -> None:
        self.suite, self.runs = suite, runs
        for task in suite.tasks:
            check_task(task, suite.prompt)
        self.model_folder = resolve_model(suite.model, suite.revision)
        self.model = ModelInfo(
            name=_model_name(suite.model),
            revision=suite.revision or snapshot_revision(self.model_folder),
            sha256=weights_sha256(self.model_folder),
            note=model_note,
        )
        self.tasks = {task: task_identity(task) for task in suite.tasks}

    @cached_property
    def training_set(self) -> TrainingSet:
        return training_set(self.suite.training)

    def plan(self, methods: Sequence[Method], seeds: Sequence[int]) -> list[Run]:
        """Every run of the grid, method by method, seed by seed.

        Raises ModbenchError if a method's k is too large, or if it needs a PEFT configuration and there is none.
        """
        depth = layer_count(self.model_folder)
        for method in methods:
            if depth is not None:
                method.tuned_layers(depth)
            if method.adapter == "peft":
                self.suite.recipe.peft_for(method.name)
        return [Run(method, seed, self._identity(method, seed)) for method in methods for seed in seeds]

    def find(self, run: Run) -> Record | None:
        """The record of a finished run of equal identity, if there is one."""
        return find_run(self.runs, self.suite.name, run.method.name, run.seed, run.identity)

    def folder(self, run: Run) -> Path:
        """The folder of `run`, claimed for its identity."""
        return run_folder(self.runs, self.suite.name, run.method.name, run.seed, run.identity)

    def missing(self, plan: Sequence[Run]) -> list[Run]:
        """The runs of `plan` that have not finished, in its order."""
        return [run for run in plan if self.find(run) is None]

    def finished(self, plan: Sequence[Run]) -> list[tuple[Path, Record]]:
        """Folder and record of every finished run of `plan`, in its order."""
        return [(self.folder(run), record) for run in plan if (record := self.find(run))]

    def run(self, run: Run, say: Say) -> Record:
        """Trains and evaluates what is missing of `run` and returns its record; `say` tells what is going on."""
        folder = self.folder(run)
        with lock_run(folder):
            return self.find(run) or self._run(run, folder, say)

    def _identity(self, method: Method, seed: int) -> dict[str, Any]:
        suite = self.suite
        identity: dict[str, Any] = {
            "model": self.model.sha256,
            "dtype": suite.dtype,
            "method": {"lora": method.layers, "ensemble": method.ensemble is not None, "k": method.k},
            "seed": seed,
            "tasks": {task: self.tasks[task] | {"limit": limit} for task, limit in suite.tasks.items()},
            "eval_batch_size": suite.eval_batch_size,
        }
        if method.tuned:
            identity["training"] = self.training_set.data
            identity["training_version"] = TRAINING_VERSION
            identity["prompt"] = suite.prompt
            identity["recipe"] = self._recipe(method)
            identity["ensemble"] = method.mod_config().to_dict()
        if method.adapter != "lora":
            identity["method"]["adapter"] = method.adapter
        return identity

    def _recipe(self, method: Method) -> dict[str, Any]:
        """The recipe as far as it concerns `method`."""
        return self.suite.recipe.model_dump(exclude=None if method.adapter == "peft" else {"peft"})

    def _run(self, run: Run, folder: Path, say: Say) -> Record:
        from modbench.environment import environment
        from modbench.training.train import ADAPTER, Job, Trained, train

        job = Job(self.suite, run.method, run.seed, self.model_folder, self.model.name, folder)
        trained = train(job, self.training_set.examples, say) if run.method.tuned else Trained.untuned()
        adapter = folder / ADAPTER if run.method.tuned else None
        tasks, evaluation = self._evaluate(run, folder, adapter, say)
        data = {name: digest for task in self.tasks.values() for name, digest in task.get("data", {}).items()}
        record = Record(
            suite=self.suite.name,
            method=run.method.name,
            seed=run.seed,
            identity=run.identity,
            identity_digest=identity_digest(run.identity),
            model=self.model,
            data=data | (self.training_set.data if run.method.tuned else {}),
            data_report=self.training_set.report if run.method.tuned else None,
            prompt=self.suite.prompt,
            recipe=self._recipe(run.method),
            environment=environment(),
            parameters=trained.parameters,
            late_layers=trained.late_layers,
            gates=trained.gates,
            training=trained.training,
            evaluation=evaluation,
            tasks=tasks,
            created=utc_now(),
        )
        write_record(folder, record)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        return record

    def _evaluate(
        self, run: Run, folder: Path, adapter: Path | None, say: Say
    ) -> tuple[dict[str, TaskResult], Evaluation]:
        """Answers the tasks that have no samples yet; a cut task goes on from its request cache."""
        from modbench.harness.evaluate import evaluate_task, open_model, token_count
        from modbench.harness.samples import task_result
        from modbench.training.cost import Cost

        missing = [task for task in self.suite.tasks if not _samples_file(folder, task).exists()]
        lm = None
        for task in missing:
            lm = lm or open_model(self.model_folder, adapter, self.suite.dtype, self.suite.eval_batch_size)
            # The cache lies in the run's own folder: its keys do not know the adapter.
            cache = folder / "cache" / task
            begin_task(folder, task, cache)
            with Cost() as cost:
                say(f"{self.suite.name} {run.method.name} seed {run.seed}: evaluating {task}")
                samples = evaluate_task(lm, task, self.suite.tasks[task], cache)
            took = {"seconds": cost.seconds, "peak_memory_bytes": cost.peak_memory_bytes}
            append_log(folder, {"task": task, "tokens": token_count(lm, samples), **took})
            write_samples(_samples_file(folder, task), samples)
        results = {task: task_result(read_samples(_samples_file(folder, task))) for task in self.suite.tasks}
        return results, evaluation_cost(folder)


def _samples_file(folder: Path, task: str) -> Path:
    return folder / "samples" / f"{task}.jsonl"


def _model_name(model: str) -> str:
    return Path(model).resolve().name if Path(model).is_dir() else model
