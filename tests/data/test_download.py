from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from modbench.data import download as module
from modbench.data.download import Unavailable, download
from modbench.errors import ModbenchError

from ..file_server import FileServer

CONTENT = Random(0).randbytes(256_000)
PATH = "/some/file.json"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(module, "TIMEOUT", 1)


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
        (("cut", "lying-range"), 3),
        (("half-range",), 2),
        (("no-length",), 1),
        (("cut-no-length",), 2),
        (("slow",), 2),
        (("trickle",), 1),
        (("web-page",), 2),
        (("redirect",), 2),
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


def test_a_server_that_never_sends_the_asked_range_is_asked_for_all(tmp_path: Path) -> None:
    (tmp_path / "file.json.part").write_bytes(CONTENT[:1000])
    with FileServer({PATH: CONTENT}, ("wrong-range",) * 9) as server:
        fetch(server, tmp_path / "file.json")
        assert server.requests == [(PATH, "bytes=1000-"), (PATH, None)]
    assert (tmp_path / "file.json").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [CONTENT[:1000], CONTENT, CONTENT + b"more", b"something else", b""])
def test_a_part_left_by_an_earlier_process(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "file.json.part").write_bytes(left)
    with FileServer({PATH: CONTENT}) as server:
        fetch(server, tmp_path / "file.json")
    assert (tmp_path / "file.json").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("plan", "error", "requests"),
    [
        (("corrupted",) * 9, ModbenchError, 4),
        (("web-page",) * 9, ModbenchError, 4),
        (("half-range",) * 9, ModbenchError, 4),
        (("redirect-loop",) * 9, Unavailable, 5),
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
    assert type(caught.value) is ModbenchError if error is ModbenchError else isinstance(caught.value, Unavailable)
    assert len(server.requests) == requests
    assert not (tmp_path / "file.json").exists()


def test_no_server(tmp_path: Path) -> None:
    with FileServer({}) as server:
        pass
    with pytest.raises(Unavailable, match="refused"):
        fetch(server, tmp_path / "file.json")
    with pytest.raises(Unavailable, match="unknown url type"):
        download("nowhere", tmp_path / "file.json", check)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_not_the_networks_fault(tmp_path: Path) -> None:
    (tmp_path / "file.json.part").symlink_to("/dev/full")
    with FileServer({PATH: CONTENT}) as server, pytest.raises(OSError) as caught:
        fetch(server, tmp_path / "file.json")
    assert caught.value.errno == errno.ENOSPC
    assert len(server.requests) == 1
    assert not (tmp_path / "file.json").exists()


def fetching(server: FileServer, target: Path, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Another process that downloads `target`, which holds any content for right, and prints its size."""
    program = (
        "import sys; from pathlib import Path; from modbench.data.download import download\n"
        "download(sys.argv[1], Path(sys.argv[2]), lambda path: None)\n"
        "print(Path(sys.argv[2]).stat().st_size)"
    )
    command = [sys.executable, "-c", program, server.url + PATH, str(target)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)


def begun(target: Path, process: subprocess.Popen[str]) -> None:
    """Waits until `process` has kept a first piece of `target`."""
    part, deadline = target.with_name(target.name + ".part"), time.monotonic() + 60
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


def test_processes_fetch_once_and_say_nothing_where_no_terminal_is(tmp_path: Path) -> None:
    target = tmp_path / "file.json"
    with FileServer({PATH: CONTENT}, ("trickle",)) as server:
        processes = [fetching(server, target) for _ in range(3)]
        assert [process.communicate(timeout=60) for process in processes] == [(f"{len(CONTENT)}\n", "")] * 3
        assert len(server.requests) == 1
    assert target.read_bytes() == CONTENT


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_sees_a_bar(tmp_path: Path) -> None:
    import termios

    shown, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with FileServer({PATH: CONTENT}) as server:
        assert fetching(server, tmp_path / "file.json", stderr=terminal).wait(timeout=60) == 0
    os.close(terminal)
    said = os.read(shown, 4096).decode()
    os.close(shown)
    assert "file.json: 100%" in said and "256k/256k" in said


def test_a_killed_process_leaves_a_part_and_whoever_waits_goes_on(tmp_path: Path) -> None:
    target = tmp_path / "file.json"
    with FileServer({PATH: CONTENT}, ("trickle",)) as server:
        killed = fetching(server, target)
        begun(target, killed)
        waiting = fetching(server, target)
        killed.kill()
        killed.communicate()
        assert waiting.communicate(timeout=60)[0] == f"{len(CONTENT)}\n"
        assert [path for path, _ in server.requests] == [PATH] * 2
        assert server.requests[1][1] is not None, "the second began at the beginning"
    assert target.read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.json", "file.json.lock"]
