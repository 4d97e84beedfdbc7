"""The mixture in few operations where the norms are root-mean-square norms: what decoding one token at a time needs.

N_i(h) = s_i * h / rms(h): all late layers at once instead of one norm module after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def rms_scale(norm: nn.Module) -> tuple[int, float] | None:
    """How a norm scales, if it computes (offset + weight) * x / sqrt(mean(x^2) + eps) in float32: (offset, eps).

    Found by trying, on random states: what the class is called says nothing. None for every other norm.
    """
    weight: Any = getattr(norm, "weight", None)
    eps = next((getattr(norm, name) for name in ("variance_epsilon", "eps", "epsilon") if hasattr(norm, name)), None)
    names = [name for name, _ in norm.named_parameters()]
    if names != ["weight"] or weight.dim() != 1 or weight.dtype != torch.float32 or not isinstance(eps, float):
        return None
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(4, len(weight), generator=generator).to(weight.device) * 3
    found = norm(states)
    for offset in (0, 1):
        expected = states * torch.rsqrt(states.square().mean(-1, keepdim=True) + eps) * (offset + weight)
        if found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-5, atol=1e-6):
            return offset, eps
    return None


def mix_rms(states: Sequence[Tensor], scales: Tensor, eps: float, gates: Tensor, normed_last: Tensor) -> Tensor:
    """sum_i G_i N_i(h_i) for the early `states` (k-1 tensors (..., d)) and `normed_last` (..., d), in float32.

    `scales` (k-1, d) are the norms' s_i; `gates` (..., k) with the last layer's at the end.
    """
    early = F.rms_norm(torch.stack(states, -2).float(), scales.shape[-1:], eps=eps) * scales  # type: ignore[arg-type]
    normed = torch.cat((early, normed_last.unsqueeze(-2)), -2)
    return torch.matmul(gates.unsqueeze(-2), normed).squeeze(-2)
