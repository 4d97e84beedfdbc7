"""Merged weights: against PEFT's own merge of a copy, and against the logits with the adapter beside the weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import (
    AdaLoraConfig,
    BOFTConfig,
    HRAConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    OFTConfig,
    PeftConfig,
    PolyConfig,
    TrainableTokensConfig,
    VeraConfig,
    get_peft_model,
)

from modbench.ensemble.merged import merged_state
from modbench.errors import ModbenchError

IDS = torch.arange(3, 15).view(2, 6)
TARGETS = ["q_proj", "down_proj"]
CONFIGS: dict[str, PeftConfig] = {
    "lora": LoraConfig(target_modules=TARGETS, use_rslora=True, bias="none"),
    "dora": LoraConfig(target_modules=TARGETS, use_dora=True),
    "lora with whole modules": LoraConfig(target_modules=TARGETS, modules_to_save=["lm_head", "norm"]),
    "lora on embeddings and head": LoraConfig(target_modules=[*TARGETS, "embed_tokens", "lm_head"]),
    "lora with tokens": LoraConfig(target_modules=TARGETS, trainable_token_indices=[3, 4, 5]),
    "tokens": TrainableTokensConfig(token_indices=[3, 4, 5], target_modules=["embed_tokens"]),
    "adalora": AdaLoraConfig(target_modules=TARGETS, total_step=10),
    "boft": BOFTConfig(target_modules=TARGETS, boft_block_size=4),
    "hra": HRAConfig(target_modules=TARGETS),
    "ia3": IA3Config(target_modules=TARGETS, feedforward_modules=["down_proj"]),
    "ln tuning": LNTuningConfig(target_modules=["norm", "input_layernorm"]),
    "loha": LoHaConfig(target_modules=TARGETS),
    "lokr": LoKrConfig(target_modules=TARGETS),
    "oft": OFTConfig(target_modules=TARGETS, oft_block_size=4),
    "vera": VeraConfig(target_modules=["q_proj"]),
}


@pytest.fixture
def attach(make_base: Callable[..., Any]) -> Callable[..., Any]:
    """A random adapter of a configuration on the random Llama."""

    def make(config: PeftConfig, dtype: torch.dtype = torch.float32) -> Any:
        torch.manual_seed(1)
        model = get_peft_model(make_base(dtype), copy.deepcopy(config)).eval()
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data += 0.1 * torch.randn_like(parameter)
        return model

    return make


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_it_is_what_peft_merges_and_the_model_stays(
    name: str, attach: Callable[..., Any], make_base: Callable[..., Any]
) -> None:
    model, plain = attach(CONFIGS[name]), make_base(torch.float32)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    expected = model(IDS).logits
    assert (expected - plain(IDS).logits).abs().max() > 1e-4, "the adapter does something"

    state = merged_state(model)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    plain.load_state_dict(state)
    assert torch.allclose(plain(IDS).logits, expected, atol=1e-5)

    theirs = copy.deepcopy(model).merge_and_unload().state_dict()
    assert state.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in state.items())


@torch.no_grad()
def test_half_precision_is_merged_in_float32(attach: Callable[..., Any]) -> None:
    config = LoraConfig(target_modules=TARGETS)
    half = attach(config, torch.bfloat16)
    state = merged_state(half)
    whole = copy.deepcopy(half).float()
    changed = [key for key in state if any(target in key for target in TARGETS)]
    assert {state[key].dtype for key in state if key not in changed} == {torch.bfloat16}
    for key, tensor in merged_state(whole).items():
        assert torch.equal(state[key].float(), tensor)


@torch.no_grad()
def test_the_active_adapters_are_merged_and_no_others(attach: Callable[..., Any]) -> None:
    model = attach(LoraConfig(target_modules=TARGETS, init_lora_weights=False))
    model.add_adapter("other", LoraConfig(target_modules=["q_proj", "up_proj"], init_lora_weights=False))
    for active in (["default"], ["other"], ["default", "other"]):
        model.base_model.set_adapter(active)
        state = merged_state(model)
        plain = copy.deepcopy(model).unload()
        plain.load_state_dict(state)
        assert torch.allclose(plain(IDS).logits, model(IDS).logits, atol=1e-5)
    model.base_model.disable_adapter_layers()
    state, base = merged_state(model), copy.deepcopy(model).unload().state_dict()
    assert all(torch.equal(tensor, base[key]) for key, tensor in state.items())


def test_a_plain_model_is_its_own_state(make_base: Callable[..., Any]) -> None:
    base = make_base(torch.float32)
    state = merged_state(base)
    assert all(tensor.data_ptr() == state[name].data_ptr() for name, tensor in base.state_dict().items())


def test_what_cannot_be_merged_is_said(attach: Callable[..., Any]) -> None:
    with pytest.raises(ModbenchError, match=r"layers\.0\.self_attn\.q_proj cannot be merged"):
        merged_state(attach(PolyConfig(target_modules=TARGETS)))
    replicated = LoraConfig(target_modules=TARGETS, layer_replication=[(0, 3), (1, 5)])
    with pytest.raises(ModbenchError, match="repeats layers"):
        merged_state(attach(replicated))
