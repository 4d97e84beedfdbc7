"""Loading a tuned model: an adapter and the base that it is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modbench.checkpoints import loading, resolve_model
from modbench.errors import ModbenchError
from modbench.prompt_file import FILE_NAME, read_prompt_file
from modbench.training.base import load_base


def load_tuned(adapter: str, model: str | None = None) -> tuple[Any, Any]:
    """A MoDModel (a PeftModel where `adapter` has no ensemble) in float32, and the base's tokenizer.

    `adapter` is a folder or hub id that modbench or PEFT wrote, `model` the base: by default the one that the adapter
    names. The tokenizer chats as the adapter was trained to, if it was. Raises ModbenchError if one of them cannot be
    had, if they do not fit, or if the base is quantized.
    """
    from modbench.ensemble import MoDModel, storage

    folder = resolve_adapter(adapter)
    name = model or base_name(folder)
    if name is None:
        raise ModbenchError(f"the adapter at {adapter} does not say which base it is for: add --model")
    place = resolve_model(name)
    with loading(place):
        quantization = json.loads((place / "config.json").read_text(encoding="utf-8")).get("quantization_config")
    if quantization:
        kind = quantization.get("quant_method", "some method")
        raise ModbenchError(f"{name} is quantized ({kind}), and nothing can be merged into it: --model the original")
    base, tokenizer = load_base(place, "float32", name)
    trained = read_prompt_file(folder)
    if trained is not None and trained.chat_template is not None:
        tokenizer.chat_template = trained.chat_template
    if storage.has_mixture(folder):
        return MoDModel.from_pretrained(base, folder), tokenizer
    return storage.attach_peft(base, folder), tokenizer


def resolve_adapter(adapter: str) -> Path:
    """The folder of an adapter, with what it says about how to ask: `adapter` itself, or the download of that hub id.

    Raises ModbenchError if there is no adapter, or if half of it is missing.
    """
    from modbench.ensemble import hub, storage

    folder = storage.resolve(adapter)
    return folder if Path(adapter).is_dir() else hub.download(adapter, [FILE_NAME])


def base_name(folder: Path) -> str | None:
    """What the adapter in `folder` says about its base: a hub id, a folder, `demo`, or nothing.

    Raises ModbenchError if its configuration is broken.
    """
    from modbench.ensemble import MoDConfig, storage

    if storage.has_mixture(folder):
        return MoDConfig.load(folder).base_model_name_or_path
    name = storage.read_peft_config(folder).base_model_name_or_path
    return str(name) if name else None
