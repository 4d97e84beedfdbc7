"""Base models as files: where a checkpoint lies, and which one it is. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modbench import resources
from modbench.errors import ModbenchError, reason
from modbench.records import ModelInfo

DEMO = "demo"


def resolve_model(name: str, revision: str | None = None) -> Path:
    """The folder of a base model: the embedded one for `demo`, a local folder, or the download of a hub id.

    Only configuration, tokenizer and safetensors files are fetched. Raises ModbenchError if it cannot be had.
    """
    if name == DEMO:
        return resources.folder("demo")
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise ModbenchError(f"{folder} is not a model folder: it has no config.json")
        return folder.resolve()
    from huggingface_hub import snapshot_download

    try:
        wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:
        raise ModbenchError(f"no model {name!r} here or on the hub ({reason(error)}): give --model a folder") from None


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Turns whatever goes wrong in loading the model in `folder` into one ModbenchError."""
    try:
        yield
    except ModbenchError:
        raise
    except Exception as error:  # broken JSON, truncated weights, an unknown architecture, a missing tokenizer
        raise ModbenchError(f"cannot load the model in {folder}: {reason(error)}") from None


def weights_sha256(folder: Path) -> str:
    """SHA-256 of a model folder's safetensors: of the file where there is one, else of the list of their digests.

    Raises ModbenchError if the folder has none (pickled weights are not opened).
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModbenchError(f"{folder} holds no safetensors weights: convert the model with save_pretrained first")
    digests = []
    for file in files:
        with file.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    listing = "\n".join(f"{digest}  {file.name}" for digest, file in zip(digests, files, strict=True))
    return hashlib.sha256(listing.encode()).hexdigest()


def layer_count(folder: Path) -> int | None:
    """The number of layers that a model folder's config states; None if it does not say."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModbenchError(f"{folder / 'config.json'} is not JSON ({error}): copy the model again") from None
    count = config.get("num_hidden_layers") if isinstance(config, dict) else None
    return count if isinstance(count, int) else None


def snapshot_revision(folder: Path) -> str | None:
    """The commit of a folder that came from the hub: the name that the hub's cache gives it."""
    return folder.name if folder.parent.name == "snapshots" else None


def model_info(name: str, folder: Path, revision: str | None = None, note: str | None = None) -> ModelInfo:
    """What a record says of the base model called `name`, whose files lie in `folder`."""
    return ModelInfo(
        name=Path(name).resolve().name if Path(name).is_dir() else name,
        revision=revision or snapshot_revision(folder),
        sha256=weights_sha256(folder),
        note=note,
    )
