"""The short way to the mixed state against the long one, and which norms it is for."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from modbench import MoDConfig
from modbench.ensemble.mixture import Mixture, keep_top
from modbench.ensemble.rms import rms_form

WIDTH = 16


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data += torch.randn(parameter.shape, generator=generator).to(parameter)
    return module


@pytest.mark.parametrize(
    "config", [{}, {"top_k": 2}, {"top_k": 1}, {"router": "first"}, {"router_input": "hidden"}], ids=str
)
@pytest.mark.parametrize("norm", [LlamaRMSNorm, GemmaRMSNorm, nn.LayerNorm], ids=lambda norm: norm.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_short_way_gives_the_same_mix(config, norm, dtype) -> None:
    mixture = shaken(Mixture(MoDConfig(k=3, **config), norm(WIDTH), WIDTH, WIDTH)).eval()
    generator = torch.Generator().manual_seed(1)
    *states, last = (5 * torch.randn(2, 4, WIDTH, generator=generator).to(dtype) for _ in range(4))
    with torch.no_grad():
        long, short = mixture(states, last)[0], mixture.mix(states, last)
        assert torch.allclose(short, long, rtol=1e-5, atol=1e-5)
        shaken(mixture, seed=2)  # trained on: the weights are read anew
        assert torch.allclose(mixture.mix(states, last), mixture(states, last)[0], rtol=1e-5, atol=1e-5)


def test_forms_are_told_by_what_a_norm_does() -> None:
    class Squashing(LlamaRMSNorm):
        def forward(self, states):
            return super().forward(states).tanh()

    assert rms_form(shaken(LlamaRMSNorm(WIDTH, eps=1e-3))) == (0, 1e-3)
    assert rms_form(shaken(GemmaRMSNorm(WIDTH, eps=1e-6))) == (1, 1e-6)
    assert rms_form(nn.RMSNorm(WIDTH, eps=1e-5)) == (0, 1e-5)
    for other in (nn.LayerNorm(WIDTH), Squashing(WIDTH), nn.Identity(), LlamaRMSNorm(WIDTH).double()):
        assert rms_form(other) is None


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_highest_scores_stay_and_ties_go_to_the_later(k: int) -> None:
    scores = torch.randint(0, 3, (200, k), generator=torch.Generator().manual_seed(k)).float()
    for count in range(1, k):
        kept = keep_top(scores, count)
        for row, found in zip(scores.tolist(), kept.tolist(), strict=True):
            best = sorted(range(k), key=lambda i: (row[i], i))[-count:]
            assert found == [row[i] if i in best else float("-inf") for i in range(k)]


def test_casting_the_whole_model_leaves_the_ensemble_in_float32() -> None:
    mixture = shaken(Mixture(MoDConfig(k=3), LlamaRMSNorm(WIDTH), WIDTH, WIDTH)).eval()
    before = {name: tensor.clone() for name, tensor in mixture.state_dict().items()}
    mixture.to(torch.bfloat16).half().double()
    assert all(torch.equal(tensor, before[name]) for name, tensor in mixture.state_dict().items())
    assert {tensor.dtype for tensor in mixture.buffers()} == {torch.float32}
    assert "share" not in "".join(mixture.state_dict())
