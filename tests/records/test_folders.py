from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modbench.errors import ModbenchError
from modbench.records import Record, find_folder, find_run, identity_digest, lock_run, run_folder, write_record

CLAIM = """
import sys
from pathlib import Path
from modbench.records import run_folder
print("ready", flush=True)
sys.stdin.readline()
for seed in range(20):
    print(run_folder(Path(sys.argv[1]), "demo", "mod_k", seed, {"who": sys.argv[2]}), flush=True)
"""
LOCK = """
import sys, time
from pathlib import Path
from modbench.records import lock_run
with lock_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_an_identity_keeps_its_folder_and_another_gets_its_own(tmp_path: Path) -> None:
    first, second = {"rate": 1e-3, "betas": (0.9, 0.99)}, {"rate": 2e-3}
    plain = tmp_path / "demo" / "mod_k@4" / "seed-0"
    own = plain.with_name(f"seed-0-{identity_digest(second)[:8]}")
    for _ in range(2):
        assert run_folder(tmp_path, "demo", "mod_k@4", 0, first) == plain
        assert run_folder(tmp_path, "demo", "mod_k@4", 0, second) == own
    assert sorted(os.listdir(plain.parent)) == sorted([plain.name, own.name])


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "demo" / "mod_k" / "seed-0"
    foreign.mkdir(parents=True)
    (foreign / "notes.txt").write_text("mine")
    own = run_folder(tmp_path, "demo", "mod_k", 0, {"a": 1})
    assert own.name == f"seed-0-{identity_digest({'a': 1})[:8]}"
    assert os.listdir(foreign) == ["notes.txt"]


def test_when_both_names_are_taken_nothing_is_overwritten(tmp_path: Path) -> None:
    for name in ("seed-0", f"seed-0-{identity_digest({'a': 1})[:8]}"):
        (tmp_path / "demo" / "mod_k" / name).mkdir(parents=True)
    with pytest.raises(ModbenchError, match="holds something else: move it away"):
        run_folder(tmp_path, "demo", "mod_k", 0, {"a": 1})


def test_a_damaged_identity_is_an_error(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "demo", "mod_k", 0, {"a": 1})
    (folder / "identity.json").write_text('{"a":')
    with pytest.raises(ModbenchError, match=r"identity\.json is not what modbench wrote"):
        run_folder(tmp_path, "demo", "mod_k", 0, {"a": 1})


@pytest.mark.parametrize("name", ["..", "a/b", "", "a\\b", "a\n"])
def test_names_stay_in_the_runs_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModbenchError, match="cannot name a folder"):
        run_folder(tmp_path, "demo", name, 0, {})
    with pytest.raises(ModbenchError, match="cannot name a folder"):
        run_folder(tmp_path, name, "mod_k", 0, {})


def test_a_run_is_found_when_it_is_finished(tmp_path: Path, make_record: Callable[..., Record]) -> None:
    first, second = {"rate": 1}, {"rate": 2}
    key = tmp_path, "demo", "mod_k", 0
    assert find_folder(*key, first) is None and find_run(*key, first) is None
    assert not os.listdir(tmp_path)
    run_folder(*key, first)
    folder = run_folder(*key, second)
    assert find_folder(*key, second) == folder and find_run(*key, second) is None
    record = make_record(identity=second)
    write_record(folder, record)
    assert find_run(*key, second) == record
    assert find_run(*key, first) is None
    write_record(folder, make_record(identity=first))
    with pytest.raises(ModbenchError, match="is of another run"):
        find_run(*key, second)
    (folder / "record.json").write_text("{")
    with pytest.raises(ModbenchError, match=r"record\.json"):
        find_run(*key, second)


@pytest.mark.parametrize("names", ["AB", "AA"])
def test_of_two_processes_one_identity_gets_the_plain_name(tmp_path: Path, names: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [process.communicate(timeout=60)[0].split() for process in processes]
    for seed, folders in enumerate(zip(*found, strict=True)):
        for name, folder in zip(names, folders, strict=True):
            assert find_folder(tmp_path, "demo", "mod_k", seed, {"who": name}) == Path(folder)
        assert len(set(folders)) == len(set(names))
        assert f"seed-{seed}" in {Path(folder).name for folder in folders}
    left = os.listdir(tmp_path / "demo" / "mod_k")
    assert len(left) == 20 * len(set(names)) and not any(name.startswith(".") for name in left)


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_run_is_worked_on_by_one_process_until_that_ends(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", LOCK, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(ModbenchError, match="another process is working on"), lock_run(tmp_path):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    for _ in range(2):
        with lock_run(tmp_path):
            pass
