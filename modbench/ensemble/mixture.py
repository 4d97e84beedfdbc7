"""The mixture of late layers: norms and router, pure tensor in, tensor out.

The head phi is linear and the gates sum to 1, so the ensemble of logits sum_i G_i phi(N_i(h_i)) (arXiv:2410.13077,
equations of section 3) equals phi(sum_i G_i N_i(h_i)): one mixed state, one pass through the head.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modbench.ensemble.config import LAST_OFFSET, MoDConfig
from modbench.ensemble.rms import RmsMix, rms_mix


class Mixture(nn.Module):
    """The trainable part of the ensemble: a norm per earlier late layer and a linear router.

    `final_norm` is the module that the norms are copies of (None: the model has none, nor has the mixture);
    `hidden_width` and `normed_width` are the widths of a state before and after it. Parameters are float32 (float64
    beside a float64 base) whatever the dtype of the states, and the norms, scores and softmax are computed in that
    precision, under autocast too.
    """

    def __init__(
        self,
        config: MoDConfig,
        final_norm: nn.Module | None,
        hidden_width: int,
        normed_width: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config = config
        self.dtype = torch.float64 if dtype == torch.float64 else torch.float32
        own = 0 if final_norm is None or config.router == "last" else config.k - 1 + config.train_last_norm
        self.norms = nn.ModuleList(_copy(final_norm, self.dtype) for _ in range(own))
        self.router: nn.Linear | None = None
        if config.router == "linear":
            width = normed_width if config.router_input == "normed" else hidden_width
            self.router = nn.Linear(width, config.k, bias=False, dtype=self.dtype, device="meta")
            weight = torch.zeros(config.k, width, dtype=self.dtype)
            if config.router_init == "normal":
                # A generator of its own, so that all methods of a seed share every other draw.
                weight.normal_(std=0.02, generator=torch.Generator().manual_seed(seed))
            self.router.weight = nn.Parameter(weight)
        self.set_trainable(True)
        plain = self.dtype == torch.float32 and not config.train_last_norm
        self.rms: RmsMix | None = rms_mix(self.norms) if plain else None  # type: ignore[arg-type]
        if device is not None:
            self.to(device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves the ensemble as `to` does, and leaves it in its precision: `half` and `bfloat16` are for the base."""

        def move(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(move, recurse)

    def set_trainable(self, trainable: bool) -> None:
        """Lets those parts get gradients that the config has trained, or none of them."""
        self.requires_grad_(trainable)
        for place, norm in enumerate(self.norms):
            last = place == self.config.k - 1
            norm.requires_grad_(trainable and (self.config.train_last_norm if last else self.config.train_norms))

    @property
    def mixes(self) -> bool:
        """Whether the ensemble is anything but the last layer as it is."""
        return self.config.router != "last" and (self.config.k > 1 or len(self.norms) > 0)

    def gates(self, last: Tensor, normed_last: Tensor) -> Tensor:
        """Routing weights, shape (..., k), summing to 1; with `top_k` all but that many are exactly 0.

        `last` (..., hidden_width) and `normed_last` (..., normed_width) are the last layer's state before and after
        the final norm. In training mode routing is dense unless `train_top_k` is set.
        """
        config = self.config
        if self.router is None:
            gates = torch.zeros(config.k, dtype=self.dtype, device=normed_last.device)
            if config.router == "uniform":
                gates += 1 / config.k
            else:
                gates[0 if config.router == "first" else -1] = 1
            return gates.expand(*normed_last.shape[:-1], config.k)
        source = normed_last if config.router_input == "normed" else last
        # The weight itself: a module call costs as much as the product, one token at a time.
        scores = F.linear(source.to(self.dtype), self.router._parameters["weight"])  # type: ignore[arg-type]
        if config.router_init == "last":
            scores = scores + scores.new_tensor([0.0] * (config.k - 1) + [LAST_OFFSET])
        if config.top_k is not None and config.top_k < config.k and (config.train_top_k or not self.training):
            scores = keep_top(scores, config.top_k)
        return scores.softmax(dim=-1)

    def normed(self, states: Sequence[Tensor], normed_last: Tensor) -> list[Tensor]:
        """N_i(h_i) for each late layer: k tensors (..., normed_width), the last one being the model's own."""
        states = [state.to(normed_last.device, self.dtype) for state in states]
        if self.norms:
            states = [norm(state) for norm, state in zip(self.norms, states, strict=False)]
        return states[: self.config.k] if self.config.train_last_norm else [*states[: self.config.k - 1], normed_last]

    def mix(self, states: Sequence[Tensor], normed_last: Tensor) -> Tensor:
        """The mixed state alone, for inference: as `forward` gives it, to rounding, in fewer operations."""
        rms = self.rms
        if rms is None or torch.is_autocast_enabled(normed_last.device.type):
            return self(states, normed_last)[0]
        early = states[: self.config.k - 1]
        if any(state.device != normed_last.device for state in early):
            early = [state.to(normed_last.device) for state in early]
        return rms(early, normed_last, self.gates(states[-1], normed_last))

    def forward(self, states: Sequence[Tensor], normed_last: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The mixed state that the head shall see.

        `states`: k late states h_i, each (..., hidden_width), earliest first; `normed_last` (..., normed_width): the
        model's final norm of the last one. Returns the mix, the gates (..., k) and the k normed states, all in
        `self.dtype`.
        """
        kind = normed_last.device.type
        if torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self(states, normed_last)
        normed_last = normed_last.to(self.dtype)
        gates = self.gates(states[-1], normed_last)
        normed = self.normed(states, normed_last)
        shares = gates.unsqueeze(-1).unbind(-2)
        mixed = shares[0] * normed[0]
        for share, state in zip(shares[1:], normed[1:], strict=True):
            mixed = torch.addcmul(mixed, share, state)
        return mixed, gates, normed


def keep_top(scores: Tensor, count: int) -> Tensor:
    """`scores` (..., k) with all but the `count` highest at minus infinity; ties go to the later layer."""
    k = scores.shape[-1]
    if count == k - 1:
        lowest = scores.argmin(-1, keepdim=True)  # of equals the first
    else:  # a stable sort of the reversed scores
        lowest = k - 1 - scores.flip(-1).sort(dim=-1, descending=True, stable=True).indices[..., count:]
    return scores.scatter(-1, lowest, float("-inf"))


def _copy(norm: Any, dtype: torch.dtype) -> nn.Module:
    """A copy of `norm` by itself: weights that accelerate has offloaded are fetched, hooks stay behind."""
    from accelerate.hooks import remove_hook_from_module
    from accelerate.utils import align_module_device

    with align_module_device(norm):
        own = remove_hook_from_module(copy.deepcopy(norm), recurse=True)
    for module in own.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    return own.to(dtype)
