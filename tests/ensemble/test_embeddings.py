"""Trained, tied and resized embeddings and heads, against plain autograd on the same model; saved, loaded, merged."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from modbench import MoDConfig, MoDModel, get_mod_model

from .conftest import randomize
from .reference import Reference, relative_error, trained_gradients

ROWS = 48
IDS = torch.randint(3, ROWS, (2, 8), generator=torch.Generator().manual_seed(1))
LABELS = IDS.clone().masked_fill(IDS < 12, -100)

LORA: dict[str, Any] = {"r": 2, "target_modules": ["q_proj"], "init_lora_weights": False}
ADAPTERS: dict[str, dict[str, Any]] = {
    "LoRA on the head": {"target_modules": ["q_proj", "lm_head"]},
    "LoRA on embeddings and head": {"target_modules": ["q_proj", "embed_tokens", "lm_head"]},
    "the head itself": {"modules_to_save": ["lm_head"]},
    "embeddings and head themselves": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "embeddings and head as one": {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    "rows of the embeddings": {"trainable_token_indices": [4, 30, 47]},
    "rows of embeddings and head": {"trainable_token_indices": {"embed_tokens": [4, 30], "lm_head": [30, 47]}},
}
NOT_MERGED = {"LoRA on the head", "LoRA on embeddings and head", "rows of embeddings and head"}
"""Where weights are tied PEFT merges these into both, with a warning: the merged model is another one."""


def build(tied: bool, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_key_value_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=ROWS, num_hidden_layers=4, tie_word_embeddings=tied, **sizes))
    for name, parameter in model.named_parameters():
        parameter.data += (0.3 if "norm" in name else 0.1) * torch.randn_like(parameter)
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    return model.double().eval()


def adapted(base: Any, **options: Any) -> Any:
    torch.manual_seed(5)
    model: Any = get_peft_model(base, LoraConfig(**LORA | options))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.double() + 0.1 * torch.randn(parameter.shape, dtype=torch.float64)
    return model.eval()


def assert_as_by_autograd(mod: MoDModel, ids: Tensor = IDS, labels: Tensor = LABELS) -> None:
    """Logits, losses and every gradient are those of the slow reference on a copy of the model."""
    mod._detach()
    reference = Reference(copy.deepcopy(mod.model), mod.mod_config, mod.mixture.state_dict()).eval()
    mod._attach()
    with torch.no_grad():
        assert relative_error(mod(input_ids=ids).logits, reference(input_ids=ids).logits) < 1e-6
    mod.zero_grad()
    for ensemble in (mod, reference):
        ensemble.train()
    output = mod(input_ids=ids, labels=labels)
    output.loss.backward()
    task, distill = reference.losses(labels, input_ids=ids)
    assert relative_error(output.loss_task, task) < 1e-6
    assert relative_error(output.loss_distill, distill) < 1e-6
    expected = reference.gradients(labels, input_ids=ids)
    found = trained_gradients(mod.mixture, mod.model)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert float(gradient.abs().max()) > 0, name
        assert relative_error(found[name], gradient) < 1e-5, name
    mod.zero_grad()
    mod.eval()


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_adapters_on_embeddings_and_head(adapter: str, tied: bool, tmp_path: Path) -> None:
    base = build(tied)
    state = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    mod = randomize(get_mod_model(adapted(base, **ADAPTERS[adapter]), MoDConfig(distill_detach=False))).eval()
    assert_as_by_autograd(mod)
    expected = logits(mod)
    assert relative_error(expected, logits(build(tied))) > 1e-3
    mod.save_pretrained(tmp_path)
    again = MoDModel.from_pretrained(build(tied), tmp_path)
    assert relative_error(logits(again), expected) < 1e-6
    if not tied or adapter not in NOT_MERGED:
        assert relative_error(logits(again.merge_and_unload()), expected) < 1e-6
    assert mod.unload() is base
    assert base.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in base.state_dict().items())
    assert relative_error(logits(base), logits(build(tied))) == 0


@pytest.mark.parametrize("trained", ["model.embed_tokens", "lm_head", "model.norm"])
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_weights_of_the_base_that_are_trained_get_their_gradient(trained: str, tied: bool) -> None:
    model = adapted(build(tied))
    weight = model.get_base_model().get_submodule(trained).weight.requires_grad_()
    mod = randomize(get_mod_model(model, MoDConfig(distill_detach=False))).train()
    mod(input_ids=IDS, labels=LABELS).loss.backward()
    found, weight.grad = weight.grad, None
    states, last = mod.late_states(input_ids=IDS)
    mixed, _, normed = mod.mixture(states, last)
    keep = LABELS[:, 1:] != -100
    scores, *layers = [model.lm_head(state[:, :-1][keep]).log_softmax(-1) for state in (mixed, *normed)]
    task = -scores.gather(-1, LABELS[:, 1:][keep][:, None]).mean()
    distill = sum((layer.exp() * (layer - layers[-1])).sum(-1).mean() for layer in layers[:-1])
    (task + mod.mod_config.distill_weight * distill).backward()
    assert weight.grad is not None and float(weight.grad.abs().max()) > 0
    assert relative_error(found, weight.grad) < 1e-10


# Other sizes --------------------------------------------------------------------------------------------------------


def resized(tied: bool, rows: int, seed: int = 1) -> Any:
    base = build(tied)
    torch.manual_seed(seed)
    base.resize_token_embeddings(rows)
    return base


@pytest.mark.parametrize("rows", [40, 64])
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("lora", [False, True], ids=["plain", "LoRA"])
def test_resized_embeddings(tied: bool, rows: int, lora: bool, tmp_path: Path) -> None:
    """An adapter made on the base as it was fits the resized one, and one made on that fits another of its kind."""
    kept = min(rows, ROWS)
    made_on = adapted(build(tied)) if lora else build(tied)
    mod = randomize(get_mod_model(made_on, MoDConfig(distill_detach=False))).eval()
    mod.save_pretrained(tmp_path / "before")
    ids = IDS.clamp(max=kept - 1)
    again = MoDModel.from_pretrained(resized(tied, rows), tmp_path / "before", is_trainable=True).eval()
    with torch.no_grad():
        found, expected = again(input_ids=ids).logits, mod(input_ids=ids).logits
    assert found.shape[-1] == rows
    assert relative_error(found[..., :kept], expected[..., :kept]) < 1e-6
    labels = (IDS + 8).clamp(max=rows - 1)  # new rows among them
    assert_as_by_autograd(again, ids, labels)
    again.save_pretrained(tmp_path / "after")
    third = MoDModel.from_pretrained(resized(tied, rows, seed=2), tmp_path / "after")
    with torch.no_grad():
        assert relative_error(third(input_ids=ids).logits[..., :kept], expected[..., :kept]) < 1e-6


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("rows", [40, 64])
def test_embeddings_resized_under_the_ensemble(tied: bool, rows: int) -> None:
    mod = randomize(get_mod_model(adapted(build(tied)), MoDConfig(distill_detach=False))).eval()
    mod.resize_token_embeddings(rows)
    ids, labels = IDS.clamp(max=rows - 1), (IDS + 8).clamp(max=rows - 1)
    assert_as_by_autograd(mod, ids, labels)
    assert mod(input_ids=ids, labels=labels).logits.shape[-1] == rows
