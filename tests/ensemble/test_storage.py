"""Adapter folders: the way there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import cpu_offload
from accelerate.utils import OffloadedWeightsLoader
from peft import LoraConfig, PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM

from modbench import MoDConfig, MoDModel, get_mod_model
from modbench.ensemble import storage
from modbench.errors import ModbenchError

from .adapters import IDS, LORA, logits, names, random_peft, save_adapter, state


@pytest.fixture
def adapter(make_base, tmp_path: Path) -> tuple[Path, torch.Tensor]:
    """A folder with LoRA and ensemble, both random, and the logits that they give."""
    return tmp_path / "adapter", save_adapter(make_base(), tmp_path / "adapter")


def test_save_and_load_gives_the_same_logits(make_base, adapter) -> None:
    folder, expected = adapter
    assert names(folder) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "mod_config.json",
        "mod_model.safetensors",
    ]
    loaded = MoDModel.from_pretrained(make_base(), folder).eval()
    assert float((loaded(IDS).logits - expected).detach().abs().max()) < 1e-5  # PEFT stores and loads LoRA as float32


# PEFT's part --------------------------------------------------------------------------------------------------------

PEFTS = {
    "lora": LORA,
    "lora on the head": LoraConfig(r=2, target_modules=["q_proj", "lm_head"]),
    "lora on the embeddings": LoraConfig(r=2, target_modules=["embed_tokens"]),
    "dora": LoraConfig(r=2, target_modules=["q_proj"], use_dora=True),
    "whole head": LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"]),
    "whole head and embeddings": LoraConfig(
        r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]
    ),
    "some tokens": LoraConfig(r=2, target_modules=["q_proj"], trainable_token_indices={"embed_tokens": [4, 7]}),
    "prompt tuning": PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
    "prefix tuning": PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
}


@pytest.mark.parametrize("name", PEFTS)
def test_pefts_part_is_pefts_own(make_base, tmp_path: Path, name: str) -> None:
    """The tensors that PEFT would write; loaded alike by us and by plain PEFT."""
    model = random_peft(make_base(torch.float32), PEFTS[name])
    assert storage.save_peft(model, tmp_path / "ours") == tmp_path / "ours"
    model.save_pretrained(str(tmp_path / "pefts"), save_embedding_layers=False)
    assert names(tmp_path / "ours") == names(tmp_path / "pefts")
    ours, pefts = (load_file(tmp_path / where / "adapter_model.safetensors") for where in ("ours", "pefts"))
    assert ours.keys() == pefts.keys() and all(torch.equal(ours[key], pefts[key]) for key in ours)
    expected = logits(model)
    assert not torch.equal(expected, logits(make_base(torch.float32)))
    for load in (storage.attach_peft, lambda base, folder: PeftModel.from_pretrained(base, str(folder))):
        assert torch.equal(logits(load(make_base(torch.float32), tmp_path / "ours")), expected)


def test_the_ensemble_beside_it_is_no_trouble_to_plain_peft(make_base, adapter) -> None:
    folder, expected = adapter
    plain = PeftModel.from_pretrained(make_base(), str(folder))
    assert torch.equal(logits(plain), logits(storage.attach_peft(make_base(), folder)))
    assert not torch.equal(logits(plain), expected)


def test_a_loaded_adapter_is_frozen_and_in_eval_mode_unless_it_shall_be_trained(make_base, adapter) -> None:
    folder, _ = adapter
    frozen = storage.attach_peft(make_base().train(), folder)
    assert not frozen.training and not any(parameter.requires_grad for parameter in frozen.parameters())
    assert frozen.peft_config["default"].inference_mode
    trainable = storage.attach_peft(make_base().train(), folder, is_trainable=True)
    assert {name.split(".")[-3] for name, p in trainable.named_parameters() if p.requires_grad} == {"lora_A", "lora_B"}
    assert trainable.training and not trainable.peft_config["default"].inference_mode
    assert torch.equal(logits(trainable), logits(frozen))


def test_a_prompt_cannot_be_trained_on_and_the_base_stays(make_base, tmp_path: Path) -> None:
    storage.save_peft(random_peft(make_base(), PEFTS["prompt tuning"]), tmp_path)
    base = make_base()
    before = state(base)
    with pytest.raises(ModbenchError, match="Cannot set a prompt learning adapter to trainable"):
        storage.attach_peft(base, tmp_path, is_trainable=True)
    assert state(base) == before


def test_adapters_lie_and_load_by_name(make_base, tmp_path: Path) -> None:
    other = LoraConfig(r=3, target_modules=["k_proj"], modules_to_save=["lm_head"])
    model = random_peft(make_base(torch.float32), LORA)
    one = logits(model)
    model = random_peft(model, other, seed=6, name="second")
    two = logits(model)
    assert storage.save_peft(model, tmp_path) == tmp_path
    assert storage.save_peft(model, tmp_path, "second") == tmp_path / "second"
    files = ["adapter_config.json", "adapter_model.safetensors"]
    assert names(tmp_path) == ["README.md", *files, *(f"second/{file}" for file in files)]
    model.save_pretrained(str(tmp_path / "pefts"), save_embedding_layers=False)
    assert names(tmp_path / "pefts") == names(tmp_path)[:3] + names(tmp_path)[-2:]

    loaded = storage.attach_peft(make_base(torch.float32), storage.resolve(tmp_path))
    folder = storage.resolve(tmp_path, subfolder="second")
    assert storage.attach_peft(loaded, folder, "again") is loaded
    assert loaded.active_adapters == ["default"] and torch.equal(logits(loaded), one)
    loaded.set_adapter("again")
    assert torch.equal(logits(loaded), two)
    with pytest.raises(ModbenchError, match="already has an adapter 'again'"):
        storage.attach_peft(loaded, folder, "again")
    alone = storage.attach_peft(make_base(torch.float32), folder, "its own", is_trainable=True)
    assert alone.active_adapters == ["its own"] and torch.equal(logits(alone), two)


def test_an_added_adapter_is_trainable_only_where_asked(make_base, adapter) -> None:
    folder, _ = adapter

    def trainable() -> set[str]:
        return {name.split(".")[-2] for name, parameter in model.named_parameters() if parameter.requires_grad}

    model = storage.attach_peft(make_base(), folder, is_trainable=True)
    storage.attach_peft(model, folder, "b")
    assert trainable() == {"default"}
    storage.attach_peft(model, folder, "c", is_trainable=True)
    assert trainable() == {"default", "c"}


def test_embeddings_beside_the_adapter_are_saved_and_loaded_as_peft_does(make_base, tmp_path: Path) -> None:
    def resized(seed: int) -> Any:
        base = make_base(torch.float32)
        torch.manual_seed(seed)
        base.resize_token_embeddings(40)
        return base

    model = random_peft(resized(1), LORA)
    storage.save_peft(model, tmp_path, save_embedding_layers=True)
    model.save_pretrained(str(tmp_path / "pefts"), save_embedding_layers=True)
    ours, pefts = (load_file(folder / "adapter_model.safetensors") for folder in (tmp_path, tmp_path / "pefts"))
    assert ours.keys() == pefts.keys() and any("embed_tokens" in name for name in ours)
    assert torch.equal(logits(storage.attach_peft(resized(2), tmp_path)), logits(model))
    base = make_base(torch.float32)
    before = state(base)
    with pytest.raises(ModbenchError, match=r"has shape \(40, 16\), expected \(31, 16\)"):
        storage.attach_peft(base, tmp_path)
    assert state(base) == before


def test_a_base_that_is_offloaded_to_memory_takes_adapters(make_base, adapter) -> None:
    folder, _ = adapter
    base = make_base(torch.float32)
    cpu_offload(base, state_dict=OffloadedWeightsLoader(state_dict=base.state_dict()))
    assert base.lm_head.weight.is_meta
    before, expected = logits(base), logits(storage.attach_peft(make_base(torch.float32), folder))
    with pytest.raises(ModbenchError, match="offloaded like these"):
        storage.attach_peft(base, folder)
    assert torch.equal(logits(base), before)
    base.hf_device_map = {"": "cpu"}  # what tells PEFT
    assert torch.equal(logits(storage.attach_peft(base, folder)), expected)


def test_a_base_that_is_offloaded_to_disk_does_not(make_base, adapter, tmp_path: Path, monkeypatch) -> None:
    folder, _ = adapter
    make_base(torch.float32).save_pretrained(tmp_path / "base")
    places = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.norm": "cpu", "lm_head": "cpu"}
    base = AutoModelForCausalLM.from_pretrained(
        tmp_path / "base", device_map=places | {"model.layers": "disk"}, offload_folder=tmp_path / "offload"
    )
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = logits(base)
    with pytest.raises(ModbenchError, match="offloaded to disk: load the base with a device_map"):
        storage.attach_peft(base, folder)
    assert torch.equal(logits(base), before) and names(tmp_path / "here") == []


# Writing ------------------------------------------------------------------------------------------------------------


def test_saving_twice_writes_the_same_bytes(make_base, tmp_path: Path) -> None:
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=1, target_modules=modules, exclude_modules=["x", "y", "z"])
    storage.save_peft(random_peft(make_base(), config), tmp_path)
    fields = json.loads((tmp_path / "adapter_config.json").read_text())
    assert fields["target_modules"] == sorted(modules) and fields["exclude_modules"] == ["x", "y", "z"]
    before = [(tmp_path / name).read_bytes() for name in names(tmp_path)]
    storage.save_peft(storage.attach_peft(make_base(), tmp_path), tmp_path / "again")
    assert [(tmp_path / "again" / name).read_bytes() for name in names(tmp_path / "again")] == before


def test_what_the_user_wrote_on_the_card_stays(make_base, tmp_path: Path) -> None:
    model = random_peft(make_base(), LORA)
    storage.save_peft(model, tmp_path)
    card = tmp_path / "README.md"
    card.write_text(card.read_text() + "\nTrained on sums.\n")
    storage.save_peft(model, tmp_path)
    assert "Trained on sums." in card.read_text()


def test_a_save_that_fails_leaves_what_was_there(make_base, tmp_path: Path, monkeypatch) -> None:
    model = random_peft(make_base(), LORA)
    storage.save_peft(model, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    monkeypatch.setattr("peft.LoraConfig.save_pretrained", lambda *_, **__: 1 / 0)  # PEFT has written the weights then
    model.get_parameter("base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight").data += 1
    with pytest.raises(ZeroDivisionError):
        storage.save_peft(model, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_quantized_tensor_is_never_written(make_base, tmp_path: Path) -> None:
    model = get_peft_model(make_base(), LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head"]))
    packed = nn.Parameter(torch.zeros(31 * 8, 1, dtype=torch.uint8), requires_grad=False)
    model.base_model.model.lm_head.modules_to_save["default"].weight = packed
    with pytest.raises(ModbenchError, match=r"lm_head.weight is quantized .* modules_to_save"):
        storage.save_peft(model, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["default", "second"])
def test_weights_come_back_into_the_active_adapter(make_base, adapter, tmp_path: Path, name: str) -> None:
    folder, expected = adapter
    if name != "default":
        (tmp_path / "saved").mkdir()
        folder = folder.rename(tmp_path / "saved" / name).parent
    mod = get_mod_model(random_peft(make_base(), LORA, seed=8, name=name), MoDConfig(k=3)).eval()
    assert float((mod(IDS).logits.detach() - expected).abs().max()) > 1e-2
    storage.load_adapter_weights(mod, folder)
    assert float((mod(IDS).logits.detach() - expected).abs().max()) < 1e-5


def test_weights_of_another_shape_do_not_come_in(make_base, adapter) -> None:
    folder, _ = adapter
    for config, k in ((LORA, 2), (LoraConfig(r=3, target_modules=["q_proj", "v_proj"]), 3)):
        mod = get_mod_model(random_peft(make_base(), config), MoDConfig(k=k))
        before = state(mod)
        with pytest.raises(ModbenchError, match=r"is not part of this adapter|has shape"):
            storage.load_adapter_weights(mod, folder)
        assert state(mod) == before
