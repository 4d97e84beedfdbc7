"""Adapters on the hub, against a little hub on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modbench.ensemble import hub, storage
from modbench.errors import ModbenchError

from .hub_server import HubServer

FILES = {
    "README.md": b"---\nlibrary_name: peft\n---\n",
    "adapter_config.json": b"{}",
    "adapter_model.safetensors": b"PEFT's weights",
    "mod_config.json": b"{ }",
    "mod_model.safetensors": b"the ensemble's weights",
    "second/adapter_config.json": b"{  }",
    "second/adapter_model.safetensors": b"another adapter",
}
WANTED = ["adapter_config.json", "adapter_model.safetensors", "mod_config.json", "mod_model.safetensors"]


def save(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def server(monkeypatch, tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(token="secret") as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        yield server


def test_there_and_back(server: HubServer) -> None:
    address = hub.upload(save, "someone/sums", private=True, commit_message="Three epochs", token="secret")
    assert server.revisions["someone/sums", "main"] == FILES
    assert (server.visibility, server.messages) == ({"someone/sums": "private"}, ["Three epochs"])
    folder = storage.resolve("someone/sums", token="secret")
    assert address.endswith(f"/someone/sums/commit/{folder.name}")
    assert content(folder) == {name: FILES[name] for name in WANTED}  # and neither the card nor the other adapter


def test_a_revision_a_subfolder_and_a_cache(server: HubServer, tmp_path: Path) -> None:
    first = server.commit("someone/sums", "main", FILES, "first")
    server.commit("someone/sums", "main", {"second/adapter_config.json": b"new"}, "second")
    hub.upload(lambda folder: (folder / "mod_config.json").write_text("older"), "sums", token="secret", revision="v0")
    assert server.revisions["me/sums", "v0"] == {"mod_config.json": b"older"}
    assert ("me/sums", "main") not in server.revisions

    where = {"token": "secret", "cache_dir": str(tmp_path / "other")}
    folder = storage.resolve("someone/sums", subfolder="second", **where)
    expected = {"adapter_config.json": b"new", "adapter_model.safetensors": b"another adapter"}
    assert content(folder) == expected and str(folder).startswith(str(tmp_path / "other"))
    asked = len(server.requests)
    assert storage.resolve("someone/sums", subfolder="second", local_files_only=True, **where) == folder
    assert len(server.requests) == asked
    old = storage.resolve("someone/sums", subfolder="second", revision=first, **where)
    assert content(old)["adapter_config.json"] == b"{  }"


def test_what_the_hub_refuses_is_one_clear_line(server: HubServer) -> None:
    server.commit("someone/sums", "main", FILES, "first")
    server.commit("someone/text", "main", {"README.md": b"no adapter"}, "first")
    for options, says in (
        ({"token": "wrong"}, "401"),
        ({"token": "secret", "revision": "v9"}, "Revision Not Found"),
        ({"local_files_only": True}, "no adapter at someone/sums"),
        ({"token": "secret", "subfolder": "third"}, "no adapter"),
    ):
        with pytest.raises(ModbenchError, match=says) as caught:
            storage.resolve("someone/sums", **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModbenchError, match="no adapter"):
        storage.resolve("someone/text", token="secret")
    with pytest.raises(ModbenchError, match="no adapter folder at /not/here"):
        storage.resolve("/not/here")
    with pytest.raises(ModbenchError, match=r"cannot upload the adapter to someone/sums: .*401"):
        hub.upload(save, "someone/sums", token="wrong")
