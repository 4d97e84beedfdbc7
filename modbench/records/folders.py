"""Which folder a run has: claimed by its identity when it starts, found again by it, never shared with another."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modbench.atomic import write_json
from modbench.errors import ModbenchError
from modbench.records.files import RECORD_FILE, RUN_AGAIN, read_json, read_record
from modbench.records.schema import PLAIN_NAME, Record, identity_digest

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

IDENTITY_FILE = "identity.json"


def run_folder(runs: Path, suite: str, method: str, seed: int, identity: Mapping[str, Any]) -> Path:
    """The folder of the run with this `identity`, claimed for it if it has none yet.

    It is `runs/<suite>/<method>/seed-<n>` if that is free or its own, else `seed-<n>-<8 hex of the digest>`. Of
    several processes that ask at once, one identity gets the plain name. Raises ModbenchError if a name cannot be a
    folder's, or if what lies there cannot be told.
    """
    for folder in _candidates(runs, suite, method, seed, identity):
        if _claim(folder, identity):
            return folder
    raise ModbenchError(f"{folder} holds something else: move it away, and run again")


def find_folder(runs: Path, suite: str, method: str, seed: int, identity: Mapping[str, Any]) -> Path | None:
    """The folder that this `identity` has claimed, finished or not; None if it has none. Changes nothing."""
    for folder in _candidates(runs, suite, method, seed, identity):
        if belongs(folder, identity):
            return folder
    return None


def find_run(runs: Path, suite: str, method: str, seed: int, identity: Mapping[str, Any]) -> Record | None:
    """The record of the finished run with this `identity`, None if there is none; raises ModbenchError if damaged."""
    folder = find_folder(runs, suite, method, seed, identity)
    if folder is None or not (folder / RECORD_FILE).exists():
        return None
    record = read_record(folder)
    if record.identity_digest != identity_digest(identity):
        raise ModbenchError(f"{folder / RECORD_FILE} is of another run than {IDENTITY_FILE} beside it: {RUN_AGAIN}")
    return record


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; raises ModbenchError at once if another process holds it.

    The lock ends with the process, however that ends. Where the system has no such locks, nothing is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ModbenchError(f"another process is working on {folder}: wait for it, or stop it") from error
            except OSError:
                pass  # Some network file systems cannot lock; one process at a time works there all the same.
        yield


def _candidates(runs: Path, suite: str, method: str, seed: int, identity: Mapping[str, Any]) -> tuple[Path, Path]:
    for kind, name in (("suite", suite), ("method", method)):
        if not re.fullmatch(PLAIN_NAME, name):
            raise ModbenchError(f"the {kind} name {name!r} cannot name a folder: use letters, digits, _, -, @ and .")
    parent = runs / suite / method
    return parent / f"seed-{seed}", parent / f"seed-{seed}-{identity_digest(identity)[:8]}"


def _claim(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Make `folder`, with the identity in it, unless it exists; whether it is this identity's now."""
    if not folder.exists():
        prepared = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
        write_json(prepared / IDENTITY_FILE, identity)
        try:
            # A folder is never renamed onto one with something in it, so one process wins.
            os.rename(prepared, folder)
        except OSError:
            shutil.rmtree(prepared)
            if not folder.exists():
                raise
    return belongs(folder, identity)


def belongs(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Whether `folder` has been claimed for this `identity`; ModbenchError if what lies there cannot be told."""
    path = folder / IDENTITY_FILE
    return path.exists() and identity_digest(read_json(path, RUN_AGAIN)) == identity_digest(identity)


def visible(root: Path, pattern: str) -> list[Path]:
    """The files of that name pattern at or below `root`, in order; hidden folders hold what a killed process left."""
    found = sorted(root.rglob(pattern))
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(root).parts)]
