"""Suite x methods x seeds to records: does what is missing, goes on where it was cut, overwrites nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modbench.checkpoints import layer_count, model_info, resolve_model
from modbench.data.overlap import problem_of
from modbench.errors import ModbenchError
from modbench.harness.asking import CACHE, Questions, Say, answer_all
from modbench.methods import Method
from modbench.records import (
    Record,
    find_folder,
    find_run,
    identity_digest,
    lock_run,
    run_folder,
    utc_now,
    write_record,
)
from modbench.suites import Suite
from modbench.training.sources import TrainingSet, training_set

if TYPE_CHECKING:
    from modbench.training.train import Trained

TRAINING_VERSION = 2
"""Raised whenever the same recipe trains otherwise than before; 2: methods of a seed share their dropout masks."""


@dataclass(frozen=True)
class Run:
    """One cell of the grid, with the identity that decides whether a finished run may be reused."""

    method: Method
    seed: int
    identity: dict[str, Any]


class Benchmark:
    """A suite on a base model, with its runs under the folder `runs`; finished ones count under `others` too.

    Raises ModbenchError if the model or the data cannot be had. Nothing is written before `run`.
    """

    def __init__(self, suite: Suite, runs: Path, model_note: str | None = None, others: Sequence[Path] = ()) -> None:
        self.suite, self.runs, self.others = suite, runs, others
        self.questions = Questions(suite.tasks, suite.prompt, suite.apply_chat_template, generation=suite.generation)
        self.questions.check()
        self.model_folder = resolve_model(suite.model, suite.revision)
        self.model = model_info(suite.model, self.model_folder, suite.revision, model_note)
        self.asked = self.questions.identity()

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
        found = self._find(run)
        return found[1] if found else None

    def folder(self, run: Run) -> Path:
        """The folder of `run`, claimed for its identity."""
        return run_folder(self.runs, self.suite.name, run.method.name, run.seed, run.identity)

    def missing(self, plan: Sequence[Run]) -> list[Run]:
        """The runs of `plan` that have not finished, in its order."""
        return [run for run in plan if self.find(run) is None]

    def finished(self, plan: Sequence[Run]) -> list[tuple[Path, Record]]:
        """Folder and record of every finished run of `plan`, in its order."""
        return [found for run in plan if (found := self._find(run))]

    def train(self, run: Run, say: Say) -> Path:
        """Trains what is missing of `run` and returns the folder of its adapter; evaluates nothing.

        Raises ModbenchError if its method trains nothing.
        """
        from modbench.training.train import ADAPTER

        if not run.method.tuned:
            raise ModbenchError(f"{run.method.name} trains nothing: name a method that does, see `modbench methods`")
        folder = self.folder(run)
        with lock_run(folder):
            self._train(run, folder, say)
        return folder / ADAPTER

    def run(self, run: Run, say: Say) -> Record:
        """Trains and evaluates what is missing of `run` and returns its record; `say` tells what is going on."""
        folder = self.folder(run)
        with lock_run(folder):
            return self.find(run) or self._run(run, folder, say)

    def _find(self, run: Run) -> tuple[Path, Record] | None:
        for runs in (self.runs, *self.others):
            place = runs, self.suite.name, run.method.name, run.seed, run.identity
            record, folder = find_run(*place), find_folder(*place)
            if record is not None and folder is not None:
                return folder, record
        return None

    def _identity(self, method: Method, seed: int) -> dict[str, Any]:
        suite = self.suite
        identity: dict[str, Any] = {
            "model": self.model.sha256,
            "dtype": suite.dtype,
            "method": {"lora": method.layers, "ensemble": method.ensemble is not None, "k": method.k},
            "seed": seed,
            "eval_batch_size": suite.eval_batch_size,
            **self.asked,
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
        from modbench.training.train import ADAPTER, Trained

        trained = self._train(run, folder, say) if run.method.tuned else Trained.untuned()
        adapter = folder / ADAPTER if run.method.tuned else None
        examples = self.training_set.examples if run.method.tuned else ()
        learned = {problem_of(example.instruction) for example in examples}
        tasks, evaluation = answer_all(
            self.questions, lambda: self._open(adapter), folder, self._title(run), say, learned
        )
        record = Record(
            suite=self.suite.name,
            method=run.method.name,
            seed=run.seed,
            identity=run.identity,
            identity_digest=identity_digest(run.identity),
            model=self.model,
            data=self.questions.data() | (self.training_set.data if run.method.tuned else {}),
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
        shutil.rmtree(folder / CACHE, ignore_errors=True)
        return record

    def _train(self, run: Run, folder: Path, say: Say) -> Trained:
        from modbench.training.train import Job, train

        job = Job(self.suite, run.method, run.seed, self.model_folder, self.model.name, folder)
        return train(job, self.training_set.examples, say)

    def _open(self, adapter: Path | None) -> Any:
        from modbench.harness.evaluate import open_model

        suite = self.suite
        return open_model(self.model_folder, adapter, suite.dtype, suite.eval_batch_size, suite.apply_chat_template)

    def _title(self, run: Run) -> str:
        return f"{self.suite.name} {run.method.name} seed {run.seed}"
