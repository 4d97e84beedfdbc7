"""A digest that tells one base checkpoint from another, however it was loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from modbench.ensemble.anatomy import causal_lm, original

SLICE = 2**22
"""Values that are cast at one time: a large head is never copied whole."""
SMALLEST = 2.0**-14
"""The smallest magnitude that float16 holds as exactly as bfloat16 does; what is below counts as 0."""


def fingerprint(model: nn.Module, like: str | None = None) -> str | None:
    """`<rows>:<SHA-256>` over the values, cast to bfloat16, and shapes of the base's head and norms.

    Equal for float32, bfloat16, 4-bit and 8-bit loads of one checkpoint (quantization spares head and norms), and for
    float16 loads of one that is stored in 16 bits. Of the head only the first `rows` count, a power of two between a
    quarter and a half of them, since resizing the embeddings adds rows of noise or cuts some off; to compare with the
    fingerprint of a base of another size, pass it as `like`: the same rows are taken.

    `model` is a causal LM, plain or inside a PeftModel, whose adapters do not count. Offloaded weights are read module
    by module. None where there is nothing to read: no head, a quantized one, weights on the meta device.
    """
    base = causal_lm(model)
    output = base.get_output_embeddings() if hasattr(base, "get_output_embeddings") else None
    head = [] if output is None else list(_base_modules(output))
    sizes = [tensor.shape[0] for module in head for tensor in module.parameters(recurse=False) if tensor.ndim]
    if not sizes:
        return None
    stored, _, _ = (like or "").partition(":")
    rows = int(stored) if stored.isdecimal() and len(stored) < 10 else 1 << max(max(sizes).bit_length() - 2, 0)
    norms = [module for module in _base_modules(base) if "norm" in type(module).__name__.lower()]
    digest = hashlib.sha256()
    for modules, end in ((head, rows), (norms, None)):
        for module in modules:
            for tensor in _tensors(module):
                if tensor.is_meta or not tensor.is_floating_point():
                    return None
                _update(digest, tensor[:end] if tensor.ndim else tensor)
    return f"{rows}:{digest.hexdigest()}"


def _base_modules(module: nn.Module) -> Iterator[nn.Module]:
    """`module` and all below it, with what PEFT wrapped in place of its wrappers and without what PEFT added."""
    module = original(module)
    yield module
    for child in module.children():
        yield from _base_modules(child)


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """The module's own parameters, whole, with those that accelerate offloaded loaded in the meantime."""
    if hasattr(module, "_hf_hook"):
        from accelerate.utils import align_module_device, has_offloaded_params

        if has_offloaded_params(module):
            with align_module_device(module, torch.device("cpu")):
                yield from module.parameters(recurse=False)
            return
    for parameter in module.parameters(recurse=False):
        yield parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter


def _update(digest: hashlib._Hash, tensor: Tensor) -> None:
    digest.update(f"{tuple(tensor.shape)}\n".encode())
    for part in tensor.detach().flatten().split(SLICE):
        values = part.to("cpu", torch.bfloat16)
        values = values.masked_fill(values.abs() < SMALLEST, 0)
        digest.update(values.view(torch.int16).numpy())
