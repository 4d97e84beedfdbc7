"""The parts of a causal LM that the ensemble touches, found by structure: layer list, final norm, head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modbench.errors import ModbenchError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Anatomy:
    """Where a causal LM keeps what the ensemble needs.

    `layers_path` is the dotted name of the layer list inside the causal LM, such as `model.layers`.
    """

    layers: list[nn.Module]
    layers_path: str
    final_norm: nn.Module
    head: nn.Module

    @property
    def depth(self) -> int:
        """N, the number of layers."""
        return len(self.layers)

    def late_layers(self, k: int) -> list[int]:
        """Indices, from 0, of the last `k` layers; ModbenchError unless 1 <= k <= N."""
        if not 1 <= k <= self.depth:
            raise ModbenchError(f"k = {k} is not between 1 and {self.depth}, the number of layers of this model")
        return list(range(self.depth - k, self.depth))


def causal_lm(model: nn.Module) -> nn.Module:
    """The Hugging Face causal LM inside `model`, which may be a PeftModel around it."""
    get_base_model = getattr(model, "get_base_model", None)
    return get_base_model() if callable(get_base_model) else model


def find_anatomy(model: nn.Module) -> Anatomy:
    """The anatomy of `model` (a causal LM, plain or inside a PeftModel).

    The layer list is the ModuleList with the most parameters among those of at least two modules of one class; the
    final norm is the last norm that stands beside it in its parent; the head is the output embedding.
    Raises ModbenchError, before anything is changed, if one of them is missing.
    """
    from torch import nn

    base = causal_lm(model)
    kind = type(base).__name__
    get_head = getattr(base, "get_output_embeddings", None)
    head = get_head() if callable(get_head) else None
    if head is None:
        raise ModbenchError(f"{kind} has no output head: the ensemble needs a causal language model")
    lists = {
        name: module
        for name, module in base.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) > 1 and len({type(layer) for layer in module}) == 1
    }
    if not lists:
        raise ModbenchError(f"{kind} has no list of decoder layers that the ensemble could read")
    path = max(lists, key=lambda name: sum(p.numel() for p in lists[name].parameters()))
    parent = base.get_submodule(path.rpartition(".")[0])
    norms = [child for child in parent.children() if "norm" in type(child).__name__.lower()]
    if not norms:
        raise ModbenchError(f"{kind} has no final norm beside its layers {path!r}: the ensemble does not serve it yet")
    return Anatomy(list(lists[path]), path, norms[-1], head)
