"""The class `ModHF`: its answers against plain loops over the model; how it finds base and adapter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from modbench import resources
from modbench.errors import ModbenchError
from modbench.harness.mod_hf import ModHF

# Of unequal lengths, so that every batch is padded.
CONTEXTS = [
    "Question: 2 + 3 =\nAnswer:",
    "4",
    "Question: Tom has 3 apples and gets 12 more. How many apples does Tom have now?\nAnswer:",
    "Tom has 7 cards.",
    "Question: What is 10 - 4?\nAnswer: The answer is",
]
CONTINUATIONS = [" 5", " 11 cards. 2 apples", " 3", " The answer is 15."]
STOP, MOST = "3", 12


def ask(lm: Any, kind: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
    requests = [Instance(request_type=kind, doc={}, arguments=a, idx=0) for a in arguments]
    return list(getattr(lm, kind)(requests, disable_tqdm=True))


def load(adapter: Path | None, batch_size: int = 1) -> ModHF:
    peft = str(adapter) if adapter else None
    return ModHF(pretrained="demo", peft=peft, dtype="float32", batch_size=batch_size, device="cpu")


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("kind", ["mod_adapter", "peft_adapter"])
def test_answers_are_those_of_plain_loops(kind: str, batch_size: int, request: Any, reference: Any) -> None:
    adapter = request.getfixturevalue(kind)
    slow, base = reference(adapter), reference(None)
    lm = load(adapter, batch_size)
    assert (lm.mod is not None) == (kind == "mod_adapter")

    pairs = [(context, continuation) for context in CONTEXTS for continuation in CONTINUATIONS]
    found = ask(lm, "loglikelihood", pairs)
    expected = [slow.loglikelihood(*pair) for pair in pairs]
    assert [value for value, _ in found] == pytest.approx([value for value, _ in expected], abs=2e-3)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
    assert min(abs(base.loglikelihood(*pair)[0] - f[0]) for pair, f in zip(pairs, found, strict=True)) > 0.01

    settings = {"until": [STOP], "do_sample": False, "max_gen_toks": MOST}
    said = ask(lm, "generate_until", [(context, settings) for context in CONTEXTS])
    assert said == [slow.generate(context, STOP, MOST) for context in CONTEXTS]
    assert said != [base.generate(context, STOP, MOST) for context in CONTEXTS]


def test_the_ensemble_is_more_than_its_lora(mod_adapter: Path, reference: Any) -> None:
    slow = reference(mod_adapter)
    lora_alone = slow.__class__(slow.tokenizer, slow.model, None)
    for context in CONTEXTS:
        assert abs(slow.loglikelihood(context, " 5")[0] - lora_alone.loglikelihood(context, " 5")[0]) > 0.01


def test_without_an_adapter_it_is_the_base(reference: Any) -> None:
    lm, base = load(None), reference(None)
    pairs = [(context, " 5") for context in CONTEXTS]
    expected = [base.loglikelihood(*pair)[0] for pair in pairs]
    assert [value for value, _ in ask(lm, "loglikelihood", pairs)] == pytest.approx(expected, abs=1e-4)
    assert lm.get_model_info()["mod_config"] is None


@pytest.mark.parametrize("kind", ["mod_adapter", "peft_adapter"])
@pytest.mark.parametrize("key", ["peft", "adapter"])
def test_the_adapter_says_which_base_it_is_for(kind: str, key: str, request: Any) -> None:
    adapter = request.getfixturevalue(kind)
    lm = ModHF(**{key: str(adapter)}, device="cpu")
    assert lm.pretrained == str(resources.folder("demo"))
    info = lm.get_model_info()
    assert info["peft"] == str(adapter)
    stored = adapter / "mod_config.json"
    assert info["mod_config"] == (json.loads(stored.read_text()) if stored.exists() else None)


def test_an_adapter_that_names_no_base_wants_one(mod_adapter: Path, tmp_path: Path) -> None:
    nameless = tmp_path / "nameless"
    shutil.copytree(mod_adapter, nameless)
    config = json.loads((nameless / "mod_config.json").read_text()) | {"base_model_name_or_path": None}
    (nameless / "mod_config.json").write_text(json.dumps(config))
    with pytest.raises(ModbenchError, match="add pretrained=MODEL"):
        ModHF(peft=str(nameless), device="cpu")
    assert ModHF(pretrained="demo", peft=str(nameless), device="cpu").mod is not None


def test_two_adapters_at_once(mod_adapter: Path, peft_adapter: Path) -> None:
    with pytest.raises(ModbenchError, match="give one"):
        ModHF(peft=str(mod_adapter), adapter=str(peft_adapter))


def test_a_loaded_model_is_taken_as_it_is_and_never_without_its_adapter(mod_adapter: Path, reference: Any) -> None:
    base = reference(None)
    lm = ModHF(pretrained=base.model, tokenizer=base.tokenizer, device="cpu")
    assert ask(lm, "loglikelihood", [("4", " 5")])[0][0] == pytest.approx(base.loglikelihood("4", " 5")[0], abs=1e-4)
    with pytest.raises(ModbenchError, match="attach the adapter to it first"):
        ModHF(pretrained=base.model, tokenizer=base.tokenizer, peft=str(mod_adapter), device="cpu")


def test_an_adapter_of_another_base_is_refused(mod_adapter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(mod_adapter, other)
    config = json.loads((other / "mod_config.json").read_text()) | {"base_fingerprint": "0" * 64}
    (other / "mod_config.json").write_text(json.dumps(config))
    with pytest.raises(ModbenchError, match="load that base instead"):
        ModHF(peft=str(other), device="cpu")


@pytest.mark.parametrize("batch_size", [1, 4])
def test_beams_are_those_of_transformers(batch_size: int, mod_adapter: Path) -> None:
    lm = load(mod_adapter, batch_size)
    settings = {"until": [STOP], "do_sample": False, "num_beams": 4, "max_gen_toks": MOST}
    said = ask(lm, "generate_until", [(context, settings) for context in CONTEXTS])
    expected = []
    for context in CONTEXTS:
        ids = lm.tokenizer(context, return_tensors="pt").input_ids
        done = lm.model.generate(input_ids=ids, num_beams=4, do_sample=False, max_new_tokens=MOST, pad_token_id=0)
        text = lm.tokenizer.decode(done[0, ids.shape[1] :], skip_special_tokens=True)
        expected.append(text.split(STOP)[0])
    assert said == expected
