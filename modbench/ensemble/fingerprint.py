"""A digest that tells one base checkpoint from another, whatever dtype it was loaded in."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

from modbench.ensemble.anatomy import find_anatomy


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over names, shapes and values, cast to bfloat16, of the norms and the head of the untouched base.

    Equal for float32 and bfloat16 loads of one checkpoint. `model` is a causal LM, plain or inside a PeftModel.
    """
    anatomy = find_anatomy(model)
    tensors: list[tuple[str, Tensor]] = [("head", anatomy.head.get_parameter("weight"))]
    tensors += [(f"final_norm.{name}", p) for name, p in anatomy.final_norm.named_parameters()]
    for index, layer in enumerate(anatomy.layers):
        tensors += [(f"layers.{index}.{name}", p) for name, p in layer.named_parameters() if "norm" in name.lower()]
    digest = hashlib.sha256()
    for name, tensor in tensors:
        values = tensor.detach().to("cpu", torch.bfloat16).contiguous().view(torch.int16)
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()
