"""The options that several commands share, with completion of their names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer


def complete_methods(incomplete: str) -> list[str]:
    from modbench.methods import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def complete_suites(incomplete: str) -> list[str]:
    from modbench.suites import suite_names

    return [name for name in suite_names() if name.startswith(incomplete)]


def complete_tasks(incomplete: str) -> list[str]:
    from modbench.harness.task_files import task_files

    return [name for name in task_files() if name.startswith(incomplete)]


def complete_task_lists(incomplete: str) -> list[str]:
    from modbench.harness.task_files import group_files, task_files

    done, _, last = incomplete.rpartition(",")
    prefix = f"{done}," if done else ""
    return [prefix + name for name in (*group_files(), *task_files()) if name.startswith(last)]


def complete_prompts(incomplete: str) -> list[str]:
    from modbench.data.prompts import PROMPTS

    return [name for name in PROMPTS if name.startswith(incomplete)]


def complete_formats(incomplete: str) -> list[str]:
    from modbench.report.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


Methods = Annotated[
    list[str], typer.Argument(help="Methods by name, see `modbench methods`.", autocompletion=complete_methods)
]
SuiteName = Annotated[
    str, typer.Option("--suite", help="A suite by name or YAML file.", autocompletion=complete_suites)
]
ModelName = Annotated[str | None, typer.Option("--model", help="Another base model: a folder or a hub id.")]
ModelNote = Annotated[
    str | None, typer.Option("--model-note", help='What to record on its origin: "de-quantized from Q4_1".')
]
TaskNames = Annotated[
    str | None,
    typer.Option("--tasks", help="Tasks and groups, separated by commas.", autocompletion=complete_task_lists),
]
PromptName = Annotated[
    str | None,
    typer.Option(
        "--prompt", help="Ask in other words: alpaca, llm_adapters, plain, qa.", autocompletion=complete_prompts
    ),
]
Chat = Annotated[
    bool | None,
    typer.Option(
        "--apply-chat-template/--no-apply-chat-template",
        help="Send the prompt as a user's message, in the words of the tokenizer's chat template.",
        show_default=False,
    ),
]
TrainFile = Annotated[Path | None, typer.Option("--train", help="Your training examples: JSON or JSON lines.")]
PeftConfigFile = Annotated[
    Path | None, typer.Option("--peft-config", help="What peft_* methods put on the model: PEFT's adapter_config.json.")
]
Paper = Annotated[
    bool, typer.Option("--paper", help="The paper's settings: ensemble, and for its tasks prompt and decoding.")
]
TrainTopK = Annotated[
    bool, typer.Option("--train-top-k", help="mod_k_top<j>: keep the j highest gates in training too.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most this many problems per task.")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Seeds, separated by commas: 0,1,2.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that keeps the runs.")]
RunFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--runs",
        help="Folder that keeps the runs, by default runs; given again, others in which finished ones are looked for.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking.")]
Format = Annotated[
    str,
    typer.Option("--format", "-f", help="table, markdown, latex, csv or json.", autocompletion=complete_formats),
]


@dataclass(frozen=True)
class Grid:
    """Which runs are meant: the arguments that `run`, `compare` and `leaderboard` share."""

    methods: Methods
    suite: SuiteName = "demo"
    model: ModelName = None
    model_note: ModelNote = None
    tasks: TaskNames = None
    prompt: PromptName = None
    apply_chat_template: Chat = None
    train: TrainFile = None
    peft_config: PeftConfigFile = None
    paper: Paper = False
    train_top_k: TrainTopK = False
    limit: Limit = None
    seeds: Seeds = None
    runs: RunFolders = None

    @property
    def folders(self) -> list[Path]:
        """The folders of runs, the one for new runs first."""
        return self.runs or [Path("runs")]


def with_grid(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the fields of Grid as parameters of its own in place of its first, for typer to read."""

    @functools.wraps(command)
    def spelt_out(**values: Any) -> None:
        command(Grid(**{field.name: values.pop(field.name) for field in fields(Grid)}), **values)

    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    shared = inspect.signature(Grid, eval_str=True).parameters.values()
    spelt_out.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
    return spelt_out
