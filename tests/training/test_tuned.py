"""Where an adapter comes from, and in what format its tokenizer chats."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from modbench import resources
from modbench.prompt_file import FILE_NAME, PromptFile, read_prompt_file, write_prompt_file
from modbench.training.tuned import load_tuned, resolve_adapter

from ..chat_models import TEMPLATES
from ..ensemble.hub_server import HubServer

FORMAT = PromptFile(prompt="qa", apply_chat_template=True, chat_template=TEMPLATES["eos ends a turn"])


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    shutil.copytree(resources.folder("demo-adapter"), folder)
    write_prompt_file(folder, FORMAT)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(token="secret") as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "secret")
        yield server


def test_a_folder_is_taken_as_it_is(adapter: Path) -> None:
    assert resolve_adapter(str(adapter)) == adapter


@pytest.mark.parametrize("with_format", [True, False])
def test_the_format_comes_along_from_the_hub(with_format: bool, adapter: Path, hub: HubServer) -> None:
    if not with_format:
        (adapter / FILE_NAME).unlink()
    files = {file.name: file.read_bytes() for file in adapter.iterdir()}
    hub.commit("someone/sums", "main", files, "trained")
    folder = resolve_adapter("someone/sums")
    assert read_prompt_file(folder) == (FORMAT if with_format else None)
    assert (folder / "mod_model.safetensors").read_bytes() == files["mod_model.safetensors"]


def test_the_tokenizer_chats_as_the_adapter_was_trained(adapter: Path) -> None:
    _, tokenizer = load_tuned(str(adapter))
    assert tokenizer.chat_template == FORMAT.chat_template
    (adapter / FILE_NAME).unlink()
    assert load_tuned(str(adapter))[1].chat_template is None
