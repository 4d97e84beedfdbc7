"""`modbench tasks`: the tasks that come along, and where their files lie."""

from __future__ import annotations

from typing import Annotated

import typer

from modbench.cli.options import Format

EPILOG = 'Example: lm_eval --model mod-hf --include_path "$(modbench tasks --path)" --tasks modbench_math'


def tasks(
    path: Annotated[bool, typer.Option("--path", help="Print the folder for lm_eval's --include_path.")] = False,
    format: Format = "table",
) -> None:
    """List the tasks and groups: how they answer, where their problems and their few-shot examples come from."""
    from modbench import resources
    from modbench.harness.task_files import group_files, group_tasks, read_task, task_files
    from modbench.harness.tasks import DEMO_COUNT
    from modbench.report.formats import render_rows

    if path:
        print(resources.folder("tasks"))
        return
    rows: list[list[object]] = []
    counts = {}
    for name in task_files():
        settings = read_task(name)
        metadata, data = settings["metadata"], settings["dataset_kwargs"]
        counts[name] = data.get("count", DEMO_COUNT)
        source = data.get("data_file") or f"generated: {data['problems']}"
        answer = metadata.get("answer", "likeliest choice")
        rows.append([name, answer, metadata["version"], counts[name], source, data["pool"]])
    for name in group_files():
        members = group_tasks(name)
        rows.append([name, f"group of {len(members)}", None, sum(counts[task] for task in members), None, None])
    print(render_rows(["task", "answer", "version", "problems", "source", "examples"], rows, format))
