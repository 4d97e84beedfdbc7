"""Which families can be exported: tried on a tiny model of each, and compared with the list in docs/export.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from modbench import MoDConfig, get_mod_model
from modbench.ensemble.export import export
from modbench.errors import ModbenchError

from .zoo import build, decoder_types
from .zoo_configs import VOCABULARY

PAGE = Path(__file__).resolve().parents[2] / "docs" / "export.md"


def documented() -> list[str]:
    """The model types under the heading Families."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Families\n")[2].partition("\n## ")[0]
    return re.findall(r"`([\w.-]+)`", section.partition("\n\n")[2])


def test_the_list_names_each_family_once_in_order() -> None:
    names = documented()
    assert names == sorted(set(names)) and set(names) <= set(decoder_types())


@pytest.mark.long
@pytest.mark.parametrize("model_type", decoder_types())
def test_a_family_is_in_the_list_if_it_can_be_exported(
    model_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    # A base as users have it, from files: youtu, for one, empties an embedding whenever it is loaded.
    base = build(model_type, dtype=torch.float32)
    base.save_pretrained(tmp_path / "base")
    base = type(base).from_pretrained(tmp_path / "base")
    try:
        mod: Any = get_mod_model(base, MoDConfig(k=3, top_k=2)).eval()
        generator = torch.Generator().manual_seed(3)
        for parameter in mod.mixture.parameters():
            parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator)
        export(mod, tmp_path / "out")
    except ModbenchError as error:
        assert model_type not in documented(), str(error)
        return
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "out", trust_remote_code=True)
    inputs = {"input_ids": torch.randint(3, VOCABULARY, (2, 8), generator=generator)}
    inputs["attention_mask"] = (torch.arange(8) >= torch.tensor([[3], [0]])).long()
    with torch.no_grad():
        found, expected = written(**inputs).logits, mod(**inputs).logits
    kept = inputs["attention_mask"].bool()
    assert (found - expected)[kept].abs().max() <= 1e-4 * expected[kept].abs().max()
    settings = {"do_sample": False, "max_new_tokens": 6}
    assert torch.equal(written.generate(**inputs, **settings), mod.generate(**inputs, **settings))
    # The default for experts, a grouped matrix product, has no bfloat16 of these sizes.
    settings = {"dtype": torch.bfloat16, "experts_implementation": "eager"}
    half = AutoModelForCausalLM.from_pretrained(tmp_path / "out", trust_remote_code=True, **settings)
    assert {parameter.dtype for parameter in half.mod.parameters()} == {torch.float32}
    assert half(**inputs).logits[kept].isfinite().all()
    assert model_type in documented(), f"{model_type} works: put it into {PAGE.name}"
