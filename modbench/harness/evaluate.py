"""Evaluation of one task through lm-evaluation-harness, as samples."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modbench import resources
from modbench.checkpoints import loading
from modbench.errors import ModbenchError, reason, unknown
from modbench.harness.samples import to_sample, values
from modbench.harness.task_files import task_files
from modbench.records import Sample

FEWSHOT_SEED = 1234
"""The harness's own default."""


def open_model(model: Path, adapter: Path | None, dtype: str, batch_size: int) -> Any:
    """The `mod-hf` model of a base folder and an adapter folder."""
    from modbench.harness.mod_hf import ModHF

    peft = str(adapter) if adapter else None
    with loading(model):
        return ModHF(pretrained=str(model), peft=peft, dtype=dtype, batch_size=batch_size)


def token_count(lm: Any, samples: list[Sample]) -> int:
    """Tokens of the responses in `samples`."""
    return sum(len(lm.tok_encode(sample.response, add_special_tokens=False)) for sample in samples)


def check_foreign_tasks(tasks: Iterable[str]) -> None:
    """ModbenchError, with near names, for a task that is neither ours nor the harness's; before anything is trained."""
    foreign = [task for task in tasks if task not in task_files()]
    if not foreign:
        return
    from lm_eval.tasks import TaskManager

    known = TaskManager(include_path=str(resources.folder("tasks")))
    for task in foreign:
        if task not in known.all_tasks:
            raise unknown("task", task, known.all_tasks)
        if task not in known.all_subtasks:
            raise ModbenchError(f"{task!r} is a group: name its tasks one by one")


def evaluate_task(lm: Any, task: str, limit: int | None, cache: Path) -> list[Sample]:
    """The samples of `task` (its first `limit` problems, or all) as answered by `lm`, in the order of the documents.

    Answers are kept in the request cache `cache` as each batch finishes, so that a cut evaluation goes on from there.
    Raises ModbenchError for a task that the harness does not know or cannot load, for a group, and for a task such as
    perplexity that has no verdict per problem.
    """
    from lm_eval.api.model import CachingLM
    from lm_eval.evaluator import evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(resources.folder("tasks")), include_defaults=task not in task_files())
    if task not in manager.all_tasks:
        raise ModbenchError(f"lm-evaluation-harness knows no task {task!r}: see `lm_eval ls tasks`")
    try:
        loaded = manager.load([task])["tasks"]
    except ModbenchError:
        raise
    except Exception as error:  # datasets, the hub and YAML raise what they like
        raise ModbenchError(
            f"task {task!r} cannot be loaded ({reason(error)}): check its data and the network"
        ) from None
    if list(loaded) != [task]:
        raise ModbenchError(f"{task!r} is a group: name its tasks one by one")
    loaded[task].set_fewshot_seed(FEWSHOT_SEED)
    cache.parent.mkdir(parents=True, exist_ok=True)
    results = evaluate(CachingLM(lm, str(cache)), loaded, limit=limit, bootstrap_iters=0, log_samples=True)
    assert results is not None  # only ranks other than 0 get None
    rows = results["samples"][task]
    if not rows or not values(rows[0]):
        raise ModbenchError(f"task {task!r} gives no verdict on single problems: name a task that scores each one")
    first_filter = rows[0]["filter"]
    return [to_sample(row) for row in sorted(rows, key=lambda row: row["doc_id"]) if row["filter"] == first_filter]
