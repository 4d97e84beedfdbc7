"""Decoding with the ensemble against the slow reference: caches, beams, padding, positions that are left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import StaticCache

from .pairs import ADAPTERS, EXACT, IDS, adapted, pair
from .reference import float64_throughout, relative_error

LEFT = torch.tensor([[1] * 9, [0] * 3 + [1] * 6, [0] * 5 + [1] * 4])


@pytest.fixture(autouse=True)
def no_float32() -> Iterator[None]:
    with float64_throughout():
        yield


@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
@pytest.mark.parametrize("setting", [{}, {"top_k": 2, "router_input": "hidden"}], ids=str)
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2"])
@torch.no_grad()
def test_cached_decoding(name: str, setting: dict[str, Any], static: bool) -> None:
    mod, reference = pair(name, **setting)
    caches = [StaticCache(mod.model.config, max_cache_len=16) if static else None for _ in range(2)]
    whole = reference(input_ids=IDS, use_cache=False).logits
    start = 0
    for end in range(4, IDS.shape[1] + 1):
        inputs = {"input_ids": IDS[:, start:end], "use_cache": True, "position_ids": torch.arange(start, end)[None]}
        output = mod(past_key_values=caches[0], **inputs)
        slow = reference(past_key_values=caches[1], **inputs)
        caches = [output.past_key_values, slow.output.past_key_values]
        assert relative_error(output.logits, slow.logits) < EXACT[torch.float64]
        assert relative_error(output.logits, whole[:, start:end]) < EXACT[torch.float64]
        start = end


@pytest.mark.parametrize("ways", [{}, {"num_beams": 3}, {"num_beams": 4, "num_return_sequences": 2, "top": 2}], ids=str)
@pytest.mark.parametrize("name", ["llama", "gpt2", "cohere"])
@torch.no_grad()
def test_generation(name: str, ways: dict[str, Any]) -> None:
    ways = {"max_new_tokens": 8, "do_sample": False, "no_repeat_ngram_size": 1} | ways  # tiny models love one token
    mod, reference = pair(name, top_k=ways.pop("top", None))
    inputs = {"input_ids": IDS[:, 2:], "attention_mask": LEFT[:, 2:]}
    expected = reference.generate(**inputs, **ways, use_cache=False)
    assert mod.generate(**inputs, **ways).tolist() == expected.tolist()
    if name != "gpt2":
        assert mod.generate(**inputs, **ways, cache_implementation="static").tolist() == expected.tolist()
    with mod.disable_adapter():
        assert mod.generate(**inputs, **ways).tolist() != expected.tolist()


@pytest.mark.parametrize("name", ["llama", "gemma2", "opt"])
@torch.no_grad()
def test_logits_to_keep(name: str) -> None:
    mod, reference = pair(name)
    whole = reference(input_ids=IDS).logits
    assert relative_error(mod(input_ids=IDS, logits_to_keep=2).logits, whole[:, -2:]) < EXACT[torch.float64]
    kept = torch.tensor([1, 4, 7])
    assert relative_error(mod(input_ids=IDS, logits_to_keep=kept).logits, whole[:, kept]) < EXACT[torch.float64]


@pytest.mark.parametrize("name", ["llama", "gemma2"])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_generation_with_adapters(adapter: str, name: str) -> None:
    mod, reference = pair(adapted(name, adapter), top_k=2)
    ways = {"input_ids": IDS, "max_new_tokens": 4, "do_sample": False, "no_repeat_ngram_size": 1}
    assert mod.generate(**ways).tolist() == reference.generate(**ways).tolist()
