"""Adapter folders on disk: safetensors only, read and checked before anything touches the base.

An adapter is up to four files: PEFT's two, which plain PEFT can load by itself, and the ensemble's two beside them.
The adapter `default` lies in the folder itself, another one in the subfolder of its name, as PEFT has it.
"""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modbench.atomic import replacing, write_json
from modbench.ensemble import hub
from modbench.ensemble.config import CONFIG_NAME, MoDConfig
from modbench.ensemble.rollback import snapshot, unchanged_on_error
from modbench.errors import ModbenchError, reason

MIXTURE_NAME = "mod_model.safetensors"
PEFT_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = "adapter_model.safetensors"
CARD = "README.md"
DEFAULT = "default"
OFFLOAD_HINT = "load the base with a device_map that leaves them in memory, or quantized"
QUANTIZED = ("U8", "I8")
"""How safetensors calls the dtypes in which bitsandbytes packs its weights."""


def resolve(path: str | Path, subfolder: str | None = None, **options: Any) -> Path:
    """The local folder of an adapter: `path` itself, or the download of a hub repository of that name.

    `subfolder` is where the adapter lies below it; `options` are the hub's: `revision`, `token`, `cache_dir`,
    `local_files_only`. Raises ModbenchError if there is no adapter, or if half of it is missing.
    """
    folder = Path(path)
    if not folder.is_dir():
        names = (CONFIG_NAME, MIXTURE_NAME, PEFT_CONFIG, PEFT_WEIGHTS)
        files = [f"{subfolder}/{name}" if subfolder else name for name in names]
        folder = hub.download(str(path), files, **options)
    if subfolder:
        folder = folder / subfolder
    for weights, config in ((MIXTURE_NAME, CONFIG_NAME), (PEFT_WEIGHTS, PEFT_CONFIG)):
        if (folder / weights).exists() and not (folder / config).exists():
            raise ModbenchError(f"{folder} has {weights} but no {config}: copy the whole adapter")
    if not has_mixture(folder) and not has_peft(folder):
        raise ModbenchError(f"{folder} holds no adapter: neither {CONFIG_NAME} nor {PEFT_CONFIG} is there")
    return folder


def adapter_folder(folder: Path, adapter_name: str) -> Path:
    """Where under `folder` the adapter of that name is saved."""
    return folder if adapter_name == DEFAULT else folder / adapter_name


def has_mixture(folder: Path) -> bool:
    """Whether modbench wrote this adapter (a plain PEFT adapter has no `mod_config.json`)."""
    return (folder / CONFIG_NAME).exists()


def has_peft(folder: Path) -> bool:
    return (folder / PEFT_CONFIG).exists()


def check_base(config: MoDConfig, found: str | None, folder: Path) -> None:
    """ModbenchError unless the adapter in `folder` was made for the base whose fingerprint was `found`.

    `found` is taken like that of the adapter: `fingerprint(base_model, like=config.base_fingerprint)`. Passes where
    one of the two is None.
    """
    made_for = config.base_fingerprint
    if made_for and found and made_for != found:
        raise ModbenchError(
            f"the adapter at {folder} was made for {config.base_model_name_or_path or 'another model'} (fingerprint "
            f"{_short(made_for)}), the loaded base has {_short(found)}: load that base instead"
        )


def _short(found: str) -> str:
    return found.rpartition(":")[2][:8]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises ModbenchError if it is absent, truncated or another format, or if a tensor has a NaN or an infinity.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.exists():
        others = sorted(p.name for p in path.parent.glob("*.bin")) + sorted(p.name for p in path.parent.glob("*.pt"))
        hint = f" ({others[0]} is a pickle, which modbench does not open)" if others else ""
        raise ModbenchError(f"{path} is missing{hint}: save the adapter again as safetensors")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModbenchError(f"{path} is not a whole safetensors file ({error}): copy or train it again") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModbenchError(f"{path}: tensor {name} has a NaN or infinite value: train the adapter again")
    return tensors


# The ensemble's part ------------------------------------------------------------------------------------------------


def save_mixture(mixture: nn.Module, folder: Path) -> None:
    """Writes norms and router; a mixture without tensors leaves no file."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in mixture.state_dict().items()}
    if tensors:
        with replacing(folder / MIXTURE_NAME) as temporary:
            save_file(tensors, temporary, metadata={"format": "pt"})


def read_mixture(folder: Path) -> dict[str, Tensor]:
    return read_tensors(folder / MIXTURE_NAME) if (folder / MIXTURE_NAME).exists() else {}


def load_mixture(mixture: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Copies `tensors` into `mixture`; ModbenchError for a missing, extra or misshapen one, or one of whole numbers."""
    _match(mixture.state_dict(), tensors, folder / MIXTURE_NAME)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ModbenchError(f"{folder / MIXTURE_NAME}: tensor {name} is {tensor.dtype}: train the adapter again")
    mixture.load_state_dict(tensors)


# PEFT's part --------------------------------------------------------------------------------------------------------


def save_peft(model: Any, folder: Path, adapter_name: str = DEFAULT, save_embedding_layers: bool | str = False) -> Path:
    """Writes PEFT's own files of one adapter of a PeftModel; returns the folder that now holds them.

    As PEFT does it, except that the fields which are sets in memory, whose order changes from run to run, are sorted.
    `save_embedding_layers` is PEFT's: True saves the base's embeddings beside the adapter, for where they were resized
    and the added rows matter; "auto" lets PEFT ask the hub. Raises ModbenchError, with nothing written, if a tensor
    is quantized.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as name:
        temporary = Path(name)
        if (folder / CARD).exists():  # PEFT brings the card up to date and keeps what the user wrote
            shutil.copyfile(folder / CARD, temporary / CARD)
        model.save_pretrained(
            str(temporary), selected_adapters=[adapter_name], save_embedding_layers=save_embedding_layers
        )
        source = adapter_folder(temporary, adapter_name)
        _refuse_quantized(source / PEFT_WEIGHTS)
        unordered = {key for key, value in vars(model.peft_config[adapter_name]).items() if isinstance(value, set)}
        config = json.loads((source / PEFT_CONFIG).read_text(encoding="utf-8"))
        write_json(source / PEFT_CONFIG, {k: sorted(v) if k in unordered else v for k, v in config.items()})
        for file in [path for path in temporary.rglob("*") if path.is_file()]:
            with replacing(folder / file.relative_to(temporary)) as target:
                file.replace(target)
    return adapter_folder(folder, adapter_name)


def _refuse_quantized(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 (no mapping)
            if file.get_slice(name).get_dtype() in QUANTIZED:
                raise ModbenchError(
                    f"tensor {name} is quantized and cannot be saved: leave its module out of modules_to_save"
                )


def attach_peft(model: Any, folder: Path, adapter_name: str = DEFAULT, is_trainable: bool = False) -> Any:
    """The PEFT adapter of `folder` on `model`, under that name: a PeftModel.

    On a plain base the adapter is active; to a PeftModel it is added and stays inactive until `set_adapter`. As in
    PEFT it is frozen and the model in eval mode unless `is_trainable`; embeddings saved beside it overwrite the
    base's. Raises ModbenchError, with `model` as it was, if the adapter is broken or does not fit.
    """
    from peft import PeftModel

    path = folder / PEFT_WEIGHTS
    tensors = read_tensors(path)
    if adapter_name in getattr(model, "peft_config", {}):
        raise ModbenchError(f"the model already has an adapter {adapter_name!r}: give this one another name")
    if (
        "disk" in (getattr(model, "hf_device_map", None) or {}).values()
    ):  # PEFT would copy the checkpoint to where we are
        raise ModbenchError(f"no adapter for layers that are offloaded to disk: {OFFLOAD_HINT}")
    options: dict[str, Any] = {"is_trainable": is_trainable, "torch_device": "cpu"}
    with unchanged_on_error(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what is checked here
        try:
            config = _peft_config(folder, is_trainable)
            _fit(model, config, adapter_name, tensors, path)
            if isinstance(model, PeftModel):
                model.load_adapter(str(folder), adapter_name, **options)
                attached = model
            else:
                attached = PeftModel.from_pretrained(model, str(folder), adapter_name, config=config, **options)
            loaded = _stored(attached, adapter_name)
        except ModbenchError:
            raise
        except Exception as error:
            raise ModbenchError(f"the PEFT adapter at {folder} does not fit this model: {reason(error)}") from None
        if any(tensor.is_meta for tensor in loaded.values()):
            raise ModbenchError(f"PEFT cannot put an adapter on layers that are offloaded like these: {OFFLOAD_HINT}")
    return attached


def read_peft_config(folder: Path) -> Any:
    """PEFT's object for the configuration in `folder`; ModbenchError if the file is broken."""
    from peft import PeftConfig

    try:
        return PeftConfig.from_pretrained(str(folder))
    except Exception as error:  # PEFT raises what it likes
        path = folder / PEFT_CONFIG
        raise ModbenchError(f"{path} is no PEFT configuration ({reason(error)}): copy it anew") from None


def _peft_config(folder: Path, is_trainable: bool) -> Any:
    config = read_peft_config(folder)
    config.inference_mode = not is_trainable
    start = getattr(config, "prompt_tuning_init_state_dict_path", None)
    if start is not None and not str(start).endswith(".safetensors"):
        raise ModbenchError(f"{folder / PEFT_CONFIG} starts from {start}, which may be a pickle: make it safetensors")
    return config


def _fit(model: Any, config: Any, adapter_name: str, tensors: dict[str, Tensor], path: Path) -> None:
    """ModbenchError unless `tensors` are those of the adapter; tried on `model`, which is as before afterwards."""
    from peft import PeftModel, get_peft_model
    from peft.utils.transformers_weight_conversion import convert_peft_adapter_state_dict_for_transformers

    restore = snapshot(model)
    try:
        config = copy.deepcopy(config)
        if isinstance(getattr(config, "init_lora_weights", None), str):
            config.init_lora_weights = True  # some of LoRA's other starts write into the base's weights
        if isinstance(model, PeftModel):
            model.add_adapter(adapter_name, config)
        else:
            model = get_peft_model(model, config, adapter_name)
        expected, with_embeddings = _stored(model, adapter_name), _stored(model, adapter_name, embeddings=True)
        # Adapters of earlier transformers releases name the tensors of some architectures otherwise.
        tensors = convert_peft_adapter_state_dict_for_transformers(model, config, tensors, adapter_name)
        _match(expected, tensors, path, known=with_embeddings)
    finally:
        restore()


def _stored(model: Any, adapter_name: str, embeddings: bool = False) -> dict[str, Tensor]:
    """The tensors of an adapter under the names that its file has, with or without the base's embeddings."""
    from peft import get_peft_model_state_dict

    return get_peft_model_state_dict(model, adapter_name=adapter_name, save_embedding_layers=embeddings)


def load_adapter_weights(mod: Any, folder: Path) -> None:
    """Copies the tensors of an adapter saved under `folder` into the active one of `mod`, which has its shape.

    Raises ModbenchError, with nothing copied, unless the tensors are those of that adapter.
    """
    from peft import set_peft_model_state_dict

    name = mod.active_adapter
    folder = adapter_folder(folder, name)
    adapted = name in getattr(mod.model, "peft_config", {})
    tensors = read_tensors(folder / PEFT_WEIGHTS) if adapted else {}
    if adapted:
        _match(_stored(mod.model, name), tensors, folder / PEFT_WEIGHTS)
    load_mixture(mod.mixture, read_mixture(folder), folder)
    if adapted:
        set_peft_model_state_dict(mod.model, tensors, name)


def _match(
    expected: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    path: Path,
    known: Mapping[str, Tensor] | None = None,
) -> None:
    """ModbenchError unless `found` has all that is `expected`, and no more than is `known`, in these shapes."""
    known = known or expected
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise ModbenchError(f"{path}: tensor {name} is missing: train or copy the adapter again")
        if name not in known:
            raise ModbenchError(f"{path}: tensor {name} is not part of this adapter: its config belongs to another one")
        if found[name].shape != known[name].shape:
            raise ModbenchError(
                f"{path}: tensor {name} has shape {tuple(found[name].shape)}, expected {tuple(known[name].shape)}"
            )
