"""In float32 and bfloat16 the ensemble is as close to the float64 reference as the plain implementation is."""

from __future__ import annotations

import copy
import itertools
import statistics
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.nn import functional as F

from modbench import MoDConfig, get_mod_model

from .reference import Reference, float64_throughout, trained_gradients
from .zoo import build

TYPES = {"llama": "q_proj", "gemma2": "v_proj", "gpt2": "c_attn", "granite": "q_proj", "phi": "v_proj"}
"""Model types, with the module that gets LoRA."""
SETTINGS: list[dict[str, Any]] = [
    {"k": 3},
    {"k": 4, "top_k": 2},
    {"k": 2, "train_last_norm": True, "distill_detach": False},
    {"k": 5, "top_k": 3, "train_top_k": True, "router_input": "hidden"},
    {"k": 3, "router": "uniform", "distill_weight": 1.0},
]
CASES = list(itertools.product(TYPES, enumerate(SETTINGS)))
ALLOWED = 1.05

Found = tuple[Tensor, list[Tensor], dict[str, Tensor]]
"""Logits, the loss on each column of labels, the gradients of their sum."""


class Plain(Reference):
    """k head passes in the model's dtype, mixed as one would write it down; norms and router are float32."""

    def _gates(self, state: Tensor) -> Tensor:
        if self.config.router != "linear":
            return super()._gates(state)
        scores = F.linear(state.to(self.dtype), self.router.weight)
        if self.config.top_k and (self.config.train_top_k or not self.training):
            kept = scores.topk(self.config.top_k).indices
            scores = torch.full_like(scores, float("-inf")).scatter(-1, kept, scores.gather(-1, kept))
        return scores.softmax(-1)


def of_reference(reference: Reference, ids: Tensor, columns: list[Tensor]) -> Found:
    with torch.no_grad():
        logits = reference.eval()(input_ids=ids).logits
    reference.train()
    reference.model.eval()
    slow, weight = reference(input_ids=ids), reference.config.distill_weight
    losses = [task + weight * distill for task, distill in (reference.losses_of(slow, labels) for labels in columns)]
    torch.stack(losses).sum().backward()
    return logits, losses, trained_gradients(reference, reference.model)


def of_ours(mod: Any, ids: Tensor, columns: list[Tensor]) -> Found:
    with torch.no_grad():
        logits = mod.eval()(input_ids=ids).logits
    mod.train()
    mod.model.eval()
    losses = [mod(input_ids=ids, labels=labels).loss for labels in columns]
    torch.stack(losses).sum().backward()
    return logits, losses, trained_gradients(mod.mixture, mod.model)


def errors(model_type: str, seed: int, setting: dict[str, Any], dtype: torch.dtype) -> dict[str, tuple[float, float]]:
    """Mean relative errors of one case by quantity: ours and the plain implementation's."""
    torch.manual_seed(seed)
    lora = LoraConfig(r=2, target_modules=[TYPES[model_type]], init_lora_weights=False)
    model: Any = get_peft_model(build(model_type, seed, dtype), lora).eval()
    twins = copy.deepcopy(model), copy.deepcopy(model).double()
    mod = get_mod_model(model, MoDConfig(**setting))
    for parameter in mod.mixture.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape)
    tensors = mod.mixture.state_dict()
    ids = torch.randint(3, 48, (2, 8))
    columns = [ids.where(torch.arange(8) == column, -100) for column in range(1, 8)]
    with float64_throughout():
        exact = Reference(twins[1], mod.mod_config, {name: tensor.double() for name, tensor in tensors.items()})
        truth = of_reference(exact, ids, columns)
    plain = of_reference(Plain(twins[0], mod.mod_config, tensors), ids, columns)
    ours = of_ours(mod, ids, columns)
    assert ours[0].dtype == dtype
    found = {
        "logits": (error(ours[0], truth[0]), error(plain[0].to(dtype), truth[0])),
        "loss": (
            error(torch.stack(ours[1]), torch.stack(truth[1])),
            error(torch.stack(plain[1]), torch.stack(truth[1])),
        ),
    }
    for part in ("norms", "router", "model"):
        names = [name for name in truth[2] if name.startswith(part + ".")]
        if names:
            one, two = ([error(side[2][name], truth[2][name]) for name in names] for side in (ours, plain))
            found[f"gradients of {part}"] = statistics.mean(one), statistics.mean(two)
    return found


def error(found: Tensor, truth: Tensor) -> float:
    """mean|found - truth| / mean|truth|."""
    found, truth = found.detach().double(), truth.detach().double()
    return float((found - truth).abs().mean() / truth.abs().mean())


@pytest.mark.long
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_as_exact_as_the_plain_implementation(dtype: torch.dtype) -> None:
    found: dict[str, list[tuple[float, float]]] = {}
    for model_type, (seed, setting) in CASES:
        for quantity, pair in errors(model_type, seed, setting, dtype).items():
            found.setdefault(quantity, []).append(pair)
    assert sorted(found) == ["gradients of model", "gradients of norms", "gradients of router", "logits", "loss"]
    for quantity, pairs in found.items():
        ours, plain = (statistics.mean(side) for side in zip(*pairs, strict=True))
        print(f"{quantity}: {len(pairs)} cases, {ours:.2e} against {plain:.2e}, {ours / plain:.3f} times")
        assert len(pairs) >= 20
        assert 0 < ours <= ALLOWED * plain, f"{quantity}: {ours:.2e} against {plain:.2e}"
