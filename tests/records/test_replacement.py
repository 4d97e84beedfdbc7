"""Killed at any moment, all files that count are the old ones or all are the new ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from modbench.records.replacement import current, replacing_files

from ..killing import Killed, kill_at

NAMES = ("record.json", "samples/one.jsonl", "samples/two.jsonl")
UNTOUCHED = "samples/three.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "samples").mkdir()
    for name in (*NAMES, UNTOUCHED):
        (tmp_path / name).write_text("old")
    return tmp_path


def replace(folder: Path, text: str = "new") -> None:
    with replacing_files(folder) as prepared:
        (prepared / "samples").mkdir()
        for name in NAMES:
            (prepared / name).write_text(text)


def seen(folder: Path) -> list[str]:
    assert current(folder, UNTOUCHED).read_text() == "old"
    return [current(folder, name).read_text() for name in NAMES]


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_files_are_replaced_and_the_rest_stays(folder: Path) -> None:
    replace(folder)
    assert seen(folder) == ["new"] * 3
    assert left(folder) == {*NAMES, UNTOUCHED} and [path.name for path in folder.glob(".*")] == []


def test_what_raises_changes_nothing(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing_files(folder) as prepared:
        (prepared / "record.json").write_text("new")
        raise ZeroDivisionError
    assert seen(folder) == ["old"] * 3 and left(folder) == {*NAMES, UNTOUCHED}


def test_killed_at_any_step_it_is_old_or_new_and_the_next_call_ends_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes, at, finished = [], 0, False

    def look() -> None:
        assert len(set(seen(folder))) == 1

    while not finished:
        at += 1
        for name in NAMES:
            (folder / name).write_text("old")
        with monkeypatch.context() as patch, suppress(Killed):
            kill_at(patch, at, look)
            replace(folder)
            finished = True
        outcomes.append(seen(folder)[0])
        assert seen(folder) == [outcomes[-1]] * 3
        replace(folder, "newer")
        assert seen(folder) == ["newer"] * 3 and left(folder) == {*NAMES, UNTOUCHED}
    assert {*outcomes} == {"old", "new"} and outcomes == sorted(outcomes, reverse=True)
