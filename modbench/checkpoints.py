"""Base models as files: where a checkpoint lies, and which one it is. Needs no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from modbench import resources
from modbench.errors import ModbenchError

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
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=["*.json", "*.safetensors", "*.model", "*.txt"])
        )
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModbenchError(f"no model {name!r} here or on the hub ({reason}): give --model a local folder") from None


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
