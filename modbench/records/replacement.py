"""The files of a finished run replaced together: a reader finds all of the old ones or all of the new ones."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READY = ".replacement"


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """Yields an empty folder; what the block puts there replaces the files of the same names in `folder` at its end.

    If the block raises, or the process is killed before that, all stays as it was; if it is killed later, readers that
    ask `current` see the new files, and the next call ends the work. One process at a time: hold the run's lock.
    """
    _finish(folder)
    for left in folder.glob(f"{_READY}.*.tmp"):
        shutil.rmtree(left)
    prepared = folder / f"{_READY}.{secrets.token_hex(4)}.tmp"
    prepared.mkdir()
    try:
        yield prepared
        # From here on the new files count, wherever they lie.
        os.rename(prepared, folder / _READY)
    finally:
        shutil.rmtree(prepared, ignore_errors=True)
    _finish(folder)


def current(folder: Path, name: str) -> Path:
    """The file that counts as `folder/name`, also while a replacement is under way or after it was cut."""
    new = folder / _READY / name
    return new if new.exists() else folder / name


def _finish(folder: Path) -> None:
    ready = folder / _READY
    for path in sorted(ready.rglob("*")):
        if path.is_file():
            os.replace(path, folder / path.relative_to(ready))
    shutil.rmtree(ready, ignore_errors=True)
