"""Adapter folders: the way there and back, and everything that may be wrong with one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from modbench import MoDConfig, MoDModel, get_mod_model
from modbench.ensemble.fingerprint import fingerprint
from modbench.errors import ModbenchError

IDS = torch.arange(3, 12).view(1, -1)


@pytest.fixture
def adapter(make_base, tmp_path: Path):
    """A folder with LoRA and ensemble, both random, and the logits that they give."""
    torch.manual_seed(5)
    model = get_peft_model(make_base(), LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    mod = get_mod_model(model, MoDConfig(k=3)).eval()
    for parameter in mod.mixture.parameters():
        parameter.data += torch.randn_like(parameter)
    mod.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter", mod(IDS).logits


def untouched(base) -> bool:
    return not any(m._forward_hooks for m in base.modules()) and not any("lora" in n for n, _ in base.named_modules())


def test_save_and_load_gives_the_same_logits(make_base, adapter) -> None:
    folder, logits = adapter
    assert sorted(p.name for p in folder.iterdir() if p.suffix != ".md") == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "mod_config.json",
        "mod_model.safetensors",
    ]
    loaded = MoDModel.from_pretrained(make_base(), folder).eval()
    assert float((loaded(IDS).logits - logits).abs().max()) < 1e-5  # PEFT stores and loads LoRA as float32


def test_plain_peft_loads_its_part(make_base, adapter) -> None:
    folder, _ = adapter
    plain = PeftModel.from_pretrained(make_base(), str(folder))
    assert any("lora_A" in name for name, _ in plain.named_parameters())


def test_the_fingerprint_does_not_depend_on_dtype_and_tells_models_apart(make_base) -> None:
    single = make_base(torch.float32)
    assert fingerprint(single) == fingerprint(make_base(torch.float32).to(torch.bfloat16))
    assert fingerprint(single) != fingerprint(make_base(torch.float32, seed=1))


def test_an_adapter_for_another_base_is_refused(make_base, adapter) -> None:
    folder, _ = adapter
    other = make_base(seed=1)
    with pytest.raises(ModbenchError, match="fingerprint"):
        MoDModel.from_pretrained(other, folder)
    assert untouched(other)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def foreign(path: Path) -> None:
    path.write_bytes(b"not a tensor in sight" * 50)


def drop(path: Path) -> None:
    tensors = load_file(path)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, path)


def add(path: Path) -> None:
    save_file(load_file(path) | {"extra": torch.zeros(2)}, path)


def reshape(path: Path) -> None:
    tensors = load_file(path)
    name = sorted(tensors)[0]
    save_file(tensors | {name: torch.zeros(3, 3, 3)}, path)


def to_pickle(path: Path) -> None:
    path.with_suffix(".bin").write_bytes(pickle.dumps({"a": 1}))
    path.unlink()


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "mod_model.safetensors"])
@pytest.mark.parametrize("damage", [truncate, foreign, drop, add, reshape, to_pickle])
def test_damaged_weights_are_refused_and_the_base_stays(make_base, adapter, name: str, damage) -> None:
    folder, _ = adapter
    damage(folder / name)
    base = make_base()
    before = {key: tensor.clone() for key, tensor in base.state_dict().items()}
    with pytest.raises(ModbenchError) as caught:
        MoDModel.from_pretrained(base, folder)
    assert "\n" not in str(caught.value)
    assert untouched(base)
    assert all(torch.equal(base.state_dict()[key], tensor) for key, tensor in before.items())


@pytest.mark.parametrize(
    "change", [{"k": 0}, {"k": 99}, {"top_k": 9}, {"colour": 1}, {"router": "lost"}, {"distill_weight": -1}, {"k": "3"}]
)
def test_a_faulty_config_is_refused(make_base, adapter, change) -> None:
    folder, _ = adapter
    path = folder / "mod_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    base = make_base()
    with pytest.raises(ModbenchError):
        MoDModel.from_pretrained(base, folder)
    assert untouched(base)


def test_a_folder_without_adapter_is_refused(make_base, tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match="holds no adapter"):
        MoDModel.from_pretrained(make_base(), tmp_path)


@pytest.mark.parametrize("name", ["adapter_config.json", "mod_config.json"])
def test_half_an_adapter_is_refused(make_base, adapter, name: str) -> None:
    folder, _ = adapter
    (folder / name).unlink()
    with pytest.raises(ModbenchError, match="copy the whole adapter"):
        MoDModel.from_pretrained(make_base(), folder)
