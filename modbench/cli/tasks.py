"""`modbench tasks`: the tasks that come along, and where their files lie."""

from __future__ import annotations

from typing import Annotated

import typer

from modbench.cli.options import Format

EPILOG = 'Example: lm_eval --model mod-hf --include_path "$(modbench tasks --path)" --tasks modbench_addsub'


def tasks(
    path: Annotated[bool, typer.Option("--path", help="Print the folder for lm_eval's --include_path.")] = False,
    format: Format = "table",
) -> None:
    """List the tasks with the source of their problems."""
    from modbench import resources
    from modbench.harness.task_files import read_task, task_files
    from modbench.report.formats import render_rows

    if path:
        print(resources.folder("tasks"))
        return
    rows = []
    for name in task_files():
        settings = read_task(name)
        source = settings["dataset_kwargs"]
        where = source.get("data_file") or f"generated: {source['problems']}"
        rows.append([name, settings["output_type"], settings["metadata"]["version"], where])
    print(render_rows(["task", "kind", "version", "problems"], rows, format))
