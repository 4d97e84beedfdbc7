"""The task files under `tasks/`, read as plain YAML: their names, and what identifies them. Needs no lm_eval."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from modbench import resources
from modbench.data.digest import digest
from modbench.data.prompts import get_prompt
from modbench.data.sources import locate, sha256
from modbench.demo.problems import draw_set
from modbench.errors import ModbenchError, unknown
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED

PREFIX = "modbench_"
GROUPS = "groups"
"""The folder of the group files; every other folder holds tasks. A file is named after its task or group."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which `!function a.b` is the text `a.b`."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


@cache
def task_files() -> dict[str, Path]:
    """The task names that come with modbench, each with its YAML file."""
    return {name: path for name, path in _files().items() if path.parent.name != GROUPS}


@cache
def group_files() -> dict[str, Path]:
    """The group names that come with modbench, each with its YAML file."""
    return {name: path for name, path in _files().items() if path.parent.name == GROUPS}


def _files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(resources.folder("tasks").glob("*/modbench_*.yaml"))}


def group_tasks(name: str) -> list[str]:
    """The tasks of one of our groups, those of its subgroups among them."""
    return _tasks_in(_settings(group_files()[name])["task"])


def _tasks_in(members: Sequence[Any]) -> list[str]:
    nested = [_tasks_in(member["task"]) if isinstance(member, dict) else [member] for member in members]
    return [task for tasks in nested for task in tasks]


def expand(names: Sequence[str]) -> list[str]:
    """`names` with our groups replaced by their tasks; every name once, at its first place."""
    return list(dict.fromkeys(task for name in names for task in _expanded(name)))


def _expanded(name: str) -> list[str]:
    return group_tasks(name) if name in group_files() else [name]


def check_task(name: str, prompt: str | None) -> None:
    """ModbenchError if `name` claims to be one of our tasks and is none, or if there is no `prompt` of that name."""
    if prompt is not None:
        get_prompt(prompt)
    if name in group_files():
        raise ModbenchError(f"{name} is a group: name its tasks, which are {', '.join(group_tasks(name))}")
    if name not in task_files() and PREFIX.rstrip("_") in name:
        raise unknown("task", name, [*task_files(), *group_files()])


def read_task(name: str) -> dict[str, Any]:
    """A task's settings with what it includes, local keys winning, `!function` as text."""
    return _settings(task_files()[name])


def _settings(path: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    shared = settings.pop("include", None)
    return _settings(path.parent / shared) | settings if shared else settings


def default_prompt(name: str) -> str | None:
    """The prompt in which a task asks by itself; None if it takes no prompt, or is not ours."""
    if name not in task_files():
        return None
    prompt: str | None = read_task(name)["metadata"].get("prompt")
    return prompt


def task_data(name: str) -> dict[str, str]:
    """What a task's problems are: the pinned file or generated set, with its SHA-256; empty for a foreign task.

    Raises ModbenchError if the file cannot be had.
    """
    if name not in task_files():
        return {}
    source = read_task(name).get("dataset_kwargs", {})
    if "data_file" in source:
        return {source["data_file"]: sha256(locate(source["data_file"]))}
    if "problems" in source:
        problems = draw_set(source["problems"], DEMO_COUNT, DEMO_SEED, held_out=True)
        return {f"demo/{source['problems']}": digest((p.text, p.answer) for p in problems)}
    raise ModbenchError(f"task {name} does not say where its problems come from: add dataset_kwargs to its file")


def task_identity(name: str) -> dict[str, Any]:
    """All of a task that decides what a model is asked and how it is scored."""
    if name in task_files():
        text = yaml.safe_dump(read_task(name), sort_keys=True)
        return {"settings": hashlib.sha256(text.encode()).hexdigest(), "data": task_data(name)}
    from importlib.metadata import version

    return {"lm_eval": version("lm_eval")}
