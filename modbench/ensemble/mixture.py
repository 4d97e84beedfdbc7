"""The mixture of late layers: norms and router, pure tensor in, tensor out.

The head phi is linear and the gates sum to 1, so the ensemble of logits sum_i G_i phi(N_i(h_i)) (arXiv:2410.13077,
equations of section 3) equals phi(sum_i G_i N_i(h_i)): one mixed state, one pass through the head.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modbench.ensemble.config import LAST_OFFSET, MoDConfig


class Mixture(nn.Module):
    """The trainable part of the ensemble: a norm per earlier late layer and a linear router.

    Parameters are float32 (float64 beside a float64 base) whatever the dtype of the states, and the norms, scores
    and softmax are computed in that precision, under autocast too.
    """

    def __init__(self, config: MoDConfig, final_norm: nn.Module, width: int, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        reference = next(final_norm.parameters(), torch.empty(0))
        self.dtype = torch.float64 if reference.dtype == torch.float64 else torch.float32
        own = 0 if config.router == "last" else config.k - 1 + config.train_last_norm
        self.norms = nn.ModuleList(copy.deepcopy(final_norm).to(self.dtype) for _ in range(own))
        self.norms.requires_grad_(config.train_norms)
        if config.train_last_norm and own:
            self.norms[-1].requires_grad_(True)
        self.router: nn.Linear | None = None
        if config.router == "linear":
            self.router = nn.Linear(width, config.k, bias=False, dtype=self.dtype, device=reference.device)
            nn.init.zeros_(self.router.weight)
            if config.router_init == "normal":
                # A generator of its own, so that all methods of a seed share every other draw.
                draw = torch.randn(self.router.weight.shape, generator=torch.Generator().manual_seed(seed)) * 0.02
                self.router.weight.data.copy_(draw)

    def gates(self, states: Sequence[Tensor], normed_last: Tensor) -> Tensor:
        """Routing weights, shape (..., k), summing to 1; with `top_k` all but that many are exactly 0."""
        config = self.config
        if self.router is None:
            gates = torch.zeros(config.k, dtype=self.dtype, device=normed_last.device)
            if config.router == "uniform":
                gates += 1 / config.k
            else:
                gates[0 if config.router == "first" else -1] = 1
            return gates.expand(*normed_last.shape[:-1], config.k)
        source = normed_last if config.router_input == "normed" else states[-1]
        scores = self.router(source.to(self.dtype))
        if config.router_init == "last":
            scores = scores + scores.new_tensor([0.0] * (config.k - 1) + [LAST_OFFSET])
        if config.top_k is not None and config.top_k < config.k and (config.train_top_k or not self.training):
            # A stable sort of the reversed scores: ties go to the later layer.
            order = scores.flip(-1).sort(dim=-1, descending=True, stable=True).indices[..., config.top_k :]
            scores = scores.scatter(-1, config.k - 1 - order, float("-inf"))
        return scores.softmax(dim=-1)

    def normed(self, states: Sequence[Tensor], normed_last: Tensor) -> list[Tensor]:
        """N_i(h_i) for each late layer: k tensors of shape (..., d), the last one being the model's own."""
        if not self.norms:
            return [normed_last.to(self.dtype)] * len(states)
        own = [norm(state.to(self.dtype)) for norm, state in zip(self.norms, states, strict=False)]
        return own if self.config.train_last_norm else [*own, normed_last.to(self.dtype)]

    def forward(self, states: Sequence[Tensor], normed_last: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The mixed state that the head shall see.

        `states`: k residual-stream states h_i, each (..., d), earliest first; `normed_last`: the model's final norm
        of the last one. Returns the mix (..., d), the gates (..., k) and the k normed states, all in `self.dtype`.
        """
        with torch.autocast(normed_last.device.type, enabled=False):
            gates = self.gates(states, normed_last)
            normed = self.normed(states, normed_last)
            mixed = sum(gates[..., i : i + 1] * state for i, state in enumerate(normed))
        assert isinstance(mixed, Tensor)
        return mixed, gates, normed
