"""The weights of a model with its PEFT adapter merged, formed beside the model, which stays as it is."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from modbench.ensemble.anatomy import causal_lm, original
from modbench.errors import ModbenchError, reason


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of the causal LM in `model`, plain or in a PeftModel, with the active adapter merged in float32.

    What the adapter changes is a new float32 tensor, everything else the model's own. Raises ModbenchError if the
    base is quantized or not wholly in memory, or if the adapter has no place in the weights.
    """
    base: Any = causal_lm(model)
    quantizer = getattr(base, "hf_quantizer", None)
    if quantizer is not None and not getattr(quantizer.quantization_config, "dequantize", False):
        raise ModbenchError("the base is quantized and nothing can be merged into it: load the unquantized base")
    if model is not base:
        _check_mergeable(model)
    state: dict[str, Tensor] = base.state_dict()
    covered: tuple[str, ...] = ()
    for name, module in base.named_modules():
        if not name.startswith(covered or "\0") and _wraps(module):
            covered += (f"{name}.",)
            state = {key: tensor for key, tensor in state.items() if not key.startswith(covered[-1])}
            state.update(_merged(name, module).state_dict(prefix=covered[-1]))
    if any(tensor.is_meta for tensor in state.values()):
        raise ModbenchError("parts of the model are offloaded or were never loaded: load all of it into memory")
    return state


def _check_mergeable(model: Any) -> None:
    for config in model.peft_config.values():
        kind = getattr(config.peft_type, "value", config.peft_type)
        if config.is_prompt_learning or not hasattr(model.base_model, "merge_and_unload"):
            raise ModbenchError(f"a {kind} adapter is no change of weights: it cannot be merged into the model")
        if getattr(config, "layer_replication", None):
            raise ModbenchError(f"this {kind} adapter repeats layers of the base: it cannot be merged into the model")


def _wraps(module: nn.Module) -> bool:
    """Whether PEFT put `module` in the place of another; these two marks are PEFT's own way to tell."""
    return hasattr(module, "unload_and_optionally_merge_module") or hasattr(module, "base_layer")


@torch.no_grad()
def _merged(name: str, module: Any) -> Any:
    """The module that `module` of PEFT stands for, with the active adapter in it."""
    if getattr(module, "disable_adapters", False):
        return original(module)
    try:
        own = copy.deepcopy(module).float()
        if hasattr(own, "unload_and_optionally_merge_module"):
            plain = own.unload_and_optionally_merge_module(merge=True, safe_merge=False, adapter_names=None)
        else:
            own.merge(safe_merge=False, adapter_names=None)
            plain = own.get_base_layer()
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise ModbenchError(f"the adapter on {name} cannot be merged into the model: {reason(error)}") from None
    return plain
