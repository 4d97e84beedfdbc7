"""The task files under `tasks/`, read as plain YAML: their names, and what identifies them. Needs no lm_eval."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from modbench import resources
from modbench.data.digest import digest
from modbench.data.sources import locate, sha256
from modbench.demo.problems import draw_set
from modbench.errors import ModbenchError, unknown
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED

PREFIX = "modbench_"


class _Loader(yaml.SafeLoader):
    """Safe YAML in which `!function a.b` is the text `a.b`."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


@cache
def task_files() -> dict[str, Path]:
    """The task names that come with modbench, each with its YAML file."""
    return {path.stem: path for path in sorted(resources.folder("tasks").glob("*/modbench_*.yaml"))}


def check_task(name: str, prompt: str) -> None:
    """ModbenchError if `name` claims to be one of our tasks and is none, or asks with another prompt than `prompt`."""
    if name in task_files():
        asked = read_task(name)["doc_to_text"].rpartition(".")[2].removesuffix("_prompt")
        if asked != prompt:
            raise ModbenchError(
                f"task {name} asks with prompt {asked!r}, the suite trains with {prompt!r}: make them equal"
            )
    elif PREFIX.rstrip("_") in name:
        raise unknown("task", name, task_files())


def read_task(name: str) -> dict[str, Any]:
    """A task's settings with what it includes, local keys winning, `!function` as text."""
    path = task_files()[name]
    settings = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    shared = settings.pop("include", None)
    if shared:
        settings = yaml.load((path.parent / shared).read_text(encoding="utf-8"), Loader=_Loader) | settings
    return settings


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
