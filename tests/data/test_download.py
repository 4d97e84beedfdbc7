from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modbench.data import download as module
from modbench.data.download import Unavailable, download
from modbench.errors import ModbenchError

from ..file_server import FileServer

CONTENT = bytes(range(256)) * 1000
PATH = "/some/file.json"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(module, "TIMEOUT", 0.3)


def check(path: Path) -> None:
    if path.read_bytes() != CONTENT:
        raise ModbenchError("wrong content")


def fetch(server: FileServer, target: Path) -> None:
    download(server.url + PATH, target, check)


@pytest.mark.parametrize(
    ("plan", "requests"),
    [
        ((), 1),
        (("cut",), 2),
        (("cut", "cut", "cut"), 4),
        (("cut", "no-range"), 2),
        (("cut", "wrong-range"), 3),
        (("corrupted",), 2),
        (("cut", "corrupted"), 3),
        (("slow",), 2),
        ((500, 503, 429), 4),
    ],
)
def test_arrives_whole(tmp_path: Path, plan: tuple[str | int, ...], requests: int) -> None:
    target = tmp_path / "deep" / "file.json"
    with FileServer({PATH: CONTENT}, plan) as server:
        fetch(server, target)
        assert target.read_bytes() == CONTENT
        assert len(server.requests) == requests
    assert not list(target.parent.glob("*.part"))


def test_resumes_where_it_stopped(tmp_path: Path) -> None:
    with FileServer({PATH: CONTENT}, ("cut",)) as server:
        fetch(server, tmp_path / "file.json")
        assert server.requests == [(PATH, None), (PATH, f"bytes={len(CONTENT) // 2}-")]


@pytest.mark.parametrize("left", [CONTENT[:1000], CONTENT, CONTENT + b"more", b"something else"])
def test_a_part_left_by_an_earlier_process(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "file.json.part").write_bytes(left)
    with FileServer({PATH: CONTENT}) as server:
        fetch(server, tmp_path / "file.json")
    assert (tmp_path / "file.json").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("plan", "error", "requests"),
    [
        (("corrupted",) * 9, ModbenchError, 4),
        ((500,) * 9, Unavailable, 4),
        (("slow",) * 9, Unavailable, 4),
        ((404,), Unavailable, 1),
        ((403,), Unavailable, 1),
    ],
)
def test_gives_up_with_one_line(
    tmp_path: Path, plan: tuple[str | int, ...], error: type[ModbenchError], requests: int
) -> None:
    with FileServer({PATH: CONTENT}, plan) as server, pytest.raises(error) as caught:
        fetch(server, tmp_path / "file.json")
    assert "\n" not in str(caught.value)
    assert len(server.requests) == requests
    assert not (tmp_path / "file.json").exists()


def test_no_server(tmp_path: Path) -> None:
    with FileServer({}) as server:
        pass
    with pytest.raises(Unavailable, match="refused"):
        fetch(server, tmp_path / "file.json")
    with pytest.raises(Unavailable, match="unknown url type"):
        download("nowhere", tmp_path / "file.json", check)


def test_two_processes_fetch_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from modbench.data.download import download\n"
        "download(sys.argv[1], Path(sys.argv[2]), lambda path: None)\n"
        "print(Path(sys.argv[2]).stat().st_size)"
    )
    with FileServer({PATH: CONTENT}, ("slow",)) as server:
        arguments = [sys.executable, "-c", program, server.url + PATH, str(tmp_path / "file.json")]
        processes = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        sizes = [process.communicate(timeout=60)[0].strip() for process in processes]
        assert sizes == [str(len(CONTENT))] * 2
        assert len(server.requests) == 1
    assert (tmp_path / "file.json").read_bytes() == CONTENT
