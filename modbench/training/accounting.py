"""What a method trains, counted on models without weights (on the meta device)."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modbench.checkpoints import DEMO, loading, resolve_model
from modbench.ensemble import get_mod_model
from modbench.ensemble.anatomy import Anatomy, find_anatomy
from modbench.ensemble.probe import without_weights
from modbench.errors import ModbenchError, reason
from modbench.methods import Method, get_method
from modbench.records import Parameters
from modbench.suites import Recipe
from modbench.training.assembly import adapt


def load_config(model: str) -> Any:
    """The config of `model`: a folder with a config.json, `demo`, or a hub id, of which nothing else is fetched.

    Raises ModbenchError if it cannot be had. Remote code is never run.
    """
    from huggingface_hub import snapshot_download
    from transformers import AutoConfig

    if model == DEMO or Path(model).is_dir():
        folder = resolve_model(model)
    else:
        try:
            folder = Path(snapshot_download(model, allow_patterns=["config.json"]))
        except Exception as error:  # gated, unknown, unreachable, no hub id at all
            said = reason(error).partition(". ")[0]
            raise ModbenchError(f"no config of {model!r} ({said}): give --model a folder with a config.json") from None
    with loading(folder):
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def empty_model(config: Any) -> Any:
    """The causal LM of `config` on the meta device: all of its modules, none of its memory."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(copy.deepcopy(config), trust_remote_code=False)
    except ValueError as error:
        raise ModbenchError(f"{config.model_type} is no causal language model: {reason(error)}") from None


def trained_parameters(model: Any, methods: Sequence[Method], recipe: Recipe) -> list[Parameters]:
    """What each of `methods` trains on `model`, by part, and its overhead in percent over `lora_not_k`.

    `model` is not changed. The overhead is None for an untuned model, and where `lora_not_k` trains nothing. Raises
    ModbenchError if a method does not fit the model.
    """
    anatomy = find_anatomy(model)
    one_of_each = {method.baseline_k: method for method in methods}
    baselines = {k: baseline(model, anatomy, method, recipe) for k, method in one_of_each.items()}
    adapters: dict[tuple[str, int], int] = {}
    found = []
    for method in methods:
        kind = (method.adapter, len(method.tuned_layers(anatomy.depth)))
        if kind not in adapters:
            adapters[kind] = _adapter_parameters(model, anatomy, method, recipe)
        ensemble = get_mod_model(copy.deepcopy(model, without_weights(model)), method.mod_config())
        counts = ensemble.parameter_counts() | {"lora": adapters[kind]}
        found.append(with_overhead(counts, baselines[method.baseline_k]))
    return found


def with_overhead(counts: dict[str, int], baseline: int | None) -> Parameters:
    """Trained parameters by part, in total, and in percent over `baseline` parameters (None: unknown)."""
    total = sum(counts.values())
    overhead = 100 * (total / baseline - 1) if baseline and total else None
    return Parameters(**counts, total=total, overhead_percent=overhead)


def baseline(model: Any, anatomy: Anatomy, method: Method, recipe: Recipe) -> int | None:
    """What `lora_not_k` trains on `model`, which is not changed, with the method's k; None if that cannot be."""
    lora_not_k = dataclasses.replace(get_method("lora_not_k"), k=method.baseline_k)
    try:
        return _adapter_parameters(model, anatomy, lora_not_k, recipe) or None
    except ModbenchError:  # too large a k, or other targets: of no matter to a method that has its own
        return None


def fitting_targets(model: Any, recipe: Recipe) -> list[str]:
    """LoRA targets that fit `model`.

    These are the recipe's if PEFT takes them all, else PEFT's own for this type of model, else those of its linear
    layers that PEFT takes, if any.
    """
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    anatomy, lora_not_k = find_anatomy(model), get_method("lora_not_k@1")

    def fit(targets: list[str]) -> bool:
        lora = recipe.lora.model_copy(update={"targets": targets})
        try:
            _adapter_parameters(model, anatomy, lora_not_k, recipe.model_copy(update={"lora": lora}))
        except ModbenchError:
            return False
        return True

    for known in (
        recipe.lora.targets,
        TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(model.config.model_type),
    ):
        if isinstance(known, list) and fit(known):
            return known
    modules = [named for layer in anatomy.layers for named in layer.named_modules()]
    linear = {name.rpartition(".")[2] for name, module in modules if isinstance(module, (nn.Linear, Conv1D))}
    return [name for name in sorted(linear) if fit([name])] or recipe.lora.targets


def _adapter_parameters(model: Any, anatomy: Anatomy, method: Method, recipe: Recipe) -> int:
    """How many parameters PEFT trains on `model`, which is not changed."""
    twin = copy.deepcopy(model, without_weights(model))
    own = dataclasses.replace(anatomy, layers=list(twin.get_submodule(anatomy.layers_path)))
    # Dropout has no parameters, and PEFT does not have it on all modules.
    lora = recipe.lora.model_copy(update={"dropout": 0.0})
    tuned = adapt(twin, own, method, recipe.model_copy(update={"lora": lora}), seed=0)
    return sum(parameter.numel() for parameter in tuned.parameters() if parameter.requires_grad)
