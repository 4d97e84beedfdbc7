"""Everything that may be wrong with an adapter folder: one clear error, and the model as it was."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, MultitaskPromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file

from modbench import MoDModel
from modbench.ensemble import storage
from modbench.errors import ModbenchError
from modbench.training.tuned import base_name

from .adapters import LORA, logits, random_peft, save_adapter, state


@pytest.fixture
def adapter(make_base, tmp_path: Path) -> tuple[Path, torch.Tensor]:
    """A folder with LoRA and ensemble, both random, and the logits that they give."""
    return tmp_path / "adapter", save_adapter(make_base(), tmp_path / "adapter")


def test_an_adapter_for_another_base_is_refused(make_base, adapter) -> None:
    folder, _ = adapter
    other = make_base(seed=1)
    before = state(other)
    with pytest.raises(ModbenchError, match="fingerprint"):
        MoDModel.from_pretrained(other, folder)
    assert state(other) == before


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


def poison(value: float, path: Path) -> None:
    tensors = load_file(path)
    tensors[sorted(tensors)[-1]].view(-1)[-1] = value
    save_file(tensors, path)


def make_nan(path: Path) -> None:
    poison(float("nan"), path)


def make_infinite(path: Path) -> None:
    poison(float("-inf"), path)


def to_pickle(path: Path) -> None:
    path.with_suffix(".bin").write_bytes(pickle.dumps({"a": 1}))
    path.unlink()


def write_base(path: Path) -> None:
    """Tensors of the base under all the names that they could have."""
    inside = ("model.layers.0.mlp.up_proj", "model.layers.0.self_attn.q_proj.base_layer", "lm_head")
    extra = {f"{prefix}{name}.weight": torch.zeros(2) for name in inside for prefix in ("base_model.model.", "")}
    save_file(load_file(path) | extra, path)


DAMAGE = {
    truncate: "is not a whole safetensors file",
    foreign: "is not a whole safetensors file",
    drop: r"tensor (base_model|norms)\.[\w.]+ is missing",
    add: "tensor extra is not part of this adapter",
    reshape: r"has shape \(3, 3, 3\), expected \(",
    make_nan: "has a NaN or infinite value",
    make_infinite: "has a NaN or infinite value",
    to_pickle: r"is missing|is missing \(adapter_model.bin is a pickle",
    write_base: "is not part of this adapter|has shape",
}


@pytest.fixture
def no_pickles(monkeypatch) -> None:
    for function in ("torch.load", "torch.serialization.load", "pickle.load", "pickle.loads"):
        monkeypatch.setattr(function, lambda *_, **__: pytest.fail("a pickle was opened"))


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "mod_model.safetensors"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_weights_are_refused_and_the_base_stays(make_base, adapter, no_pickles, name: str, damage) -> None:
    folder, _ = adapter
    damage(folder / name)
    base = make_base().train()
    before = state(base)
    with pytest.raises(ModbenchError, match=DAMAGE[damage]) as caught:
        MoDModel.from_pretrained(base, folder)
    assert "\n" not in str(caught.value) and name in str(caught.value)
    assert state(base) == before


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_second_adapter_leaves_the_first_as_it_was(make_base, adapter, tmp_path: Path, damage) -> None:
    folder, _ = adapter
    whole_head = LoraConfig(r=3, target_modules=["k_proj", "q_proj"], modules_to_save=["lm_head"])
    storage.save_peft(random_peft(make_base(), whole_head), tmp_path / "second")
    damage(tmp_path / "second" / "adapter_model.safetensors")
    model = storage.attach_peft(make_base(), folder, is_trainable=True)
    before, expected = state(model), logits(model)
    with pytest.raises(ModbenchError, match=DAMAGE[damage]):
        storage.attach_peft(model, tmp_path / "second", "second")
    assert state(model) == before and torch.equal(logits(model), expected)
    assert state(model.unload()) == state(get_peft_model(make_base().eval(), LORA).unload())


@pytest.mark.parametrize(
    "change",
    [
        {"target_modules": ["no_such_layer"]},
        {"target_modules": ["q_proj", "v_proj", "input_layernorm"]},  # found out in the middle
        {"peft_type": "TELEPATHY"},
        {"peft_type": "PROMPT_TUNING"},
        {"r": -1},
        {"modules_to_save": ["layers"]},
    ],
)
def test_a_peft_config_that_does_not_fit_is_refused_and_the_model_stays(make_base, adapter, change) -> None:
    folder, _ = adapter
    model = storage.attach_peft(make_base(), folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for target in (make_base().train(), model):
        before = state(target)
        with pytest.raises(ModbenchError) as caught:
            storage.attach_peft(target, folder, "another")
        assert "\n" not in str(caught.value)
        assert state(target) == before


@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_a_start_that_rewrites_the_base_is_undone(make_base, tmp_path: Path, start: str) -> None:
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=start)
    storage.save_peft(get_peft_model(make_base(torch.float32), config), tmp_path)
    add(tmp_path / "adapter_model.safetensors")
    base = make_base(torch.float32)
    before = state(base)
    with pytest.raises(ModbenchError, match="tensor extra"):
        storage.attach_peft(base, tmp_path)
    assert state(base) == before


def test_an_adapter_that_starts_from_a_pickle_is_refused(make_base, tmp_path: Path, no_pickles) -> None:
    config = MultitaskPromptTuningConfig(num_virtual_tokens=2, num_tasks=1, task_type="CAUSAL_LM")
    model = get_peft_model(make_base(), config)
    storage.save_peft(model, tmp_path)
    path = tmp_path / "adapter_config.json"
    start = {"prompt_tuning_init": "ONLY_SOURCE_SHARED", "prompt_tuning_init_state_dict_path": "start.bin"}
    path.write_text(json.dumps(json.loads(path.read_text()) | start))
    with pytest.raises(ModbenchError, match=r"start.bin, which may be a pickle"):
        storage.attach_peft(make_base(), tmp_path)


@pytest.mark.parametrize(
    "change", [{"k": 0}, {"k": 99}, {"top_k": 9}, {"colour": 1}, {"router": "lost"}, {"distill_weight": -1}, {"k": "3"}]
)
def test_a_faulty_config_is_refused(make_base, adapter, change) -> None:
    folder, _ = adapter
    path = folder / "mod_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    base = make_base()
    before = state(base)
    with pytest.raises(ModbenchError):
        MoDModel.from_pretrained(base, folder)
    assert state(base) == before


def test_a_folder_without_adapter_is_refused(make_base, tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match="holds no adapter"):
        MoDModel.from_pretrained(make_base(), tmp_path)


@pytest.mark.parametrize("name", ["adapter_config.json", "mod_config.json"])
def test_half_an_adapter_is_refused(make_base, adapter, name: str) -> None:
    folder, _ = adapter
    (folder / name).unlink()
    with pytest.raises(ModbenchError, match="copy the whole adapter"):
        MoDModel.from_pretrained(make_base(), folder)


@pytest.mark.parametrize("text", ["{", "[]", "", '{"peft_type": 3}', '{"peft_type": "TELEPATHY"}'])
def test_a_broken_peft_config_is_one_line(make_base, tmp_path: Path, text: str) -> None:
    storage.save_peft(get_peft_model(make_base(), LoraConfig(r=2, target_modules=["q_proj"])), tmp_path)
    (tmp_path / "adapter_config.json").write_text(text)
    for read in (base_name, lambda folder: storage.attach_peft(make_base(), folder)):
        with pytest.raises(ModbenchError, match=r"adapter_config\.json is no PEFT configuration") as caught:
            read(tmp_path)
        assert "\n" not in str(caught.value)
