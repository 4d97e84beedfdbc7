"""All tasks of a run: what a model is asked and how, and its answers as files; goes on where it was cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from modbench.data.pools import Sifted
from modbench.data.sources import locate, sha256
from modbench.errors import ModbenchError
from modbench.harness.task_files import check_task, default_prompt, read_task, task_files, task_identity
from modbench.harness.tasks import pool_of
from modbench.records import Evaluation, TaskResult, iter_samples, samples_file, write_samples
from modbench.records.log import append_log, begin_task, evaluation_cost

Say = Callable[[str], None]
CACHE = "cache"
"""The folder of a run in which unfinished tasks keep their answers."""


@dataclass(frozen=True)
class Questions:
    """Tasks with their limits (None: all problems), and how they are asked (None: as the task's own file says).

    `apply_chat_template` sends every prompt as a user's message, shown examples as earlier turns.
    """

    tasks: Mapping[str, int | None]
    prompt: str | None
    apply_chat_template: bool = False
    num_fewshot: int | None = None
    generation: Mapping[str, Any] | None = None

    def check(self) -> None:
        """ModbenchError for a name that only looks like one of our tasks, for a prompt that a task cannot ask, and for
        examples that cannot be had or are fewer than are to be shown."""
        for task in self.tasks:
            check_task(task, self.prompt)
        for task, pool in self._pool_names.items():
            if (self.num_fewshot or 0) > (there := len(self.pools[pool].shots)):
                raise ModbenchError(
                    f"task {task!r} has {there} examples to show, not {self.num_fewshot}: lower --num-fewshot"
                )

    @cached_property
    def task_identities(self) -> dict[str, dict[str, Any]]:
        """What each task is; ModbenchError for data that cannot be had."""
        return {task: task_identity(task) for task in self.tasks}

    @cached_property
    def _pool_names(self) -> dict[str, str]:
        """The pool of each task of ours, if examples are shown."""
        ours = [task for task in self.tasks if task in task_files()] if self.num_fewshot else []
        return {task: read_task(task)["dataset_kwargs"]["pool"] for task in ours}

    @cached_property
    def pools(self) -> dict[str, Sifted]:
        """The pools from which examples are drawn; ModbenchError for one that cannot be had."""
        return {pool: pool_of(pool) for pool in dict.fromkeys(self._pool_names.values())}

    def identity(self) -> dict[str, Any]:
        """All that decides what is asked; what is as the task's own file says is left out."""
        identity: dict[str, Any] = {"tasks": {}}
        for task, limit in self.tasks.items():
            other = {"prompt": self.prompt} if self.prompt_of(task) not in (None, default_prompt(task)) else {}
            if task in self._pool_names:
                other["examples"] = self.pools[self._pool_names[task]].sha256
            identity["tasks"][task] = self.task_identities[task] | {"limit": limit} | other
        if self.apply_chat_template:
            identity["apply_chat_template"] = True
        if self.num_fewshot is not None:
            identity["num_fewshot"] = self.num_fewshot
        if self.generation is not None:
            identity["generation"] = dict(self.generation)
        return identity

    def prompt_of(self, task: str) -> str | None:
        """The prompt in which `task` is asked; None for one that has words of its own."""
        own = default_prompt(task)
        return own and (self.prompt or own)

    def prompts(self) -> str:
        """The prompts in which the tasks are asked, by name."""
        return ", ".join(dict.fromkeys(self.prompt_of(task) or "own words" for task in self.tasks))

    def data(self) -> dict[str, str]:
        """The SHA-256 of each set of problems, of the examples, and of the files that these were sifted from."""
        problems = {name: sha for task in self.task_identities.values() for name, sha in task.get("data", {}).items()}
        files = {file: sha256(locate(file)) for pool in self.pools.values() for file in pool.files}
        return problems | files | {f"examples/{name}": pool.sha256 for name, pool in self.pools.items()}


def answer_all(
    questions: Questions,
    open_lm: Callable[[], Any],
    folder: Path,
    title: str,
    say: Say,
    learned: Set[str] | None = None,
) -> tuple[dict[str, TaskResult], Evaluation]:
    """Answers the tasks that have no samples in `folder` yet, with the model of `open_lm`; counts and cost of them all.

    A task that was cut goes on from its request cache; samples appear whole or not at all. `learned` are the problems
    that the model was trained on, as `problem_of` gives them (None: unknown).
    """
    from modbench.harness.evaluate import answer_task, load_task, token_count
    from modbench.harness.samples import task_result, with_seen
    from modbench.training.cost import Cost

    lm = None
    for task, limit in questions.tasks.items():
        if samples_file(folder, task).exists():
            continue
        lm = lm or open_lm()
        # The cache lies in the run's own folder: its keys do not know the adapter.
        cache = folder / CACHE / task
        begin_task(folder, task, cache)
        with Cost() as cost:
            say(f"{title}: evaluating {task}")
            loaded = load_task(task, questions.prompt, questions.num_fewshot, questions.generation)
            samples = answer_task(lm, loaded, limit, cache, questions.apply_chat_template)
        tokens = token_count(lm, samples) if loaded.OUTPUT_TYPE == "generate_until" else 0
        took = {"seconds": cost.seconds, "peak_memory_bytes": cost.peak_memory_bytes}
        append_log(folder, {"task": task, "tokens": tokens, **took})
        if learned is not None:
            samples = [with_seen(sample, learned) for sample in samples]
        write_samples(samples_file(folder, task), samples)
    results = {task: task_result(iter_samples(samples_file(folder, task))) for task in questions.tasks}
    return results, evaluation_cost(folder)
