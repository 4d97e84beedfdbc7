"""The adapter of a method, as PEFT attaches it: LoRA and DoRA by the recipe, PEFT's other methods by its own file."""

from __future__ import annotations

import dataclasses
import re
import warnings
from typing import Any

from modbench.ensemble.anatomy import Anatomy
from modbench.errors import ModbenchError, reason, unknown
from modbench.methods import Method
from modbench.suites import Lora, Recipe

UNSERVED = {
    "ADAPTION_PROMPT": "it cannot be taken off a model again",
    "ADALORA": "its ranks follow a schedule of their own",
    "CPT": "it has a loss of its own",
    "MULTITASK_PROMPT_TUNING": "it wants the number of a task with every example",
    "POLY": "it wants the number of a task with every example",
    "SHADOW": "its layers pass on more than one hidden state",
    "XLORA": "it mixes adapters that were trained before",
}
"""PEFT methods that a plain training, or an ensemble of hidden states, cannot serve, and why."""

NEEDS_MORE = {
    "init_lora_weights": ("corda", "eva", "loftq", "lora_ga", "pissa_niter"),
    "layer_replication": (),
}
"""LoRA options that do not work from the file alone: a start from data, a drawn one that loading does not draw again,
another number of layers. With prefixes, only values that begin so."""


def check_peft(fields: dict[str, Any]) -> None:
    """ModbenchError unless PEFT knows this method and all of its `fields`, and it can be trained here."""
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING

    kind = fields["peft_type"]
    if kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise unknown("peft_type", kind, [known.value for known in PEFT_TYPE_TO_CONFIG_MAPPING])
    if kind in UNSERVED:
        raise ModbenchError(f"PEFT's {kind} cannot be trained here: {UNSERVED[kind]}; take another method")
    known = [field.name for field in dataclasses.fields(PEFT_TYPE_TO_CONFIG_MAPPING[kind])]
    for name, value in fields.items():
        if name not in known:
            raise ModbenchError(f"PEFT's {kind}: {unknown('field', name, known)}")
        if value and name in NEEDS_MORE and str(value).startswith(NEEDS_MORE[name] or ""):
            raise ModbenchError(f"PEFT's {kind} with {name} = {value} needs more than this file: take another setting")


def peft_config(method: Method, recipe: Recipe, anatomy: Anatomy) -> Any:
    """The PEFT configuration of `method` on a model of that anatomy.

    Raises ModbenchError if it is faulty, or if this PEFT method cannot be limited to the method's layers.
    """
    from peft import LoraConfig, PeftConfig

    layers = method.tuned_layers(anatomy.depth)
    if method.adapter != "peft":
        lora = recipe.lora
        check_targets(anatomy, lora)
        return LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=list(lora.targets),
            use_dora=method.adapter == "dora",
            layers_to_transform=layers,
            layers_pattern=anatomy.layers_path.rpartition(".")[2],
            task_type="CAUSAL_LM",
        )
    fields = recipe.peft_for(method.name)
    check_peft(fields)
    try:
        config = PeftConfig.from_peft_type(**fields, task_type="CAUSAL_LM")
    except (AttributeError, TypeError, ValueError) as error:
        raise ModbenchError(f"PEFT refuses this {fields['peft_type']} configuration: {reason(error)}") from None
    if len(layers) < anatomy.depth:
        _limit(config, layers, anatomy, method)
    return config


def attach(model: Any, config: Any, method: Method, anatomy: Anatomy) -> Any:
    """The PeftModel of `config` around `model`; without weights where `model` has none (is on the meta device).

    Raises ModbenchError if PEFT cannot, if it tuned a layer that `method` leaves alone, or if it trains in half
    precision, in which small steps are lost.
    """
    import torch
    from peft import get_peft_model

    kind = config.peft_type.value
    empty = all(parameter.is_meta for parameter in model.parameters())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuned = get_peft_model(model, config, low_cpu_mem_usage=empty)
    except Exception as error:  # every PEFT method has its own ways to fail
        raise ModbenchError(f"{method.name}: PEFT's {kind} does not fit: {reason(error)}") from None
    layers = method.tuned_layers(anatomy.depth)
    for index, layer in enumerate(anatomy.layers):
        if index not in layers and any(parameter.requires_grad for parameter in layer.parameters()):
            raise ModbenchError(f"{method.name}: PEFT's {kind} tunes layer {index} too: name other targets")
    half = {p.dtype for p in tuned.parameters() if p.requires_grad} & {torch.float16, torch.bfloat16}
    if half and not empty:
        raise ModbenchError(
            f"{method.name}: PEFT's {kind} would train in {half.pop()}: set the suite's dtype to float32"
        )
    return tuned


def check_targets(anatomy: Anatomy, lora: Lora) -> None:
    """ModbenchError for a LoRA target that no layer has."""
    missing = [target for target in lora.targets if target not in module_names(anatomy)]
    if missing:
        raise ModbenchError(
            f"LoRA targets {', '.join(missing)} are in no layer of this model: fix the recipe's targets"
        )


def module_names(anatomy: Anatomy) -> set[str]:
    """The last names of all modules inside the layers, such as `q_proj`."""
    return {name.rpartition(".")[2] for layer in anatomy.layers for name, _ in layer.named_modules()}


def _limit(config: Any, layers: list[int], anatomy: Anatomy, method: Method) -> None:
    """Limits `config` to `layers`, a part of the model's."""
    if hasattr(config, "exclude_modules"):
        numbers = "|".join(map(str, layers))
        outside = rf"(?!{re.escape(anatomy.layers_path)}\.({numbers})\.).*"
        theirs = config.exclude_modules or []
        if not isinstance(theirs, str):
            theirs = "|".join(rf"(.*\.)?{re.escape(name)}" for name in sorted(theirs))
        config.exclude_modules = f"{outside}|{theirs}" if theirs else outside
    elif hasattr(config, "layers_to_transform"):
        if isinstance(config.target_modules, str):
            raise ModbenchError(
                f"{method.name}: to limit PEFT's {config.peft_type.value} to layers, target_modules must be a list"
            )
        theirs = config.layers_to_transform
        theirs = [theirs] if isinstance(theirs, int) else theirs
        config.layers_to_transform = [layer for layer in layers if theirs is None or layer in theirs]
        config.layers_pattern = anatomy.layers_path.rpartition(".")[2]
    else:
        raise ModbenchError(
            f"{method.name}: PEFT's {config.peft_type.value} cannot be limited to layers: "
            "peft_all and peft_all_mod_k work"
        )
