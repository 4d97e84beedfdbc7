"""The model file of exported folders: its mixture is modbench's own, bit for bit."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from modbench import MoDConfig
from modbench.ensemble.export import _settings
from modbench.ensemble.mixture import Mixture
from modbench.ensemble.remote import modeling_mod

ENSEMBLES: dict[str, dict[str, Any]] = {
    "dense": {},
    "one": {"k": 1, "train_last_norm": True},
    "top": {"top_k": 2},
    "top_of_the_hidden": {"top_k": 1, "router_input": "hidden", "router_init": "last"},
    "normal": {"k": 5, "router_init": "normal", "train_last_norm": True},
    "uniform": {"router": "uniform", "top_k": 1},
    "first": {"k": 2, "router": "first"},
}


@pytest.mark.parametrize("name", ENSEMBLES)
@pytest.mark.parametrize("norm", [torch.nn.RMSNorm(8), torch.nn.LayerNorm(8), None])
@torch.no_grad()
def test_the_same_mixed_state(name: str, norm: torch.nn.Module | None) -> None:
    config = MoDConfig(**ENSEMBLES[name])
    ours = Mixture(config, norm, 8, 8).eval()
    torch.manual_seed(3)
    for parameter in ours.parameters():
        parameter.add_(torch.randn_like(parameter))
    anatomy: Any = SimpleNamespace(
        causal_lm=torch.nn.ModuleDict({"norm": norm or torch.nn.Identity(), "model": torch.nn.Identity()}),
        layers_path="layers",
        before=(),
        final_norm=norm,
        after=(),
        output_field=0,
    )
    anatomy.decoder = anatomy.causal_lm["model"]
    settings = json.loads(json.dumps(_settings(ours, anatomy)))
    theirs = modeling_mod.Mixture(settings, norm or torch.nn.Identity())
    theirs.load_state_dict(ours.state_dict())
    for dtype in (torch.float32, torch.bfloat16):
        states = [torch.randn(2, 7, 8).to(dtype) for _ in range(config.k)]
        last = states[-1] if norm is None else torch.randn(2, 7, 8).to(dtype)
        last[0, 1] = 0  # every score ties
        assert torch.equal(theirs(states, last), ours(states, last)[0])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(theirs(states, last), ours(states, last)[0])
