"""Evaluation of one task through lm-evaluation-harness, as samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from modbench import resources
from modbench.checkpoints import loading
from modbench.errors import ModbenchError, reason, unknown
from modbench.harness.samples import kind_of, to_sample, values
from modbench.harness.task_files import task_files
from modbench.records import Sample

FEWSHOT_SEED = 1234
"""The harness's own default."""


def open_model(model: Path, adapter: Path | None, dtype: str, batch_size: int, chat: bool = False) -> Any:
    """The `mod-hf` model of a base folder and an adapter folder.

    Raises ModbenchError if they cannot be loaded, or if they are to `chat` and the tokenizer has no chat template.
    """
    from modbench.harness.mod_hf import ModHF
    from modbench.training.chat import chat_template

    peft = str(adapter) if adapter else None
    with loading(model):
        lm = ModHF(pretrained=str(model), peft=peft, dtype=dtype, batch_size=batch_size)
        if chat:
            chat_template(lm.tokenizer)
        return lm


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


def load_task(
    task: str,
    prompt: str | None = None,
    num_fewshot: int | None = None,
    generation: Mapping[str, Any] | None = None,
) -> Any:
    """The harness's object for `task`; where it is None, `prompt`, `num_fewshot` or `generation` is the task's own.

    `prompt` and `generation` (settings that replace those of the same name) are for tasks that come with modbench.
    Raises ModbenchError for a task that the harness does not know or cannot load, for a group, and where there are
    fewer than `num_fewshot` examples to show.
    """
    from lm_eval.tasks import TaskManager

    ours = task in task_files()
    manager = TaskManager(
        include_path=str(resources.folder("tasks")),
        include_defaults=not ours,
        metadata={"prompt": prompt} if ours and prompt is not None else None,
    )
    if task not in manager.all_tasks:
        raise ModbenchError(f"lm-evaluation-harness knows no task {task!r}: see `lm_eval ls tasks`")
    try:
        found = manager.load([task])["tasks"]
        if list(found) != [task]:
            raise ModbenchError(f"{task!r} is a group: name its tasks one by one")
        loaded = found[task]
        if num_fewshot is not None:
            _set_fewshot(loaded, num_fewshot)
    except ModbenchError:
        raise
    except Exception as error:  # datasets, the hub and YAML raise what they like
        raise ModbenchError(
            f"task {task!r} cannot be loaded ({reason(error)}): check its data and the network"
        ) from None
    if generation and ours and loaded.get_config("output_type") == "generate_until":
        loaded.set_config(key="generation_kwargs", value=dict(generation), update=True)
    loaded.set_fewshot_seed(FEWSHOT_SEED)
    return loaded


def _set_fewshot(task: Any, number: int) -> None:
    name = task.config.task
    if task.get_config("num_fewshot") == 0 and number:  # the harness leaves it at 0, and says so nowhere
        raise ModbenchError(f"task {name!r} is always asked without examples: leave it out, or --num-fewshot")
    task.set_config(key="num_fewshot", value=number)
    there = len(list(task.fewshot_docs())) if number else 0
    if number > there:
        raise ModbenchError(f"task {name!r} has {there} examples to show, not {number}: lower --num-fewshot")


def answer_task(lm: Any, loaded: Any, limit: int | None, cache: Path, chat: bool = False) -> list[Sample]:
    """The samples of a task that `load_task` gave, as `evaluate_task` gives them."""
    from lm_eval.api.model import CachingLM
    from lm_eval.evaluator import evaluate

    task = loaded.config.task
    cache.parent.mkdir(parents=True, exist_ok=True)
    results = evaluate(
        CachingLM(lm, str(cache)),
        {"tasks": {task: loaded}},
        limit=limit,
        bootstrap_iters=0,
        log_samples=True,
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
    )
    assert results is not None  # only ranks other than 0 get None
    rows = results["samples"][task]
    if not rows or not values(rows[0]):
        raise ModbenchError(f"task {task!r} gives no verdict on single problems: name a task that scores each one")
    first_filter, kind = rows[0]["filter"], kind_of(task)
    logged = sorted((row for row in rows if row["filter"] == first_filter), key=lambda row: row["doc_id"])
    return [to_sample(row, kind) for row in logged]


def evaluate_task(
    lm: Any,
    task: str,
    limit: int | None,
    cache: Path,
    prompt: str | None = None,
    chat: bool = False,
    num_fewshot: int | None = None,
    generation: Mapping[str, Any] | None = None,
) -> list[Sample]:
    """The samples of `task` (its first `limit` problems, or all) as answered by `lm`, in the order of the documents.

    Answers are kept in the request cache `cache` as each batch finishes, so that a cut evaluation goes on from there.
    With `chat` every problem is a user's message, and examples shown before it (`num_fewshot`) are earlier turns.
    Raises ModbenchError as `load_task` does, and for a task such as perplexity that has no verdict per problem.
    """
    return answer_task(lm, load_task(task, prompt, num_fewshot, generation), limit, cache, chat)
