"""The attached ensemble against the slow sum of head passes, and its verbs."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

from modbench import MoDConfig, get_mod_model
from modbench.errors import ModbenchError

IDS = torch.randint(3, 31, (2, 7), generator=torch.Generator().manual_seed(1))
CONFIGS = [
    {"k": 3},
    {"k": 3, "top_k": 2},
    {"k": 4, "top_k": 1},
    {"k": 5},
    {"k": 3, "router": "uniform"},
    {"k": 1},
]


def relative_error(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_logits_equal_the_slow_sum_of_head_passes(make_mod, slow_logits, config) -> None:
    mod = make_mod(**config)
    with torch.no_grad():
        fast = mod(IDS).logits
    assert relative_error(fast, slow_logits(mod, IDS)) < 1e-10


def test_a_random_ensemble_is_not_the_base_and_the_last_layer_alone_is(make_base, make_mod) -> None:
    base = make_base()(IDS).logits
    assert relative_error(make_mod(k=3)(IDS).logits, base) > 1e-2
    assert torch.equal(make_mod(k=3, router="last")(IDS).logits, base)


def test_untrained_uniform_gates_are_equal_shares(make_base) -> None:
    mod = get_mod_model(make_base(), MoDConfig(k=4))
    states = [torch.randn(2, 3, 16, dtype=torch.float64) for _ in range(4)]
    assert torch.allclose(mod.mixture.gates(states, states[-1]), torch.full((2, 3, 4), 0.25, dtype=torch.float64))


@pytest.mark.parametrize("config", [{"k": 3}, {"k": 3, "top_k": 2}], ids=str)
def test_cached_decoding_equals_the_slow_sum(make_mod, slow_logits, config) -> None:
    mod = make_mod(**config)
    expected = slow_logits(mod, IDS)
    with torch.no_grad():
        output = mod(IDS[:, :4], use_cache=True)
        assert relative_error(output.logits, expected[:, :4]) < 1e-10
        for t in range(4, IDS.shape[1]):
            output = mod(IDS[:, t : t + 1], past_key_values=output.past_key_values, use_cache=True)
            assert relative_error(output.logits[:, 0], expected[:, t]) < 1e-10


def test_generation_follows_the_slow_argmax(make_mod, slow_logits) -> None:
    mod = make_mod(k=3)
    ids = IDS[:1, :3]
    for _ in range(6):
        ids = torch.cat([ids, slow_logits(mod, ids)[:, -1:].argmax(-1)], dim=1)
    generated = mod.generate(input_ids=IDS[:1, :3], max_new_tokens=6, do_sample=False, eos_token_id=None)
    assert generated.tolist() == ids.tolist()


def test_left_padding_with_a_mask_leaves_the_logits(make_mod, slow_logits) -> None:
    mod = make_mod(k=3)
    padded = torch.cat([torch.zeros(2, 3, dtype=torch.long), IDS], dim=1)
    mask = torch.cat([torch.zeros(2, 3, dtype=torch.long), torch.ones_like(IDS)], dim=1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)  # the model's rotary angles are float32
    with torch.no_grad():
        logits = mod(padded, attention_mask=mask, position_ids=positions).logits[:, 3:]
    assert relative_error(logits, slow_logits(mod, IDS)) < 1e-10


def test_disable_adapter_nests_and_restores(make_base, make_mod) -> None:
    base, mod = make_base()(IDS).logits, make_mod(k=3)
    mixed = mod(IDS).logits
    with mod.disable_adapter():
        with mod.disable_adapter():
            assert torch.equal(mod(IDS).logits, base)
        assert torch.equal(mod(IDS).logits, base)
    assert torch.equal(mod(IDS).logits, mixed)


def test_the_loss_with_the_adapter_off_is_the_bases(make_base, make_mod) -> None:
    mod = make_mod(k=3)
    with mod.disable_adapter():
        assert torch.equal(mod(IDS, labels=IDS).loss, make_base()(IDS, labels=IDS).loss)


def test_disable_adapter_restores_after_an_exception(make_mod) -> None:
    mod = make_mod(k=3)
    mixed = mod(IDS).logits
    with pytest.raises(KeyError), mod.disable_adapter():
        raise KeyError
    assert torch.equal(mod(IDS).logits, mixed)


@pytest.mark.parametrize("with_lora", [False, True])
def test_unload_gives_the_base_back_bit_for_bit(make_base, with_lora: bool) -> None:
    base = make_base()
    before, grads = copy.deepcopy(base.state_dict()), [p.requires_grad for p in base.parameters()]
    model = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"])) if with_lora else base
    mod = get_mod_model(model, MoDConfig(k=3))
    after = mod.unload()
    assert after is base
    assert list(after.state_dict()) == list(before)
    assert all(torch.equal(after.state_dict()[name], tensor) for name, tensor in before.items())
    assert not any(module._forward_hooks for module in after.modules())
    if not with_lora:
        assert [p.requires_grad for p in after.parameters()] == grads


def test_attached_base_keeps_its_state_dict_keys(make_base) -> None:
    base = make_base()
    keys = list(base.state_dict())
    get_mod_model(base, MoDConfig(k=3))
    assert list(base.state_dict()) == keys


def test_merge_keeps_the_ensemble(make_base) -> None:
    torch.manual_seed(3)
    model = get_peft_model(make_base(), LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False))
    mod = get_mod_model(model, MoDConfig(k=3)).eval()
    mod.mixture.router.weight.data.normal_()
    before = mod(IDS).logits
    merged = mod.merge_and_unload()
    assert relative_error(merged(IDS).logits, before) < 1e-10
    with pytest.raises(ModbenchError, match="load the base again"):
        merged.unload()


@pytest.mark.parametrize("k", [6, 100])
def test_k_above_the_number_of_layers_changes_nothing(make_base, k: int) -> None:
    base = make_base()
    with pytest.raises(ModbenchError, match=rf"k = {k} .* 5"):
        get_mod_model(base, MoDConfig(k=k))
    assert all(p.requires_grad for p in base.parameters())
    assert not any(module._forward_hooks for module in base.modules())


def test_a_model_without_a_head_is_refused(make_base) -> None:
    with pytest.raises(ModbenchError, match="no output head"):
        get_mod_model(make_base().model)


def test_parameter_counts_and_their_print(make_base, capsys) -> None:
    mod = get_mod_model(make_base(), MoDConfig(k=3))
    assert mod.parameter_counts() == {"lora": 0, "norms": 2 * 16, "router": 3 * 16}
    mod.print_trainable_parameters()
    assert "trainable params: 80" in capsys.readouterr().out


def test_top_k_ties_go_to_the_later_layer(make_base) -> None:
    mod = get_mod_model(make_base(), MoDConfig(k=3, top_k=1)).eval()
    states = [torch.randn(4, 16, dtype=torch.float64) for _ in range(3)]
    assert mod.mixture.gates(states, states[-1]).tolist() == [[0.0, 0.0, 1.0]] * 4
