"""Leaderboards as files: read in every version, checked row by row, and added to by several processes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from modbench import resources
from modbench.atomic import write_json
from modbench.errors import ModbenchError, unknown
from modbench.leaderboard.rows import merge
from modbench.leaderboard.schema import READABLE, VERSION, Leaderboard, RowFaults
from modbench.records.files import read_json

SCHEMA_FILE = "schema.json"
REMEDY = "restore it, or write it anew with `modbench leaderboard add`"


class Problem(NamedTuple):
    """What is wrong with a leaderboard: `row` says where, such as `row 2 (mod_k seed 0)`, and is empty for the whole
    file."""

    row: str
    reason: str

    def __str__(self) -> str:
        return f"{self.row}: {self.reason}" if self.row else self.reason


def read_leaderboard(path: Path) -> Leaderboard:
    """The leaderboard in `path`; raises ModbenchError if it is absent, damaged, or its numbers do not add up."""
    board, problems = _read(read_json(path, REMEDY))
    if board is None:
        others = len(problems) - 1
        more = f" (and {others} more problem{'s' * (others > 1)})" if others else ""
        raise ModbenchError(f"{path} is no sound leaderboard: {problems[0]}{more}: {REMEDY}")
    return board


def problems(path: Path) -> list[Problem]:
    """All that is wrong with the leaderboard in `path`, row by row; empty if it is sound.

    Raises ModbenchError if there is no such file.
    """
    if not path.is_file():
        raise ModbenchError(f"there is no leaderboard {path}: give a file, or a suite that has one")
    try:
        value = read_json(path, REMEDY)
    except ModbenchError as error:
        return [Problem("", str(error).removeprefix(f"{path} "))]
    return _read(value)[1]


def shipped() -> dict[str, Path]:
    """The leaderboards that come with modbench, by suite."""
    paths = sorted(resources.folder("leaderboards").glob("*.json"))
    return {path.stem: path for path in paths if path.name != SCHEMA_FILE}


def locate(name: str) -> Path:
    """The file `name`, else the leaderboard of the suite `name` that comes with modbench; ModbenchError if neither."""
    path, boards = Path(name), shipped()
    if path.is_file():
        return path
    if name in boards:
        return boards[name]
    if path.is_dir():
        raise ModbenchError(f"{name} is a folder: give a leaderboard's file in it, or a suite: {', '.join(boards)}")
    if path.suffix == ".json" or path.name != name:
        raise ModbenchError(
            f"there is no file {name}: give one, or a suite that has a leaderboard: {', '.join(boards)}"
        )
    raise unknown("leaderboard", name, boards)


def published(suite: str) -> Leaderboard | None:
    """The leaderboard of `suite` that comes with modbench, if there is one."""
    path = shipped().get(suite)
    return read_leaderboard(path) if path else None


def write_leaderboard(path: Path, board: Leaderboard) -> Leaderboard:
    """Merge `board` into the file `path` (made if absent) and return what the file holds now.

    Processes that add to one file take turns, and a reader sees it whole whatever moment a writer is killed at. Adding
    what is there changes nothing. Raises ModbenchError, and leaves the file as it is, if that is damaged or does not
    fit.
    """
    with _turn(path):
        merged = merge(*([read_leaderboard(path)] if path.exists() else []), board)
        write_json(path, merged.model_dump(mode="json"))
    return merged


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Holds `path` against other processes that would add to it."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with FileLock(lock):
        try:
            yield
        finally:
            # The last thing done under the lock: filelock lets who waits on a removed file try again.
            with suppress(PermissionError):  # of Windows, where filelock removes it
                lock.unlink(missing_ok=True)


def _read(value: Any) -> tuple[Leaderboard | None, list[Problem]]:
    """The leaderboard in a JSON value of any readable version, or what is wrong with it."""
    version = value.get("schema_version") if isinstance(value, dict) else None
    # The type too: true equals 1.
    if type(version) is not int or version not in READABLE:
        known = ", ".join(map(str, READABLE))
        later = " (a later one wrote it)" if type(version) is int and version > VERSION else ""
        return None, [Problem("", f"schema_version is {version!r}, this modbench reads {known}{later}")]
    current = _migrated(value) if version < VERSION else value
    rows = current.get("rows")
    rows = rows if isinstance(rows, list) else []
    try:
        # Strict: "3" is no number and 1 is no text, in a file that we wrote.
        return Leaderboard.model_validate(current, strict=True), []
    except ValidationError as error:
        found, wrong = _problems(error, dict(enumerate(rows)))
    if wrong:  # what is wrong with the rows together shows only where each is sound
        sound = {index: row for index, row in enumerate(rows) if index not in wrong}
        try:
            Leaderboard.model_validate(current | {"rows": list(sound.values())}, strict=True)
        except ValidationError as error:
            found += [problem for problem in _problems(error, sound)[0] if problem not in found]
    return None, found


def _migrated(value: Mapping[str, Any]) -> dict[str, Any]:
    """A value of version 1 or 2 as the present version: their rows had `source` for `kind`."""
    rows = value.get("rows")
    if isinstance(rows, list):
        rows = [_with_kind(row) if isinstance(row, dict) else row for row in rows]
    return {**value, "schema_version": VERSION, "rows": rows}


def _with_kind(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": row.get("source", "measured")} | {key: value for key, value in row.items() if key != "source"}


def _problems(error: ValidationError, rows: Mapping[int, Any]) -> tuple[list[Problem], set[int]]:
    """The problems in words, and which rows they are in; `rows` are those that were checked, by their place."""
    places = list(rows)
    found, wrong = [], set()
    for each in error.errors(include_url=False):
        cause = each.get("ctx", {}).get("error")
        if isinstance(cause, RowFaults):
            found += [Problem(_name(at := places[index], rows[at]), fault) for index, fault in cause.faults]
            continue
        place, reason = list(each["loc"]), each["msg"].removeprefix("Value error, ")
        row = ""
        if place[:1] == ["rows"] and len(place) > 1 and isinstance(place[1], int):
            wrong.add(at := places[place[1]])
            row = _name(at, rows[at])
            place = place[3:]  # behind the number and the kind
        found.append(Problem(row, f"{'.'.join(map(str, place))}: {reason}" if place else reason))
    return found, wrong


def _name(index: int, row: Any) -> str:
    known = row if isinstance(row, dict) else {}
    method, seed = known.get("method"), known.get("seed")
    said = f"{method}" + (f" seed {seed}" if seed is not None else "")
    return f"row {index + 1} ({said if said.isprintable() else repr(said)})"
