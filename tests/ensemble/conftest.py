"""Tiny random models, and the slow way to compute an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from modbench import MoDConfig, MoDModel, get_mod_model

from ..tiny_llama import VOCABULARY, tiny_llama

LAYERS = 5


def build_base(dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    model = tiny_llama(LAYERS).to(dtype).eval()
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def randomize(mod: MoDModel, seed: int = 7) -> MoDModel:
    generator = torch.Generator().manual_seed(seed)
    for parameter in mod.mixture.parameters():
        parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter)
    return mod


@pytest.fixture
def make_base() -> Callable[..., Any]:
    return build_base


@pytest.fixture
def make_mod() -> Callable[..., MoDModel]:
    """An ensemble with random norms and router on a random base of five layers."""

    def make(dtype: torch.dtype = torch.float64, **config: Any) -> MoDModel:
        return randomize(get_mod_model(build_base(dtype), MoDConfig(**config))).eval()

    return make


@pytest.fixture
def slow_logits() -> Callable[..., torch.Tensor]:
    """The ensemble's logits token by token and layer by layer, each late layer with a head pass of its own."""

    def compute(mod: MoDModel, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        config, base = mod.mod_config, build_base(next(mod.model.parameters()).dtype)
        with torch.no_grad():
            hidden = base(ids, attention_mask=mask, output_hidden_states=True).hidden_states
            logits = torch.zeros(*ids.shape, VOCABULARY, dtype=hidden[-1].dtype)
            for b in range(ids.shape[0]):
                for t in range(ids.shape[1]):
                    # hidden_states[layer + 1] is the layer's output; the last entry has been through the final norm.
                    normed = [
                        mod.mixture.norms[i](hidden[LAYERS - config.k + 1 + i][b, t]) for i in range(config.k - 1)
                    ]
                    normed.append(hidden[-1][b, t])
                    gates = slow_gates(mod, normed[-1])
                    for gate, state in zip(gates, normed, strict=True):
                        logits[b, t] += gate * base.lm_head(state)
        return logits

    return compute


def slow_gates(mod: MoDModel, state: torch.Tensor) -> list[float]:
    config = mod.mod_config
    if config.router == "uniform":
        return [1 / config.k] * config.k
    if config.router == "last":
        return [0.0] * (config.k - 1) + [1.0]
    scores = [float(row @ state) for row in mod.mixture.router.weight]
    kept = sorted(range(config.k), key=lambda i: (scores[i], i), reverse=True)[: config.top_k or config.k]
    powers = [torch.tensor(s, dtype=torch.float64).exp().item() if i in kept else 0.0 for i, s in enumerate(scores)]
    return [power / sum(powers) for power in powers]
