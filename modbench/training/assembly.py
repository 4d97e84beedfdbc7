"""A method made of parts: LoRA on the method's layers, the ensemble on top; and what they add in parameters."""

from __future__ import annotations

from typing import Any

from modbench.ensemble import MoDModel, get_mod_model
from modbench.ensemble.anatomy import find_anatomy
from modbench.errors import ModbenchError
from modbench.methods import Method
from modbench.records import Parameters
from modbench.suites import Lora


def assemble(model: Any, method: Method, lora: Lora, seed: int) -> MoDModel:
    """`model` tuned by `method`: every method of one seed draws the same LoRA initialization.

    Raises ModbenchError if k or the targets do not fit the model.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    anatomy = find_anatomy(model)
    layers = method.lora_layers(anatomy.depth)
    _linear_sizes(anatomy.layers, lora)
    if layers:
        set_seed(seed)
        config = LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=list(lora.targets),
            layers_to_transform=layers,
            layers_pattern=anatomy.layers_path.rpartition(".")[2],
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(model, config)
    mod = get_mod_model(model, method.mod_config(), seed)
    if not sum(mod.parameter_counts().values()):
        raise ModbenchError(f"{method.name}: k = {method.k} leaves nothing to train in {anatomy.depth} layers")
    return mod


def parameters(counts: dict[str, int], lora_not_k: int | None) -> Parameters:
    """Trainable parameters by part, and the overhead in percent over `lora_not_k` (None for an untuned model)."""
    total = sum(counts.values())
    overhead = 100 * (total / lora_not_k - 1) if lora_not_k and total else None
    return Parameters(**counts, total=total, overhead_percent=overhead)


def lora_not_k_parameters(model: Any, method: Method, lora: Lora) -> int:
    """Trainable parameters of `lora_not_k` on `model` with the method's k: r (inputs + outputs) per linear layer."""
    layers = find_anatomy(model).layers
    sizes = _linear_sizes(layers[: len(layers) - method.k], lora)
    return lora.r * sum(sizes)


def _linear_sizes(layers: list[Any], lora: Lora) -> list[int]:
    """Inputs + outputs of every targeted linear layer; ModbenchError for a target that no layer has."""
    sizes, found = [], set()
    for layer in layers:
        for name, module in layer.named_modules():
            target = name.rpartition(".")[2]
            if target in lora.targets and hasattr(module, "in_features"):
                found.add(target)
                sizes.append(module.in_features + module.out_features)
    missing = sorted(set(lora.targets) - found) if layers else []
    if missing:
        raise ModbenchError(
            f"LoRA targets {', '.join(missing)} are not linear layers of this model: fix the suite's targets"
        )
    return sizes
