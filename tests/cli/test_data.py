from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from modbench.cli.app import app
from modbench.cli.data import complete_files
from modbench.data import sources
from modbench.data.math_mix import GSM8K_TRAIN, MAWPS_TRAIN
from modbench.data.pools import POOLS
from modbench.data.sources import FILES, PinnedFile
from modbench.errors import ModbenchError
from modbench.harness.task_files import group_tasks, read_task, task_files

from ..file_server import FileServer


def content(name: str) -> bytes:
    return f"the content of {name}".encode()


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FileServer]:
    """Every pinned file under its name with small content, and an empty cache."""
    small = {}
    for name in FILES:
        blob = hashlib.sha1(b"blob %d\0" % len(content(name)) + content(name)).hexdigest()
        small[name] = PinnedFile("owner/name", "0123abc", blob, FILES[name].licence)
    monkeypatch.setattr(sources, "FILES", small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MODBENCH_DATA", raising=False)
    with FileServer({f"/owner/name/0123abc/{name}": content(name) for name in FILES}) as server:
        monkeypatch.setenv("MODBENCH_DATA_URL", server.url)
        yield server


def data(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["data", *arguments])


def pulled(*arguments: str) -> list[str]:
    """The files that `pull` prints, by their name upstream."""
    result = data("pull", *arguments)
    assert result.exit_code == 0, result.exception
    names = [str(Path(line).relative_to(sources.cache_folder())) for line in result.stdout.splitlines()]
    for name in names:
        assert (sources.cache_folder() / name).read_bytes() == content(name)
    return names


def verified(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    result = data("verify", *arguments, "--format", "json")
    return result.exit_code, {row["file"]: row for row in json.loads(result.stdout)}


def test_pull_by_name_is_once(server: FileServer) -> None:
    assert pulled("dataset/AddSub/test.json", "dataset/mawps/test.json", "dataset/AddSub/test.json") == [
        "dataset/AddSub/test.json",
        "dataset/mawps/test.json",
    ]
    assert len(server.requests) == 2
    pulled("dataset/AddSub/test.json")
    assert len(server.requests) == 2


def test_pull_what_a_task_and_its_few_shot_examples_are_read_from() -> None:
    for name in task_files():
        kwargs = read_task(name)["dataset_kwargs"]
        expected = {kwargs["data_file"], POOLS[kwargs["pool"]].path} if "data_file" in kwargs else set()
        found = pulled("--task", name)
        assert expected == set(found[: len(expected)])
        assert all(file.endswith(("/test.json", "/test.jsonl")) for file in found[len(expected) :])
    assert pulled("--task", "modbench_demo_choice") == []
    assert {"dataset/AddSub/test.json", "dataset/piqa/test.json"} <= set(
        pulled("--task", "modbench_addsub", "--task", "modbench_piqa")
    )
    math = {read_task(name)["dataset_kwargs"]["data_file"] for name in group_tasks("modbench_math")}
    assert math <= set(pulled("--task", "modbench_math"))


def test_what_is_only_compared_with_may_be_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path))
    for name in ("dataset/AddSub/test.json", MAWPS_TRAIN, "dataset/SVAMP/test.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content(name))
    result = data("pull", "--task", "modbench_addsub")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        str(tmp_path / name) for name in ("dataset/AddSub/test.json", MAWPS_TRAIN, "dataset/SVAMP/test.json")
    ]
    assert f"left out: dataset/MultiArith/test.json is not in MODBENCH_DATA={tmp_path}" in result.stderr
    (tmp_path / MAWPS_TRAIN).unlink()
    assert isinstance(data("pull", "--task", "modbench_addsub").exception, ModbenchError)


def test_pull_what_a_suite_needs() -> None:
    assert pulled("--suite", "demo") == []
    suite = pulled("--suite", "smollm2-math")
    assert {GSM8K_TRAIN, MAWPS_TRAIN, "dataset/AddSub/test.json", "dataset/SVAMP/test.json"} <= set(suite)
    assert len(suite) == len(set(suite))
    both = pulled("dataset/piqa/test.json", "--suite", "smollm2-math")
    assert both[0] == "dataset/piqa/test.json" and set(both) == {*suite, "dataset/piqa/test.json"}


def test_pull_all_and_by_default() -> None:
    assert pulled("--all") == list(FILES)
    default = set(pulled())
    assert set(pulled("--suite", "smollm2-math")) <= default
    for name in task_files():
        assert set(pulled("--task", name)) <= default


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pull", "dataset/mawps/test.json", "dataset/AdSub/test.json"], "did you mean dataset/AddSub/test.json"),
        (["pull", "--task", "modbench_adsub"], "did you mean modbench_addsub"),
        (["pull", "--suite", "smollm2-maths"], "did you mean smollm2-math"),
        (["path", "mawps"], "dataset/mawps/test.json"),
        (["verify", "dataset/AdSub/test.json"], "did you mean dataset/AddSub/test.json"),
        (["verify", "--format", "jsn"], "did you mean json"),
    ],
)
def test_a_typo_is_said_before_anything_is_fetched(arguments: list[str], says: str, server: FileServer) -> None:
    error = data(*arguments).exception
    assert isinstance(error, ModbenchError) and says in str(error)
    assert not server.requests


def test_path(server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = "dataset/AddSub/test.json"
    assert data("path").stdout == f"{sources.cache_folder()}\n"
    assert not server.requests
    assert data("path", name).stdout == f"{sources.cache_folder() / name}\n"
    assert (sources.cache_folder() / name).read_bytes() == content(name)
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path / "mine"))
    assert data("path").stdout == f"{tmp_path / 'mine'}\n"
    assert isinstance(data("path", name).exception, ModbenchError)


def test_verify(server: FileServer) -> None:
    good, bad, absent = "dataset/AddSub/test.json", "dataset/gsm8k/test.json", "dataset/piqa/test.json"
    code, rows = verified()
    assert code == 0 and list(rows) == list(FILES)
    assert {row["state"] for row in rows.values()} == {"absent"}
    assert not server.requests
    pulled(good, bad)
    assert verified(good, bad)[0] == 0
    assert verified(good, absent)[0] == 3
    where = sources.cache_folder() / bad
    where.write_bytes(content(bad)[:-1])
    code, rows = verified()
    assert code == verified(bad, absent)[0] == 1
    assert rows[good] == {
        "file": good,
        "state": "ok",
        "bytes": len(content(good)),
        "expected": sources.FILES[good].blob,
        "found": sources.FILES[good].blob,
        "licence": "ODC-By-1.0",
        "where": str(sources.cache_folder() / good),
    }
    assert rows[bad]["state"] == "altered" and rows[bad]["bytes"] == len(content(bad)) - 1
    assert rows[bad]["found"] == sources.git_blob_id(where) != rows[bad]["expected"]
    assert rows[absent] | {"licence": None, "where": None} == {
        "file": absent,
        "state": "absent",
        "bytes": None,
        "expected": sources.FILES[absent].blob,
        "found": None,
        "licence": None,
        "where": None,
    }


@pytest.mark.parametrize("command", ["verify", "pull"])
def test_a_folder_that_does_not_exist_is_said_once(
    command: str, server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path / "lost"))
    result = data(command)
    assert isinstance(result.exception, ModbenchError) and not result.stdout
    assert str(result.exception).startswith(f"MODBENCH_DATA={tmp_path / 'lost'} is no folder: ")


def test_verify_as_a_table_for_eyes() -> None:
    good, bad = "dataset/AddSub/test.json", "dataset/gsm8k/test.json"
    pulled(good)
    (sources.cache_folder() / bad).mkdir(parents=True)
    result = data("verify")
    lines = result.stdout.splitlines()
    assert len(lines) == 2 + len(FILES)
    blob = sources.FILES[good].blob[:10]
    assert lines[2].split()[:5] == [good, "ok", str(len(content(good))), blob, blob]
    assert "altered" in next(line for line in lines if line.startswith(bad))
    assert result.stderr == f"1 ok, {len(FILES) - 2} absent, 1 altered\n"
    assert result.exit_code == 1


def test_completion_offers_names_that_begin_so() -> None:
    assert complete_files("") == list(FILES)
    assert complete_files("dataset/AddSub/") == ["dataset/AddSub/test.json", "dataset/AddSub/AddSub.json"]
