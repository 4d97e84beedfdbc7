from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from modbench.data import download as download_module
from modbench.data import sources
from modbench.data.download import Unavailable
from modbench.data.sources import FILES, PinnedFile, git_blob_id, locate, sha256
from modbench.errors import ModbenchError

from ..file_server import FileServer

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
    message = (
        f"expected git blob {expected}, got {hashlib.sha1(b'blob %d' % len(wrong) + bytes(1) + wrong).hexdigest()}"
    )
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


def test_unknown_file() -> None:
    with pytest.raises(ModbenchError, match=f"did you mean {re.escape(NAME)}"):
        locate("dataset/tiny/test.json")


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
    assert len(FILES) == 27
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
