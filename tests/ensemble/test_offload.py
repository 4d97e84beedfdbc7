"""Bases whose weights are elsewhere: offloaded by accelerate, or split over two devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import cpu_offload, disk_offload, dispatch_model
from accelerate.utils import OffloadedWeightsLoader
from torch import nn
from transformers import AutoModelForCausalLM

from modbench import MoDConfig, MoDModel, get_mod_model
from modbench.ensemble.anatomy import find_anatomy

from .conftest import LAYERS, build_base, randomize
from .reference import relative_error, trained_gradients
from .zoo import build, tiny_config

IDS = torch.randint(3, 31, (2, 7), generator=torch.Generator().manual_seed(1))
LABELS = IDS.clone().masked_fill(IDS < 9, -100)


def device_map(early: str, late: str, norm: str, head: str) -> dict[str, str]:
    """Embeddings and three layers, two late layers, the final norm and the head."""
    layers = {f"model.layers.{i}": early if i < LAYERS - 2 else late for i in range(LAYERS)}
    return {"model.embed_tokens": early, "model.rotary_emb": early, **layers, "model.norm": norm, "lm_head": head}


def stored(tmp_path: Path) -> Path:
    build_base().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def load(tmp_path: Path, **options: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(stored(tmp_path), dtype=torch.float64, **options).eval()


PLACES: dict[str, Callable[[Path], Any]] = {
    "loaded with a device map": lambda path: load(path, device_map={"": "cpu"}),
    "loaded from disk in part": lambda path: load(
        path, device_map=device_map("cpu", "disk", "disk", "disk"), offload_folder=path / "off"
    ),
    "offloaded to memory": lambda path: cpu_offload(build_base(), "cpu"),
    "offloaded to memory with buffers": lambda path: cpu_offload(build_base(), "cpu", offload_buffers=True),
    "offloaded to disk": lambda path: disk_offload(build_base(), str(path / "off"), "cpu"),
    "late layers offloaded": lambda path: dispatch_model(
        build_base(), device_map("cpu", "disk", "cpu", "cpu"), "cpu", offload_dir=path / "off"
    ),
    "norm and head offloaded": lambda path: dispatch_model(
        build_base(), device_map("cpu", "cpu", "disk", "disk"), "cpu", offload_dir=path / "off"
    ),
}


def traces(base: nn.Module) -> dict[str, Any]:
    """What accelerate left on each module, the hooks on it, and where its weights are."""
    found = {}
    for name, module in base.named_modules():
        hooks = len(module._forward_hooks), len(module._forward_pre_hooks)
        devices = [str(parameter.device) for parameter in module.parameters(recurse=False)]
        forward = getattr(module.__dict__.get("forward"), "__wrapped__", None)
        found[name] = (id(getattr(module, "_hf_hook", None)), forward, hooks, devices)
    return found


def assert_same(mod: MoDModel, plain: MoDModel) -> None:
    """Logits, generated text, losses and gradients."""
    with torch.no_grad():
        assert relative_error(mod(input_ids=IDS).logits.cpu(), plain(input_ids=IDS).logits) < 1e-12
    ways: dict[str, Any] = {"max_new_tokens": 5, "do_sample": False}
    assert mod.generate(input_ids=IDS, **ways).tolist() == plain.generate(input_ids=IDS, **ways).tolist()
    outputs = []
    for model in (mod, plain):
        model.zero_grad()
        outputs.append(model.train()(input_ids=IDS, labels=LABELS))
        outputs[-1].loss.backward()
        model.eval()
    for name in ("loss", "loss_task", "loss_distill", "logits"):
        assert relative_error(outputs[0][name].detach().cpu(), outputs[1][name].detach()) < 1e-12, name
    expected = trained_gradients(plain.mixture, plain.model)
    for name, gradient in trained_gradients(mod.mixture, mod.model).items():
        assert relative_error(gradient.cpu(), expected[name]) < 1e-12, name


@pytest.mark.parametrize("place", PLACES)
def test_where_the_weights_are_makes_no_difference(place: str, tmp_path: Path) -> None:
    plain = randomize(get_mod_model(build_base(), MoDConfig(distill_detach=False))).eval()
    base = PLACES[place](tmp_path)
    before = traces(base)
    mod = get_mod_model(base, MoDConfig(distill_detach=False))
    assert mod.mod_config.base_fingerprint == plain.mod_config.base_fingerprint
    for norm in mod.mixture.norms:
        assert torch.equal(norm.weight, build_base().model.norm.weight)
        assert not hasattr(norm, "_hf_hook")
    assert_same(randomize(mod).eval(), plain)
    mod.save_pretrained(tmp_path / "adapter")
    plain.save_pretrained(tmp_path / "plain")
    written = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("adapter", "plain")]
    assert written[0].keys() == written[1].keys()
    assert written[0]["mod_model.safetensors"] == written[1]["mod_model.safetensors"]
    assert mod.unload() is base
    assert traces(base) == before
    again = MoDModel.from_pretrained(base, tmp_path / "adapter").eval()
    with torch.no_grad():
        assert relative_error(again(input_ids=IDS).logits, plain(input_ids=IDS).logits) < 1e-12
    again.unload()
    assert traces(base) == before
    with torch.no_grad():
        assert relative_error(base(input_ids=IDS).logits, build_base()(input_ids=IDS).logits) < 1e-12


# Control flow that depends on values (is a mask full?), and shapes that do, which nothing but a real pass can tell.
@pytest.mark.parametrize("name", ["llama", "qwen3_next", "jamba", "lfm2", "mamba2", "longcat_flash"])
def test_finding_the_parts_reads_no_offloaded_weight(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = find_anatomy(build(name))
    base = disk_offload(build(name), str(tmp_path), "cpu")
    read: list[str] = []
    original = OffloadedWeightsLoader.__getitem__

    def noted(self: OffloadedWeightsLoader, key: str) -> Any:
        read.append(key)
        return original(self, key)

    monkeypatch.setattr(OffloadedWeightsLoader, "__getitem__", noted)
    anatomy = find_anatomy(base)
    assert (read == []) == (name != "longcat_flash")
    names = {id(module): path for path, module in base.named_modules()}
    assert names[id(anatomy.final_norm)] in (
        "model.norm",
        "model.final_layernorm",
        "model.embedding_norm",
        "backbone.norm_f",
    )
    for field in ("layers_path", "output_field", "output_length", "hidden_width", "normed_width", "vocabulary"):
        assert getattr(anatomy, field) == getattr(plain, field), field
    with torch.no_grad():
        base(input_ids=IDS)
    assert any(key.endswith("weight") for key in read)


@pytest.mark.parametrize("name", ["qwen3_5", "falcon_h1", "zamba2"])
def test_models_without_weights(name: str) -> None:
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(tiny_config(name))
    mod = get_mod_model(base, MoDConfig())
    assert mod.mod_config.base_fingerprint is None
    expected = get_mod_model(build(name, dtype=torch.float32), MoDConfig())
    assert mod.parameter_counts() == expected.parameter_counts()
    assert mod.late_layers == expected.late_layers
    assert all(parameter.is_meta for parameter in mod.parameters())


# Two devices --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lazy_device() -> str:
    """torch's lazy backend: a second device on every machine, whose tensors do not mix with others."""
    backend = pytest.importorskip("torch._lazy.ts_backend")
    backend.init()
    with pytest.raises(RuntimeError):
        torch.ones(1) + torch.ones(1, device="lazy:0")
    return "lazy:0"


@pytest.fixture
def second_device(lazy_device: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The lazy device, with what it lacks: a word on autocast, and an unbind that stays on it."""
    asked = torch.is_autocast_enabled
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *kind: kind != ("lazy",) and asked(*kind))

    def unbind(self: torch.Tensor, dim: int = 0) -> tuple[torch.Tensor, ...]:
        return tuple(self.select(dim, i) for i in range(self.shape[dim]))

    monkeypatch.setattr(torch.Tensor, "unbind", unbind)
    return lazy_device


@pytest.mark.parametrize("elsewhere", ["late layers", "late layers and norm", "head", "norm", "norm and head"])
def test_late_layers_norm_and_head_on_two_devices(elsewhere: str, second_device: str) -> None:
    late, norm, head = (second_device if part in elsewhere else "cpu" for part in ("late layers", "norm", "head"))
    plain = randomize(get_mod_model(build_base(), MoDConfig(distill_detach=False))).eval()
    base = dispatch_model(build_base(), device_map("cpu", late, norm, head), "cpu")
    mod = randomize(get_mod_model(base, MoDConfig(distill_detach=False))).eval()
    assert mod.mod_config.base_fingerprint == plain.mod_config.base_fingerprint
    assert {str(parameter.device) for parameter in mod.mixture.parameters()} == {norm}
    assert_same(mod, plain)


def test_a_model_that_is_moved_after_use(second_device: str) -> None:
    mod = randomize(get_mod_model(build_base(torch.float32), MoDConfig())).eval()
    with torch.no_grad():
        expected = mod(input_ids=IDS).logits
        mod.to(second_device)
        assert {parameter.device.type for parameter in mod.parameters()} == {torch.device(second_device).type}
        assert relative_error(mod(input_ids=IDS.to(second_device)).logits.cpu(), expected) < 1e-5
        mod.cpu()
        assert relative_error(mod(input_ids=IDS).logits, expected) == 0
