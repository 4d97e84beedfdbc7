"""Any PEFT method from its own configuration: on all layers or the first ones, alone or under the ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from modbench import MoDModel
from modbench.errors import ModbenchError
from modbench.methods import get_method
from modbench.training.adapters import UNSERVED, check_peft
from modbench.training.assembly import assemble

from ..ensemble.conftest import LAYERS, build_base
from .test_assembly import adapter_layers, logits, recipe, tokens, train

LIMITED = {
    "LORA": {"r": 4},
    "LORA rsLoRA": {"peft_type": "LORA", "r": 4, "use_rslora": True},
    "LORA DoRA": {"peft_type": "LORA", "r": 4, "use_dora": True},
    "LORA PiSSA": {"peft_type": "LORA", "r": 4, "init_lora_weights": "pissa"},
    "LORA all-linear": {"peft_type": "LORA", "r": 4, "target_modules": "all-linear"},
    "LORA pattern": {"peft_type": "LORA", "r": 4, "target_modules": r".*\.(q|v)_proj"},
    "LORA some excluded": {"peft_type": "LORA", "r": 4, "target_modules": "all-linear", "exclude_modules": ["o_proj"]},
    "C3A": {"block_size": 8},
    "FOURIERFT": {"n_frequency": 10},
    "HRA": {"r": 2},
    "IA3": {},
    "LOHA": {"r": 2},
    "LOKR": {"r": 2},
    "MISS": {"r": 2},
    "OFT": {"oft_block_size": 4},
    "RANDLORA": {"r": 4},
    "VBLORA": {"r": 4, "num_vectors": 8, "vector_length": 8, "topk": 2},
    "VERA": {"r": 4},
}
"""Methods whose adapters stand on modules."""


def fields(case: str) -> dict[str, Any]:
    return {"peft_type": case.partition(" ")[0], **LIMITED[case]}


@pytest.mark.parametrize("case", LIMITED)
def test_not_k_leaves_the_late_layers_alone(case: str) -> None:
    whole = assemble(build_base(torch.float32), get_method("peft_all"), recipe(**fields(case)), seed=0)
    assert adapter_layers(whole) == set(range(LAYERS))
    part = assemble(build_base(torch.float32), get_method("peft_not_k"), recipe(**fields(case)), seed=0)
    assert adapter_layers(part) == {0, 1}
    assert part.parameter_counts()["norms"] == part.parameter_counts()["router"] == 0


@pytest.mark.parametrize("case", LIMITED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_ensemble_stands_on_it_trained_and_loaded_again(case: str, dtype: torch.dtype, tmp_path: Path) -> None:
    mod = assemble(build_base(dtype), get_method("peft_mod_k"), recipe(**fields(case)), seed=0)
    before = {name: p.detach().clone() for name, p in mod.named_parameters()}
    train(mod)
    for name, parameter in mod.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
    mod.save_pretrained(tmp_path)
    again = MoDModel.from_pretrained(build_base(dtype), tmp_path).eval()
    assert torch.allclose(logits(again), logits(mod), rtol=0, atol=1e-6)
    drawn = mod.generate(input_ids=tokens(), max_new_tokens=3, do_sample=False, eos_token_id=None)
    assert drawn.shape == (4, 13)


WHOLE = {
    "CARTRIDGE": {"num_virtual_tokens": 4},
    "LN_TUNING": {},
    "LORA on the head": {"r": 4, "target_modules": ["q_proj", "lm_head"]},
    "LORA with the head": {"r": 4, "modules_to_save": ["lm_head"]},
    "PREFIX_TUNING": {"num_virtual_tokens": 4},
    "PROMPT_TUNING": {"num_virtual_tokens": 4},
    "P_TUNING": {"num_virtual_tokens": 4, "encoder_hidden_size": 8},
}
"""Methods whose adapters stand elsewhere too: before the prompt, in the cache, on the final norm, on the head."""


@pytest.mark.parametrize("case", WHOLE)
def test_labels_line_up_wherever_the_adapter_stands(case: str) -> None:
    peft = {"peft_type": case.partition(" ")[0], **WHOLE[case]}
    mod = train(assemble(build_base(torch.float32), get_method("peft_all"), recipe(**peft), seed=0))
    mask = torch.ones_like(tokens())
    mask[0, -3:] = 0
    labels = tokens().masked_fill(mask == 0, -100)
    labels[:, 0] = -100  # behind virtual tokens PEFT would have the first token predicted too
    with torch.no_grad():
        ours = mod(tokens(), attention_mask=mask, labels=labels).loss
        pefts = mod.model(input_ids=tokens(), attention_mask=mask, labels=labels).loss
    assert float(ours) == pytest.approx(float(pefts), rel=1e-5)


@pytest.mark.parametrize("case", WHOLE)
def test_the_ensemble_stands_on_these_as_well(case: str, tmp_path: Path) -> None:
    peft = {"peft_type": case.partition(" ")[0], **WHOLE[case]}
    mod = assemble(build_base(torch.float32), get_method("peft_all_mod_k"), recipe(**peft), seed=0)
    before = {name: p.detach().clone() for name, p in mod.named_parameters()}
    train(mod)
    for name, parameter in mod.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
    mod.save_pretrained(tmp_path)
    again = MoDModel.from_pretrained(build_base(torch.float32), tmp_path).eval()
    assert torch.allclose(logits(again), logits(mod), rtol=0, atol=1e-6)
    expected = tokens()
    for _ in range(3):  # without a cache, the whole text anew for each token
        with torch.no_grad():
            last = mod.model(input_ids=expected, attention_mask=torch.ones_like(expected)).logits[:, -1]
        expected = torch.cat([expected, last.argmax(-1, keepdim=True)], dim=1)
    drawn = mod.generate(
        input_ids=tokens(),
        attention_mask=torch.ones_like(tokens()),
        max_new_tokens=3,
        do_sample=False,
        eos_token_id=None,
    )
    assert torch.equal(drawn, expected)


@pytest.mark.parametrize(
    "peft", [{"peft_type": "LN_TUNING"}, {"peft_type": "LORA", "r": 4, "modules_to_save": ["lm_head"]}]
)
def test_nothing_is_trained_in_half_precision(peft: dict[str, Any]) -> None:
    with pytest.raises(ModbenchError, match=r"bfloat16: set the suite's dtype to float32"):
        assemble(build_base(torch.bfloat16), get_method("peft_all"), recipe(**peft), seed=0)


def test_a_choice_of_layers_of_the_files_own_is_kept() -> None:
    for kind in ({"peft_type": "LORA", "r": 4}, {"peft_type": "VERA", "r": 4}):
        chosen = recipe(**kind, layers_to_transform=[1, 2, 3])
        assert adapter_layers(assemble(build_base(), get_method("peft_all"), chosen, seed=0)) == {1, 2, 3}
        assert adapter_layers(assemble(build_base(), get_method("peft_not_k"), chosen, seed=0)) == {1}


@pytest.mark.parametrize(
    ("peft", "says"),
    [
        ({"peft_type": "LORAA"}, "did you mean LORA"),
        ({"peft_type": "LORA", "lora_alhpa": 8}, "did you mean lora_alpha"),
        ({"peft_type": "LORA", "r": 4, "init_lora_weights": "eva"}, "init_lora_weights = eva"),
        ({"peft_type": "LORA", "r": 4, "init_lora_weights": "pissa_niter_4"}, "pissa_niter_4"),
        ({"peft_type": "LORA", "r": 4, "layer_replication": [[0, 3], [2, 5]]}, "layer_replication"),
        ({"peft_type": "LORA", "r": 4, "target_modules": ["c_attn"]}, "LORA does not fit: .*c_attn"),
        ({"peft_type": "LORA", "r": 0}, "LORA"),
        ({"peft_type": "HRA", "r": "four"}, "HRA"),
        ({"peft_type": "LORA", "layers_to_transform": [0], "target_modules": ".*q_proj"}, "PEFT refuses this LORA"),
        *(({"peft_type": kind}, f"{kind} cannot be trained here: ") for kind in UNSERVED),
    ],
    ids=lambda value: str(value.get("peft_type")) if isinstance(value, dict) else "",
)
def test_what_cannot_work_is_one_line(peft: dict[str, Any], says: str) -> None:
    with pytest.raises(ModbenchError, match=says) as caught:
        assemble(build_base(), get_method("peft_all"), recipe(**peft), seed=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("peft", "says"),
    [
        ({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4}, "peft_all and peft_all_mod_k work"),
        ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}, "peft_all and peft_all_mod_k work"),
        ({"peft_type": "VERA", "r": 4, "target_modules": "all-linear"}, "target_modules must be a list"),
        ({"peft_type": "LORA", "r": 4, "target_parameters": ["mlp.down_proj.weight"]}, "tunes layer 2 too"),
    ],
)
def test_what_cannot_be_limited_to_layers_is_refused(peft: dict[str, Any], says: str) -> None:
    for name in ("peft_not_k", "peft_mod_k"):
        with pytest.raises(ModbenchError, match=f"^{name}: .*{says}"):
            assemble(build_base(), get_method(name), recipe(**peft), seed=0)


def test_without_a_configuration_there_is_nothing_to_put_on() -> None:
    with pytest.raises(ModbenchError, match=r"peft_all needs .*--peft-config"):
        assemble(build_base(), get_method("peft_all"), recipe(), seed=0)


def test_every_other_method_of_pefts_passes_the_first_check() -> None:
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING

    assert set(UNSERVED) < {kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING}
    for kind in PEFT_TYPE_TO_CONFIG_MAPPING:
        if kind.value not in UNSERVED:
            check_peft({"peft_type": kind.value})
