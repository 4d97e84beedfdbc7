"""torch.compile and the static cache leave the ensemble as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from ..training.tiny import build, collate, difference, features

BATCH = collate(features(3))
INPUTS = {name: BATCH[name] for name in ("input_ids", "attention_mask")}
PROMPT = torch.randint(3, 31, (2, 5), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.long
@pytest.mark.parametrize(("dtype", "top_k", "error"), [(torch.float64, None, 1e-10), (torch.float32, 2, 1e-5)])
def test_a_compiled_forward_is_one_graph_with_the_same_logits(dtype: torch.dtype, top_k: int | None, error) -> None:
    mod = build(dtype, top_k=top_k).eval()
    with torch.no_grad():
        expected = mod(**INPUTS).logits
        compiled = torch.compile(mod, backend="aot_eager", fullgraph=True)
        assert torch.allclose(compiled(**INPUTS).logits, expected, rtol=error, atol=0)


@pytest.mark.long
def test_a_compiled_training_step_has_the_same_gradients() -> None:
    def gradients(compiled: bool) -> dict[str, torch.Tensor]:
        mod = build().train()
        model = torch.compile(mod, backend="eager") if compiled else mod
        model(**BATCH).loss.backward()
        return {name: p.grad for name, p in mod.named_parameters() if p.requires_grad}

    assert difference(gradients(True), gradients(False)) < 1e-10


def test_a_static_cache_generates_the_same_text() -> None:
    mod = build().eval()
    options = {"input_ids": PROMPT, "max_new_tokens": 8, "do_sample": False, "eos_token_id": None}
    expected = mod.generate(**options)
    assert torch.equal(mod.generate(**options, cache_implementation="static"), expected)


@pytest.mark.long
def test_a_compiled_model_with_a_static_cache_generates_the_same_text() -> None:
    mod = build().eval()
    options = {"input_ids": PROMPT, "max_new_tokens": 8, "do_sample": False, "eos_token_id": None}
    expected = mod.generate(**options)
    causal_lm = mod.get_base_model()
    causal_lm.forward = torch.compile(causal_lm.forward, backend="aot_eager")
    assert torch.equal(mod.generate(**options, cache_implementation="static"), expected)
