"""Parameters counted without weights: the paper's column, and what training would count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import FalconConfig, GPT2Config, LlamaConfig, Phi3Config

from modbench.ensemble.anatomy import find_anatomy
from modbench.errors import ModbenchError
from modbench.methods import METHODS, get_method
from modbench.report.parameters import abstract_claim
from modbench.suites import PAPER_RECIPE
from modbench.training.accounting import baseline, empty_model, fitting_targets, load_config, trained_parameters
from modbench.training.assembly import assemble

from ..ensemble.conftest import build_base
from .test_assembly import recipe

LLAMA_7B = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
COUNTED = [name for name, method in METHODS.items() if method.adapter != "peft"]


def test_the_papers_column_exactly(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_7B))
    methods = [get_method(name) for name in ("base", "lora_not_k", "lora_all", "mod_k", "lora_all_mod_k")]
    found = trained_parameters(empty_model(load_config(str(tmp_path))), methods, PAPER_RECIPE)
    assert [parameters.total for parameters in found] == [0, 50_839_552, 56_098_816, 50_860_032, 56_119_296]
    assert [parameters.overhead_percent and round(parameters.overhead_percent, 4) for parameters in found] == [
        None,
        0,
        10.3448,
        0.0403,
        10.3851,
    ]
    assert (found[3].norms, found[3].router) == (8192, 12288)
    claim = abstract_claim(list(zip(methods, found, strict=True)))
    assert claim is not None and "97 %" in claim
    assert "99.6 % fewer than the late layers' LoRA" in claim and "9.3 % fewer than lora_all" in claim


@pytest.mark.parametrize("name", [*COUNTED, "lora_exit_1", "mod_k@2", "mod_k_top2"])
def test_counts_without_weights_equal_the_assembled_models(name: str) -> None:
    method, base = get_method(name), build_base(torch.float32)
    (counted,) = trained_parameters(empty_model(base.config), [method], recipe())
    if not method.tuned:
        assert counted.total == 0 and counted.overhead_percent is None
        return
    assert (
        counted.model_dump(include={"lora", "norms", "router"})
        == assemble(base, method, recipe(), seed=0).parameter_counts()
    )
    plain = assemble(build_base(), get_method(f"lora_not_k@{method.baseline_k}"), recipe(), seed=0)
    assert counted.overhead_percent == pytest.approx(100 * (counted.total / plain.parameter_counts()["lora"] - 1))


@pytest.mark.parametrize(
    "peft",
    [
        {"peft_type": "IA3"},
        {"peft_type": "LOHA", "r": 2},
        {"peft_type": "OFT", "oft_block_size": 4},
        {"peft_type": "VERA", "r": 4},
        {"peft_type": "LORA", "r": 4, "init_lora_weights": "pissa"},
        {"peft_type": "LORA", "r": 4, "modules_to_save": ["lm_head"]},
        {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4},
    ],
    ids=lambda peft: " ".join(map(str, peft.values())),
)
def test_a_peft_method_is_counted_too(peft: dict[str, object]) -> None:
    method, base = get_method("peft_all_mod_k"), build_base(torch.float32)
    (counted,) = trained_parameters(empty_model(base.config), [method], recipe(**peft))
    mod = assemble(base, method, recipe(**peft), seed=0)
    assert counted.model_dump(include={"lora", "norms", "router"}) == mod.parameter_counts()
    assert counted.overhead_percent is not None


def test_lora_not_k_by_hand() -> None:
    base = build_base()
    before = {name: (id(p), p.requires_grad) for name, p in base.named_parameters()}
    one_layer = 4 * ((16 + 16) + 2 * (16 + 8) + 2 * (16 + 24))
    assert baseline(base, find_anatomy(base), get_method("mod_k"), recipe()) == 2 * one_layer
    assert baseline(base, find_anatomy(base), get_method("mod_k@4"), recipe()) == one_layer
    assert baseline(base, find_anatomy(base), get_method("mod_k@5"), recipe()) is None
    assert baseline(base, find_anatomy(base), get_method("lora_exit_0"), recipe()) == 2 * one_layer
    elsewhere = recipe().lora.model_copy(update={"targets": ["c_attn"]})
    other = recipe().model_copy(update={"lora": elsewhere})
    assert baseline(base, find_anatomy(base), get_method("mod_k"), other) is None
    assert {name: (id(p), p.requires_grad) for name, p in base.named_parameters()} == before


@pytest.mark.parametrize(
    ("config", "targets"),
    [
        (LlamaConfig(), PAPER_RECIPE.lora.targets),
        (GPT2Config(), ["c_attn"]),
        (FalconConfig(), ["query_key_value"]),
        (Phi3Config(pad_token_id=0), ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]),
    ],
    ids=["llama", "gpt2", "falcon", "phi3"],
)
def test_targets_that_a_family_does_not_have_are_replaced(config: object, targets: list[str]) -> None:
    config.num_hidden_layers = 2  # type: ignore[attr-defined]
    assert fitting_targets(empty_model(config), PAPER_RECIPE) == targets


def test_there_is_no_claim_without_the_methods_it_compares() -> None:
    model = build_base()
    methods = [get_method(name) for name in ("lora_not_k", "lora_all", "mod_k@2")]
    assert abstract_claim(list(zip(methods, trained_parameters(model, methods, recipe()), strict=True))) is None
    methods = [get_method(f"{name}@2") for name in ("lora_not_k", "lora_all", "mod_k")]
    claim = abstract_claim(list(zip(methods, trained_parameters(model, methods, recipe()), strict=True)))
    # 16 * (1 norm + 2 columns) of two layers of 640, and of five.
    assert claim is not None and "mod_k@2 has 96.2 % fewer" in claim and "36.2 % fewer than lora_all@2" not in claim


@pytest.mark.parametrize(
    ("text", "says"), [(None, "no config.json"), ("{", "cannot load"), ('{"model_type": "nope"}', "cannot load")]
)
def test_a_config_that_cannot_be_had(text: str | None, says: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModbenchError, match=says):
        load_config(str(tmp_path))


def test_a_hub_id_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("Access to this model is restricted. Log in\nfirst.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ModbenchError, match=r"'owner/gated' \(Access .* restricted\): give --model a folder"):
        load_config("owner/gated")
