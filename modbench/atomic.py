"""Files that are whole or absent: written beside their final name, flushed to disk, then renamed."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modbench.errors import ModbenchError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a fresh name in `path`'s folder (made if absent); what the block writes there becomes `path` at its end.

    A reader of `path` sees the old file or the new one, whatever moment the process is killed at; if the block raises,
    the old one stays. A kill can leave a hidden `.<name>.<hex>.tmp` behind, which nothing reads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not `tempfile`: its files are private to the user, and would stay so under their final name.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with its newlines as they are, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def copy_folder(source: Path, target: Path) -> None:
    """Copy the folder `source` to `target`, whole or not at all; OSError if `target` has something in it."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        shutil.copytree(source, temporary)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, obj: object) -> None:
    """Write `obj` to `path` as indented JSON, whole or not at all; raise ModbenchError at NaN and infinities."""
    try:
        text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ModbenchError(f"cannot write {path}: {error}; use null for a number that is unknown") from error
    write_text(path, text + "\n")


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
