"""`modbench data`: the pinned public files."""

from __future__ import annotations

from typing import Annotated

import typer

data_app = typer.Typer(help="The pinned public data files: fetch and verify them.", rich_markup_mode=None)

Paths = Annotated[list[str] | None, typer.Argument(help="Files by their name upstream; default: what the suites use.")]


@data_app.command()
def pull(paths: Paths = None) -> None:
    """Fetch files that are not here yet, verify all of them, print where they are."""
    from modbench.data.math_mix import GSM8K_TRAIN, MAWPS_TRAIN, OPTIONAL, REQUIRED
    from modbench.data.sources import FILES, locate
    from modbench.errors import unknown
    from modbench.harness.task_files import read_task, task_files

    wanted = paths
    if not wanted:
        sources = [read_task(name)["dataset_kwargs"] for name in task_files()]
        used = [source["data_file"] for source in sources if "data_file" in source]
        wanted = list(dict.fromkeys([*used, GSM8K_TRAIN, MAWPS_TRAIN, *REQUIRED, *OPTIONAL]))
    for path in wanted:
        if path not in FILES:
            raise unknown("data file", path, FILES)
        print(locate(path))
