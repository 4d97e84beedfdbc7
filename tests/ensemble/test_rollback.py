"""A model put back as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from modbench.ensemble.rollback import snapshot, unchanged_on_error


def state(model: nn.Module) -> list[Any]:
    """All that a user of a model could tell it by, weights by value."""
    return [
        (name, id(module), dict(vars(module)), list(module._modules), list(module._forward_hooks.values()))
        for name, module in model.named_modules()
    ] + [(n, id(p), p.requires_grad, p.data_ptr(), p.tolist()) for n, p in model.named_parameters()]


def tamper(base: Any) -> None:
    base.model.layers[1].self_attn.q_proj = nn.Identity()
    del base.model.layers[4]
    base.model.norm.register_forward_hook(print)
    base.model.norm.weight = nn.Parameter(torch.zeros(16))
    base.lm_head.weight.data = torch.zeros(31, 16)
    base.model.embed_tokens.weight.requires_grad_(False)
    base.note, base.peft_config = 1, {}
    base.eval() if base.training else base.train()
    base.forward = print


def test_what_a_block_did_is_undone_when_it_raises(make_base: Callable[..., Any]) -> None:
    base = make_base()
    before, logits = state(base), base(torch.arange(5).view(1, -1)).logits
    with pytest.raises(KeyboardInterrupt), unchanged_on_error(base):
        tamper(base)
        assert str(state(base)) != str(before)
        raise KeyboardInterrupt
    assert str(state(base)) == str(before)
    assert torch.equal(base(torch.arange(5).view(1, -1)).logits, logits)


def test_what_a_block_did_stays_when_it_ends(make_base: Callable[..., Any]) -> None:
    base = make_base()
    with unchanged_on_error(base):
        tamper(base)
    assert len(base.model.layers) == 4 and base.note == 1


def test_containers_that_modules_share_stay_shared(make_base: Callable[..., Any]) -> None:
    base = make_base()
    base.shared = base.model.shared = {"a": 1}
    base.listed = [1, 2]
    restore = snapshot(base)
    base.shared["b"] = 2
    base.listed.pop()
    base.model.shared = {}
    restore()
    assert base.shared is base.model.shared and base.shared == {"a": 1} and base.listed == [1, 2]
