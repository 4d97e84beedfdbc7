from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from modbench.data import download as download_module
from modbench.data import sources
from modbench.data.download import Unavailable
from modbench.data.sources import FILES, PinnedFile, State, git_blob_id, inspect, locate, sha256
from modbench.errors import ModbenchError

from ..file_server import WEB_PAGE, FileServer

CONTENT = b'[{"instruction": "1 + 1?", "answer": "2"}]\n'
NAME = "dataset/Tiny/test.json"
URL_PATH = f"/owner/name/0123abc/{NAME}"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    monkeypatch.setattr(sources, "FILES", {NAME: PinnedFile("owner/name", "0123abc", blob, "MIT")})
    monkeypatch.setattr(download_module, "PAUSE", 0.01)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MODBENCH_DATA_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("MODBENCH_DATA", raising=False)


def test_downloads_once_into_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with FileServer({URL_PATH: CONTENT}) as server:
        monkeypatch.setenv("MODBENCH_DATA_URL", server.url + "/")
        local = locate(NAME)
        assert locate(NAME) == local == tmp_path / "cache" / "modbench" / "data" / NAME
        assert len(server.requests) == 1
    assert local.read_bytes() == CONTENT


def test_wrong_content_is_an_error_wherever_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = sources.FILES[NAME].blob
    wrong = CONTENT.replace(b"2", b"3")
    got = hashlib.sha1(b"blob %d" % len(wrong) + bytes(1) + wrong).hexdigest()
    message = re.escape(f"expected git blob {expected}, got {got} ({len(wrong)} bytes, beginning '[{{")
    with FileServer({URL_PATH: wrong}) as server, pytest.raises(ModbenchError, match=message):
        monkeypatch.setenv("MODBENCH_DATA_URL", server.url)
        locate(NAME)
    assert not (sources.cache_folder() / NAME).exists()
    (sources.cache_folder() / NAME).write_bytes(wrong)
    with pytest.raises(ModbenchError, match=message):
        locate(NAME)
    shutil.copytree(sources.cache_folder(), tmp_path / "mine")
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path / "mine"))
    with pytest.raises(ModbenchError, match=message) as caught:
        locate(NAME)
    assert not isinstance(caught.value, Unavailable)


def test_a_local_folder_is_never_completed_from_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path))
    with FileServer({URL_PATH: CONTENT}) as server:
        monkeypatch.setenv("MODBENCH_DATA_URL", server.url)
        with pytest.raises(Unavailable, match=f"{re.escape(NAME)} is not in MODBENCH_DATA={tmp_path}"):
            locate(NAME)
        assert not server.requests
    (tmp_path / NAME).parent.mkdir(parents=True)
    (tmp_path / NAME).write_bytes(CONTENT)
    assert locate(NAME) == tmp_path / NAME


def test_no_network_says_what_to_do() -> None:
    with pytest.raises(Unavailable, match=f"go online, or set MODBENCH_DATA to a folder that holds {re.escape(NAME)}"):
        locate(NAME)


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(ModbenchError, match="set XDG_CACHE_HOME"):
        locate(NAME)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = sources.cache_folder() / f"{NAME}.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    said = r"No space left.*set XDG_CACHE_HOME"
    with FileServer({URL_PATH: CONTENT}) as server, pytest.raises(ModbenchError, match=said):
        monkeypatch.setenv("MODBENCH_DATA_URL", server.url)
        locate(NAME)


def test_a_cache_that_is_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # The lock loads what nobody may be unable to read.
    with tempfile.TemporaryDirectory() as folder, FileLock(Path(folder) / "lock"):
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        local = sources.cache_folder() / NAME
        local.parent.mkdir(parents=True)
        local.write_bytes(CONTENT)
        for path in (local, *local.parents):
            if path.is_relative_to(folder):
                path.chmod(0o555)
        with without_root():
            assert locate(NAME) == local
            assert [path.name for path in local.parent.iterdir()] == [local.name]
        local.parent.chmod(0o755)
        local.unlink()
        local.parent.chmod(0o555)
        with without_root(), pytest.raises(ModbenchError, match=r"Permission denied.*set XDG_CACHE_HOME"):
            locate(NAME)
        for path in Path(folder).rglob("*"):
            path.chmod(0o755)


@contextmanager
def without_root() -> Iterator[None]:
    """The rights of nobody in place of root's, to whom no folder is read-only."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("own", [False, True])
def test_a_folder_in_place_of_a_file(own: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if own:
        monkeypatch.setenv("MODBENCH_DATA", str(tmp_path / "mine"))
    where = sources.data_folder() / NAME
    where.mkdir(parents=True)
    with pytest.raises(ModbenchError, match="got a folder; " + ("put the pinned file" if own else "delete it")):
        locate(NAME)
    assert inspect(NAME) == State("altered", where, None, "a folder")


def test_what_came_can_be_told_from_the_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blob = sources.FILES[NAME].blob
    with FileServer({URL_PATH: CONTENT}, ("web-page",) * 4) as server, pytest.raises(ModbenchError) as caught:
        monkeypatch.setenv("MODBENCH_DATA_URL", server.url)
        locate(NAME)
    assert f"{server.url}{URL_PATH} sent is not the pinned {NAME}: expected git blob {blob}" in str(caught.value)
    assert f"({len(WEB_PAGE)} bytes, beginning '<!DOCTYPE html><title>Si')" in str(caught.value)
    (tmp_path / NAME).parent.mkdir(parents=True)
    (tmp_path / NAME).write_bytes(CONTENT[:-1] + b"\xff")
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path))
    with pytest.raises(ModbenchError, match="put the pinned file there, or unset MODBENCH_DATA"):
        locate(NAME)


def test_inspection_downloads_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blob, where = sources.FILES[NAME].blob, tmp_path / NAME
    with FileServer({URL_PATH: CONTENT}) as server:
        monkeypatch.setenv("MODBENCH_DATA_URL", server.url)
        assert inspect(NAME) == State("absent", sources.cache_folder() / NAME, None, None)
        monkeypatch.setenv("MODBENCH_DATA", str(tmp_path))
        assert inspect(NAME) == State("absent", where, None, None)
        where.parent.mkdir(parents=True)
        where.write_bytes(CONTENT)
        assert inspect(NAME) == State("ok", where, len(CONTENT), blob)
        where.write_bytes(CONTENT[:-1])
        assert inspect(NAME) == State("altered", where, len(CONTENT) - 1, git_blob_id(where))
        assert not server.requests


def test_unknown_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModbenchError, match=f"did you mean {re.escape(NAME)}"):
        locate("dataset/tyni/test.json")
    monkeypatch.setattr(sources, "FILES", FILES)
    with pytest.raises(ModbenchError, match=r"known: dataset/AddSub/AddSub.json, dataset/AddSub/test.json$"):
        locate("addsub")


def test_digests_are_those_of_git_and_hashlib(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for content in (b"", b"what is up, doc?", bytes(range(256)) * 9000):
        file.write_bytes(content)
        assert sha256(file) == hashlib.sha256(content).hexdigest()
        if shutil.which("git"):
            shown = subprocess.run(["git", "hash-object", file], capture_output=True, text=True, check=True)
            assert git_blob_id(file) == shown.stdout.strip()
    file.write_bytes(b"what is up, doc?")
    assert git_blob_id(file) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"  # the example of the Pro Git book


def test_every_pin_is_whole() -> None:
    assert len(FILES) == 28
    assert sum(name.endswith("/test.json") for name in FILES) == 15
    assert len({pinned.blob for pinned in FILES.values()}) == len(FILES)
    for pinned in FILES.values():
        assert re.fullmatch(r"[0-9a-f]{40}", pinned.blob)
        assert re.fullmatch(r"[0-9a-f]{40}", pinned.commit)
        assert pinned.licence


REAL_DATA = os.environ.get("MODBENCH_DATA")


@pytest.mark.realdata
@pytest.mark.skipif(not REAL_DATA, reason="MODBENCH_DATA is not set")
def test_real_files_are_the_pinned_ones() -> None:
    here = [name for name in FILES if (Path(REAL_DATA or "") / name).is_file()]
    assert here, "MODBENCH_DATA holds none of the pinned files"
    for name in here:
        assert git_blob_id(Path(REAL_DATA or "") / name) == FILES[name].blob


def test_the_docs_list_every_pinned_file() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \|.*\| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert rows == [(name, pinned.licence, pinned.repo.rpartition("/")[2]) for name, pinned in FILES.items()]
    assert all(pinned.repo in text and pinned.commit in text for pinned in FILES.values())
