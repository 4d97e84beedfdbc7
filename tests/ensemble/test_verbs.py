"""Several adapters on one base by name: adding, switching, saving, loading, deleting, taking off."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model

from modbench import MoDConfig, MoDModel, get_mod_model
from modbench.errors import ModbenchError

IDS = torch.randint(3, 31, (2, 7), generator=torch.Generator().manual_seed(1))


def lora(**options) -> LoraConfig:
    return LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False, **options)


def shaken(mod: MoDModel, name: str, seed: int) -> MoDModel:
    torch.manual_seed(seed)
    for parameter in mod.mixtures[name].parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return mod


@pytest.fixture
def folders(make_base, tmp_path: Path) -> dict[str, tuple[Path, torch.Tensor]]:
    """Adapters of three kinds, each trained on a base of its own, with the logits that each gives alone."""
    found = {}
    for name, seed, config in (
        ("a", 1, MoDConfig(k=3)),
        ("b", 2, MoDConfig(k=2, top_k=1)),
        ("bare", 3, MoDConfig(k=4)),
    ):
        torch.manual_seed(seed)
        base = make_base()
        mod = get_mod_model(base if name == "bare" else get_peft_model(base, lora()), config)
        shaken(mod, "default", seed).eval().save_pretrained(tmp_path / name)
        found[name] = (tmp_path / name, mod(IDS).logits.detach())
    torch.manual_seed(4)
    plain = get_peft_model(make_base(), lora()).eval()
    plain.save_pretrained(str(tmp_path / "plain"), save_embedding_layers=False)
    found["plain"] = (tmp_path / "plain", plain(IDS).logits.detach())
    return found


@pytest.fixture
def together(make_base, folders) -> MoDModel:
    """All of them on one base, the first as `a`."""
    mod = MoDModel.from_pretrained(make_base(), folders["a"][0], adapter_name="a")
    for name in ("b", "bare", "plain"):
        mod.load_adapter(folders[name][0], name)
    return mod


def test_each_adapter_answers_as_it_does_alone(folders, together) -> None:
    assert together.adapters == ["a", "b", "bare", "plain"]
    for name in ("a", "b", "bare", "plain", "bare", "a", "plain", "b"):
        together.set_adapter(name)
        assert together.active_adapter == name
        assert torch.allclose(together(IDS).logits, folders[name][1], rtol=1e-10, atol=1e-12), name


def test_loading_another_leaves_the_active_one(folders, make_base) -> None:
    mod = MoDModel.from_pretrained(make_base(), folders["bare"][0], adapter_name="bare")
    mod.load_adapter(folders["a"][0], "a")  # the base becomes a PeftModel
    assert mod.active_adapter == "bare"
    assert torch.allclose(mod(IDS).logits, folders["bare"][1], rtol=1e-10)


def test_disabling_restores_the_active_one(folders, together, make_base) -> None:
    base = make_base()(IDS).logits
    for name in ("b", "bare", "plain"):
        together.set_adapter(name)
        with together.disable_adapter():
            with together.disable_adapter():
                assert torch.equal(together(IDS).logits, base), name
            assert torch.equal(together(IDS).logits, base), name
        assert torch.allclose(together(IDS).logits, folders[name][1], rtol=1e-10, atol=1e-12), name


def test_only_the_active_adapter_trains(together) -> None:
    together.set_adapter("b")
    trained = {name for name, parameter in together.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[1] for name in trained if name.startswith("mixtures")} == {"b"}
    assert not any(".a." in name or ".plain." in name for name in trained if "lora" in name)


def test_saved_by_name_and_loaded_again(folders, together, make_base, tmp_path: Path) -> None:
    together.save_pretrained(tmp_path / "all")
    assert sorted(p.name for p in (tmp_path / "all").iterdir() if p.is_dir()) == ["a", "b", "bare", "plain"]
    for name in ("a", "b", "bare"):
        mod = MoDModel.from_pretrained(make_base(), tmp_path / "all", subfolder=name)
        assert torch.allclose(mod(IDS).logits, folders[name][1], rtol=1e-10)
    together.save_pretrained(tmp_path / "one", selected_adapters=["b"])
    assert [p.name for p in (tmp_path / "one").iterdir() if p.is_dir()] == ["b"]


def test_plain_peft_loads_the_peft_part_by_itself(folders, make_base) -> None:
    ours = MoDModel.from_pretrained(make_base(), folders["a"][0])
    ours._switch(+1)  # the ensemble off, LoRA on
    theirs = PeftModel.from_pretrained(make_base(), str(folders["a"][0])).eval()
    assert torch.allclose(ours.model(IDS).logits, theirs(IDS).logits, rtol=1e-12)


def test_deleting(together) -> None:
    with pytest.raises(ModbenchError, match="'a' is active"):
        together.delete_adapter("a")
    together.delete_adapter("b")
    together.delete_adapter("plain")
    assert together.adapters == ["a", "bare"]
    with pytest.raises(ModbenchError, match="adapter"):
        together.set_adapter("b")


def test_adding_a_new_ensemble_beside_another(make_base) -> None:
    mod = get_mod_model(make_base(), MoDConfig(k=3))
    mod.add_adapter("wide", MoDConfig(k=5))
    assert mod.late_layers == [2, 3, 4]
    mod.set_adapter("wide")
    assert mod.late_layers == [0, 1, 2, 3, 4]
    with pytest.raises(ModbenchError, match="already"):
        mod.add_adapter("wide", MoDConfig())
    with pytest.raises(ModbenchError, match="between 1 and 5"):
        mod.add_adapter("wider", MoDConfig(k=6))


def test_a_name_that_is_taken_or_a_broken_adapter_changes_nothing(folders, together) -> None:
    before = together(IDS).logits
    with pytest.raises(ModbenchError, match="already"):
        together.load_adapter(folders["b"][0], "b")
    (folders["bare"][0] / "mod_model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModbenchError, match="safetensors"):
        together.load_adapter(folders["bare"][0], "again")
    assert together.adapters == ["a", "b", "bare", "plain"]
    assert torch.equal(together(IDS).logits, before)


def test_unload_takes_all_of_them_off(together, make_base) -> None:
    expected = make_base().state_dict()
    base = together.unload()
    assert list(base.state_dict()) == list(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in base.state_dict().items())
    assert not any(module._forward_hooks for module in base.modules())


def test_unload_with_modules_to_save_gives_the_untouched_module(make_base) -> None:
    base = make_base()
    expected = copy.deepcopy(base.state_dict())
    mod = get_mod_model(get_peft_model(base, lora(modules_to_save=["lm_head"])), MoDConfig(k=3))
    mod.model.get_output_embeddings().modules_to_save["default"].weight.data += 1
    assert all(torch.equal(tensor, expected[name]) for name, tensor in mod.unload().state_dict().items())


def test_merging_keeps_the_active_adapter(folders, together) -> None:
    together.set_adapter("b")
    merged = together.merge_and_unload()
    assert merged.adapters == ["b"]
    assert torch.allclose(merged(IDS).logits, folders["b"][1], rtol=1e-10)


def test_merging_lora_on_the_head(make_base) -> None:
    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["q_proj", "lm_head"], init_lora_weights=False)
    mod = shaken(get_mod_model(get_peft_model(make_base(), config), MoDConfig(k=3)), "default", 5).eval()
    before = mod(IDS).logits
    merged = mod.merge_and_unload()
    assert torch.allclose(merged(IDS).logits, before, rtol=1e-9)
    assert float(merged(IDS, labels=IDS).loss) == pytest.approx(float(mod(IDS, labels=IDS).loss))


def test_virtual_tokens_have_no_labels(make_base) -> None:
    torch.manual_seed(0)
    model = get_peft_model(make_base(), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    mod = shaken(get_mod_model(model, MoDConfig(k=3)), "default", 6).eval()
    logits = mod(IDS, attention_mask=torch.ones_like(IDS)).logits[:, -7:]
    expected = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, 31), IDS[:, 1:].reshape(-1))
    found = mod(IDS, attention_mask=torch.ones_like(IDS), labels=IDS).loss
    assert float(found) == pytest.approx(float(expected), rel=1e-10)


def test_after_a_merge_there_is_no_adapter_to_save(together, tmp_path: Path) -> None:
    merged = together.merge_and_unload()
    with pytest.raises(ModbenchError, match="merged"):
        merged.save_pretrained(tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_loading_another_leaves_a_frozen_adapter_frozen(folders, make_base) -> None:
    mod = MoDModel.from_pretrained(make_base(), folders["a"][0], adapter_name="a")
    mod.load_adapter(folders["b"][0], "b")
    mod.load_adapter(folders["plain"][0], "plain")
    assert sum(parameter.requires_grad for parameter in mod.parameters()) == 0


def test_switching_there_and_back_trains_what_trained_before(make_base) -> None:
    mod = get_mod_model(make_base(), MoDConfig(k=3, train_norms=False, train_last_norm=True))
    trained = [name for name, parameter in mod.named_parameters() if parameter.requires_grad]
    mod.add_adapter("other", MoDConfig(k=2))
    assert [name for name, parameter in mod.named_parameters() if parameter.requires_grad] == trained
    mod.set_adapter("other")
    mod.set_adapter("default")
    assert [name for name, parameter in mod.named_parameters() if parameter.requires_grad] == trained
    assert trained == ["mixtures.default.norms.2.weight", "mixtures.default.router.weight"]


def test_switching_while_disabled_stays_disabled(folders, together, make_base) -> None:
    base = make_base()(IDS).logits
    for first, second in (("a", "b"), ("a", "bare"), ("bare", "a")):
        together.set_adapter(first)
        with together.disable_adapter():
            together.set_adapter(second)
            assert torch.equal(together(IDS).logits, base)
        assert torch.allclose(together(IDS).logits, folders[second][1], rtol=1e-10, atol=1e-12), (first, second)


def test_a_plain_peft_adapter_is_not_an_ensemble(folders, make_base) -> None:
    with pytest.raises(ModbenchError, match="load it with PEFT"):
        MoDModel.from_pretrained(make_base(), folders["plain"][0])


def test_what_was_unloaded_says_so(make_base) -> None:
    mod = get_mod_model(make_base(), MoDConfig(k=3))
    base = mod.unload()
    for use in (lambda: mod(IDS), lambda: mod(IDS, labels=IDS), lambda: mod.set_adapter("default")):
        with pytest.raises(ModbenchError, match="unload"):
            use()
    assert not any(module._forward_hooks for module in base.modules())


def test_labels_of_another_length_are_refused(make_base) -> None:
    mod = get_mod_model(make_base(), MoDConfig(k=3))
    with pytest.raises(ModbenchError, match=r"\(2, 3\).*\(2, 7\)"):
        mod(IDS, labels=IDS[:, :3])


def test_fields_of_the_wrong_type(tmp_path: Path) -> None:
    for fields in ({"base_fingerprint": 5}, {"base_model_name_or_path": 5}, {"k": True}, {"top_k": 1.0}, {"k": "3"}):
        with pytest.raises(ModbenchError, match=next(iter(fields))):
            MoDConfig(**fields)
    (tmp_path / "mod_config.json").write_text("{}")
    with pytest.raises(ModbenchError, match="does not say k"):
        MoDConfig.load(tmp_path)


def test_an_ensemble_has_the_name_that_it_is_given(make_base) -> None:
    assert get_mod_model(make_base(), MoDConfig(k=3), adapter_name="mine").adapters == ["mine"]
    assert get_mod_model(get_peft_model(make_base(), lora(), adapter_name="theirs"), MoDConfig()).adapters == ["theirs"]
