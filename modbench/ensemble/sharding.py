"""Adapters under FSDP: whole tensors for what reads and writes files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from torch import Tensor, nn


@contextlib.contextmanager
def whole(module: nn.Module, state_dict: Mapping[str, Tensor] | None = None) -> Iterator[None]:
    """Within the block the trained parameters of `module` that FSDP has sharded are whole tensors on the CPU.

    They are those in `state_dict`, the module's, whole, or are gathered, in which all processes have to take part.
    """
    from torch.distributed.tensor import DTensor

    sharded: list[tuple[nn.Module, str, nn.Parameter]] = []
    try:
        for path, owner in module.named_modules():
            for name, parameter in owner.named_parameters(recurse=False):
                tensor = (state_dict or {}).get(f"{path}.{name}")
                if tensor is None and isinstance(parameter.data, DTensor) and parameter.requires_grad:
                    tensor = parameter.data.full_tensor()
                if tensor is not None and parameter.requires_grad:
                    sharded.append((owner, name, parameter))
                    owner._parameters[name] = nn.Parameter(tensor.cpu())
        yield
    finally:
        for owner, name, parameter in sharded:
            owner._parameters[name] = parameter
