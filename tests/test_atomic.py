from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modbench.atomic import replacing, write_json, write_text
from modbench.errors import ModbenchError

WRITER = """
import sys
from itertools import count
from pathlib import Path
from modbench.atomic import write_json
print("ready", flush=True)
for number in count():
    write_json(Path(sys.argv[1]), {"number": number, "body": [number] * 20000})
"""


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_text(path, "één\r\n")
    assert path.read_bytes() == "één\r\n".encode()
    write_json(path, {"a": [1, 0.1]})
    assert json.loads(path.read_text()) == {"a": [1, 0.1]}
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_numbers_are_refused(tmp_path: Path, number: float) -> None:
    with pytest.raises(ModbenchError, match=r"cannot write .*file\.json"):
        write_json(tmp_path / "file.json", {"loss": number})
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "")
    (tmp_path / "plain").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_kill_at_any_moment_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    pause = random.Random(0)
    for _ in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        time.sleep(pause.uniform(0, 0.05))
        writer.kill()
        writer.wait()
        writer.stdout.close()
        if path.exists():
            found = json.loads(path.read_text())
            assert found["body"] == [found["number"]] * 20000
