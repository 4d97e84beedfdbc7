"""Adapter folders on disk: safetensors only, read and checked before anything touches the base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from modbench.atomic import replacing, write_json
from modbench.ensemble.config import CONFIG_NAME, MoDConfig
from modbench.errors import ModbenchError, reason

MIXTURE_NAME = "mod_model.safetensors"
PEFT_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = "adapter_model.safetensors"


def resolve(path: str | Path) -> Path:
    """The local folder of an adapter: `path` itself, or the download of a hub repository of that name.

    Raises ModbenchError if there is none, or if half of it is missing.
    """
    folder = _folder(path)
    for weights, config in ((MIXTURE_NAME, CONFIG_NAME), (PEFT_WEIGHTS, PEFT_CONFIG)):
        if (folder / weights).exists() and not (folder / config).exists():
            raise ModbenchError(f"{folder} has {weights} but no {config}: copy the whole adapter")
    if not has_mixture(folder) and not has_peft(folder):
        raise ModbenchError(f"{folder} holds no adapter: neither {CONFIG_NAME} nor {PEFT_CONFIG} is there")
    return folder


def _folder(path: str | Path) -> Path:
    folder = Path(path)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(str(path), allow_patterns=["*.json", "*.safetensors"]))
    except HFValidationError:
        raise ModbenchError(f"no adapter folder at {path}") from None
    except Exception as error:
        raise ModbenchError(f"no adapter at {path}: no such folder, and the hub says: {reason(error)}") from None


def has_mixture(folder: Path) -> bool:
    """Whether modbench wrote this adapter (a plain PEFT adapter has no `mod_config.json`)."""
    return (folder / CONFIG_NAME).exists()


def has_peft(folder: Path) -> bool:
    return (folder / PEFT_CONFIG).exists()


def check_base(config: MoDConfig, found: str, folder: Path) -> None:
    """ModbenchError unless the adapter in `folder` was made for the base with fingerprint `found`."""
    if config.base_fingerprint and config.base_fingerprint != found:
        raise ModbenchError(
            f"the adapter at {folder} was made for {config.base_model_name_or_path or 'another model'} "
            f"(fingerprint {config.base_fingerprint[:8]}), the loaded base has {found[:8]}: load that base instead"
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; ModbenchError if it is absent, truncated or another format."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.exists():
        others = sorted(p.name for p in path.parent.glob("*.bin")) + sorted(p.name for p in path.parent.glob("*.pt"))
        hint = f" ({others[0]} is a pickle, which modbench does not open)" if others else ""
        raise ModbenchError(f"{path} is missing{hint}: save the adapter again as safetensors")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModbenchError(f"{path} is not a whole safetensors file ({error}): copy or train it again") from None


def save_mixture(mixture: nn.Module, folder: Path) -> None:
    """Writes norms and router; a mixture without tensors leaves no file."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in mixture.state_dict().items()}
    if tensors:
        with replacing(folder / MIXTURE_NAME) as temporary:
            save_file(tensors, temporary, metadata={"format": "pt"})


def save_peft(model: Any, folder: Path) -> None:
    """Writes PEFT's own two files, the config's lists sorted: PEFT stores sets, whose order changes from run to run."""
    model.save_pretrained(str(folder), save_embedding_layers=False)
    path = folder / PEFT_CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    write_json(
        path, {key: sorted(v) if key == "target_modules" and isinstance(v, list) else v for key, v in config.items()}
    )


def read_mixture(folder: Path) -> dict[str, Tensor]:
    return read_tensors(folder / MIXTURE_NAME) if (folder / MIXTURE_NAME).exists() else {}


def load_mixture(mixture: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Copies `tensors` into `mixture`; ModbenchError for a missing, extra or misshapen tensor."""
    _match({n: t.shape for n, t in mixture.state_dict().items()}, tensors, folder / MIXTURE_NAME)
    mixture.load_state_dict(tensors)


def attach_peft(base_model: nn.Module, folder: Path) -> Any:
    """The PEFT adapter of `folder` on `base_model`; ModbenchError, with the base as it was, unless it fits."""
    from peft import PeftConfig, get_peft_model

    tensors = read_tensors(folder / PEFT_WEIGHTS)
    try:
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = True
        config.base_model_name_or_path = None  # or PEFT warns where the same base goes by another name
        model = get_peft_model(base_model, config)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModbenchError(f"the PEFT adapter at {folder} does not fit this base: {reason(error)}") from None
    try:
        _load_peft(model, tensors, folder / PEFT_WEIGHTS)
    except ModbenchError:
        model.unload()
        raise
    return model


def load_adapter_weights(mod: Any, folder: Path) -> None:
    """Copies the tensors of an adapter folder into `mod`, whose shape is that of the adapter."""
    load_mixture(mod.mixture, read_mixture(folder), folder)
    if has_peft(folder):
        _load_peft(mod.model, read_tensors(folder / PEFT_WEIGHTS), folder / PEFT_WEIGHTS)


def _load_peft(model: Any, tensors: dict[str, Tensor], path: Path) -> None:
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    expected = get_peft_model_state_dict(model, save_embedding_layers=False)
    _match({name: tensor.shape for name, tensor in expected.items()}, tensors, path)
    set_peft_model_state_dict(model, tensors)


def _match(expected: dict[str, Any], found: dict[str, Tensor], path: Path) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise ModbenchError(f"{path}: tensor {name} is missing: train or copy the adapter again")
        if name not in expected:
            raise ModbenchError(f"{path}: tensor {name} is not part of this adapter: its config belongs to another one")
        if tuple(found[name].shape) != tuple(expected[name]):
            raise ModbenchError(
                f"{path}: tensor {name} has shape {tuple(found[name].shape)}, expected {tuple(expected[name])}"
            )
