"""The mixture in few operations where the norms are root-mean-square norms: what decoding one token at a time needs.

N_i(h) = s_i * h / rms(h), so sum_i G_i N_i(h_i) is one weighted sum of the states s_i * h_i, the weights being
G_i / rms(h_i).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class RmsMix(nn.Module):
    """sum_i G_i N_i(h_i) over early states with root-mean-square `norms` and a last state that is normed already.

    The norms compute (offset + weight) * x / sqrt(mean(x^2) + eps), as `rms_form` finds it. Their weights are read at
    every call: they may be trained in between.
    """

    def __init__(self, norms: Sequence[nn.Module], offset: int, eps: float) -> None:
        super().__init__()
        self.norms, self.offset = tuple(norms), offset  # a tuple: they stay modules of the mixture alone
        weight = norms[0].get_parameter("weight")
        # 1 / rms = (share * |h|^2 + floor)^-1/2, which is 1 for the last state.
        self.register_buffer("share", weight.new_tensor([1 / len(weight)] * len(norms) + [0.0]), persistent=False)
        self.register_buffer("floor", weight.new_tensor([eps] * len(norms) + [1.0]), persistent=False)
        self.register_buffer("ones", torch.full_like(weight, 1 - offset, requires_grad=False), persistent=False)

    def forward(self, states: Sequence[Tensor], normed_last: Tensor, gates: Tensor) -> Tensor:
        """The mix (..., d) in float32; `states` and `normed_last` are (..., d) each, `gates` (..., k)."""
        stacked = torch.stack((*states, normed_last), -2).float()
        share, floor, ones = self._buffers.values()
        scales = torch.stack([*(norm._parameters["weight"] for norm in self.norms), ones])  # type: ignore[list-item]
        if self.offset:
            scales = scales + self.offset
        length = torch.linalg.vector_norm(stacked, dim=-1)
        weights = gates * torch.addcmul(floor, length * share, length).rsqrt()  # type: ignore[arg-type]
        return torch.matmul(weights.unsqueeze(-2), stacked * scales).squeeze(-2)


def rms_mix(norms: Sequence[nn.Module]) -> RmsMix | None:
    """The `RmsMix` of `norms`; None if there are none, or one of them is no root-mean-square norm in float32."""
    forms = {rms_form(norm) for norm in norms}
    form = forms.pop() if len(forms) == 1 else None
    return None if form is None else RmsMix(norms, *form)


def rms_form(norm: nn.Module) -> tuple[int, float] | None:
    """Offset and eps of a norm that computes (offset + weight) * x / sqrt(mean(x^2) + eps) in float32.

    Found by trying, on random states: what the class is called says nothing. None for every other norm.
    """
    weight: Any = getattr(norm, "weight", None)
    eps = next((getattr(norm, name) for name in ("variance_epsilon", "eps", "epsilon") if hasattr(norm, name)), None)
    names = [name for name, _ in norm.named_parameters()]
    if names != ["weight"] or not isinstance(eps, float):
        return None
    if weight.dim() != 1 or weight.dtype != torch.float32 or weight.is_meta:
        return None
    states = 3 * torch.randn(4, len(weight), generator=torch.Generator().manual_seed(0)).to(weight.device)
    found = norm(states)
    for offset in (0, 1):
        expected = states * torch.rsqrt(states.square().mean(-1, keepdim=True) + eps) * (offset + weight)
        if found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-5, atol=1e-6):
            return offset, eps
    return None
