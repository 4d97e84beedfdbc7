"""The zoo covers the causal-LM mapping, and its models are fit to test an ensemble with."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedModel

from .zoo import EXCLUDED, FLOAT32_ONLY, NOT_CAUSAL, build, causal_model_types, decoder_types
from .zoo_configs import LAYERS, VOCABULARY

CHANGED = 5


def logits(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False).logits


def test_every_type_of_the_mapping_is_a_decoder_or_excluded() -> None:
    assert sorted([*decoder_types(), *EXCLUDED]) == causal_model_types()
    assert len(decoder_types()) >= 144
    assert set(decoder_types()) >= {*FLOAT32_ONLY, *NOT_CAUSAL}


@pytest.mark.long
@pytest.mark.parametrize("model_type", decoder_types())
def test_model_is_deep_random_and_causal(model_type: str) -> None:
    model = build(model_type)
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    assert max(map(len, lists)) >= LAYERS
    assert all(parameter.min() < parameter.max() for parameter in model.parameters() if parameter.numel() > 1)

    ids = torch.randint(3, VOCABULARY, (2, 7), generator=torch.Generator().manual_seed(1))
    first = logits(model, ids)
    assert first.shape == (2, 7, VOCABULARY)
    assert first.isfinite().all()
    assert torch.equal(first, logits(model, ids))

    ids[:, CHANGED:] = 3 + (ids[:, CHANGED:] - 2) % (VOCABULARY - 3)
    second = logits(model, ids)
    assert not torch.allclose(first[:, CHANGED:], second[:, CHANGED:], atol=0.01)
    # A mixture of experts groups its tokens anew, and most norms and softmaxes run in float32 whatever the dtype.
    assert torch.allclose(first[:, :CHANGED], second[:, :CHANGED], atol=1e-5) == (model_type not in NOT_CAUSAL)


def test_a_seed_gives_the_same_weights_in_every_dtype() -> None:
    double, single, other = build("llama"), build("llama", dtype=torch.float32), build("llama", seed=1)
    for one, two, three in zip(double.parameters(), single.parameters(), other.parameters(), strict=True):
        assert torch.equal(one.float(), two)
        assert not torch.equal(one, three)
