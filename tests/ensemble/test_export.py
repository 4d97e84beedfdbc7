"""Exported folders: what transformers alone makes of them, against the model in memory."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, LlamaForCausalLM, pipeline

from modbench import MoDConfig, MoDModel, get_mod_model, resources
from modbench.ensemble import export as exporting
from modbench.ensemble.export import Export, export
from modbench.errors import ModbenchError
from modbench.training.tuned import load_tuned

from .test_remote import ENSEMBLES

IDS = torch.tensor([[0, 0, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14]])
MASK = (torch.arange(6) >= torch.tensor([[2], [0]])).long()

GREEDY = {"do_sample": False, "max_new_tokens": 10}
BEAMS = {"do_sample": False, "max_new_tokens": 8, "num_beams": 3}

READER = """
import json, sys
sys.modules["modbench"] = None
import torch
from transformers import AutoModelForCausalLM
ids, mask, ways, folders = json.loads(sys.argv[1])
said = {}
for folder in folders:
    model, report = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
    assert not any(report.values()), report
    inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    said[folder] = [model.generate(**inputs, **way).tolist() for way in ways]
print(json.dumps(said))
"""


@pytest.fixture(autouse=True)
def own_modules_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where transformers copies the model files of folders to."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def lora(make_base: Callable[..., Any]) -> Callable[..., Any]:
    """A float32 Llama with random norms in a PeftModel with a random LoRA."""

    def make(**options: Any) -> Any:
        torch.manual_seed(5)
        config = {"r": 2, "target_modules": ["q_proj", "up_proj"], "init_lora_weights": False} | options
        return get_peft_model(make_base(torch.float32), LoraConfig(**config)).eval()

    return make


@pytest.fixture
def tuned(lora: Callable[..., Any]) -> Callable[..., MoDModel]:
    """The same with a random ensemble."""

    def make(**config: Any) -> MoDModel:
        mod = get_mod_model(lora(), MoDConfig(**config)).eval()
        generator = torch.Generator().manual_seed(7)
        for parameter in mod.mixture.parameters():
            parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator)
        return mod

    return make


def read(folder: Path, **arguments: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, **arguments)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS, attention_mask=MASK).logits[MASK.bool()]


def test_the_same_text_without_modbench(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    said, ways = {}, [GREEDY, BEAMS]
    for name in ("dense", "top", "top_of_the_hidden", "first"):
        mod, folder = tuned(**ENSEMBLES[name]), str(tmp_path / name)
        assert export(mod, folder).difference < 1e-5
        said[folder] = [mod.generate(input_ids=IDS, attention_mask=MASK, **way).tolist() for way in ways]
    command = [sys.executable, "-c", READER, json.dumps([IDS.tolist(), MASK.tolist(), ways, list(said)])]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == said
    assert "missing" not in done.stderr.lower() and "unexpected" not in done.stderr.lower()
    assert len({json.dumps(text) for text in said.values()}) == len(said), "each ensemble says something of its own"


def test_without_trust_it_does_not_load(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    export(tuned(), tmp_path / "out")
    for loader in (AutoConfig, AutoModelForCausalLM):
        with pytest.raises(ValueError, match="trust_remote_code=True"):
            loader.from_pretrained(tmp_path / "out", trust_remote_code=False)


def test_what_is_written(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    export(tuned(), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors", "modeling_mod.py"}
    assert [path.name for path in tmp_path.iterdir() if path.name != "modules"] == ["out"]
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    own = sorted(name for name in tensors if name.startswith("mod."))
    assert own == ["mod.norms.0.weight", "mod.norms.1.weight", "mod.router.weight"]
    assert not any("lora" in name for name in tensors)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_norms_and_router_stay_in_float32(dtype: torch.dtype, tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    mod = tuned()
    assert 1e-4 < export(mod, tmp_path / "half", dtype=dtype).difference < 0.1
    export(mod, tmp_path / "whole")
    whole = tmp_path / "whole"
    for model in (read(tmp_path / "half"), read(whole, dtype=dtype), read(whole).to(dtype)):
        found = {name: parameter.dtype for name, parameter in model.named_parameters()}
        assert {kind for name, kind in found.items() if not name.startswith("mod.")} == {dtype}
        for name, parameter in mod.mixture.named_parameters():
            assert torch.equal(model.get_parameter(f"mod.{name}"), parameter)
        assert (logits(model).float() - logits(mod)).abs().max() < 0.1 * logits(mod).abs().max()


def test_saved_and_loaded_once_more(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    export(tuned(top_k=2), tmp_path / "one")
    first = read(tmp_path / "one")
    first.save_pretrained(tmp_path / "two")
    second = read(tmp_path / "two")
    assert type(second).__name__ == "MoDLlamaForCausalLM"
    assert torch.equal(logits(first), logits(second))


def test_two_exports_and_a_copy_keep_apart(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    mods = [tuned(), tuned(k=2, router="uniform")]
    for number, mod in enumerate(mods):
        export(mod, tmp_path / str(number))
    models = [read(tmp_path / str(number)) for number in range(2)]
    for mod, model in zip(mods, models, strict=True):
        assert torch.allclose(logits(model), logits(mod), atol=1e-5)
    before = logits(models[0])
    twin = copy.deepcopy(models[0])
    with torch.no_grad():
        twin.mod.router.weight += 1.0 + torch.arange(3.0)[:, None]
    assert torch.equal(logits(models[0]), before)
    assert not torch.allclose(logits(twin), before, atol=1e-3)


def test_pipeline_and_prompts(tmp_path: Path) -> None:
    mod, tokenizer = load_tuned(str(resources.folder("demo-adapter")))
    prompts = ["Question: 2 + 3 =\nAnswer:", "Question: What is 10 - 4?\nAnswer:"]
    done = export(mod, tmp_path / "out", tokenizer, prompts=prompts)
    assert done == Export(True, pytest.approx(0, abs=1e-5), 0.0)
    answer = pipeline("text-generation", model=str(tmp_path / "out"), trust_remote_code=True)
    for prompt in prompts:
        ids = mod.generate(**tokenizer(prompt, return_tensors="pt"), **GREEDY)
        said = answer(prompt, **GREEDY)[0]["generated_text"]
        assert said == tokenizer.decode(ids[0], skip_special_tokens=True)


def test_changed_answers_are_counted(tuned: Callable[..., MoDModel], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([[1], [1], [1], [2], [3], [3], [4], [5]])
    monkeypatch.setattr(exporting, "_answer", lambda *_: next(answers))
    assert exporting._changed(None, None, object(), ["a", "b", "c", "d"]) == 0.5


@pytest.mark.parametrize("config", [None, {"router": "last"}, {"k": 1}])
def test_without_an_ensemble_it_is_a_plain_model(
    config: dict[str, Any] | None, tuned: Callable[..., MoDModel], lora: Callable[..., Any], tmp_path: Path
) -> None:
    model = lora() if config is None else tuned(**config)
    done = export(model, tmp_path / "out")
    assert not done.ensemble and done.difference < 1e-5
    assert not (tmp_path / "out" / "modeling_mod.py").exists()
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert type(plain) is LlamaForCausalLM
    assert torch.allclose(logits(plain), logits(model), atol=1e-5)


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_tied_weights_of_which_one_is_tuned_come_apart(
    target: str, make_base: Callable[..., Any], tmp_path: Path
) -> None:
    base = make_base(torch.float32)
    base.config.tie_word_embeddings = True
    base = type(base)(base.config).eval()
    assert base.lm_head.weight is base.model.embed_tokens.weight
    torch.manual_seed(5)
    model = get_peft_model(base, LoraConfig(r=2, target_modules=[target], init_lora_weights=False)).eval()
    mod = get_mod_model(model, MoDConfig(k=2, router="uniform"))
    export(mod, tmp_path / "out")
    loaded = read(tmp_path / "out")
    assert not loaded.config.tie_word_embeddings and mod.config.tie_word_embeddings
    assert torch.allclose(logits(loaded), logits(mod), atol=1e-5)


def test_the_model_in_memory_stays_as_it_is(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    mod = tuned().train()
    mod.mixture.eval()
    state = {name: tensor.clone() for name, tensor in mod.state_dict().items()}
    config = mod.config.to_dict()
    modes = [module.training for module in mod.modules()]
    export(mod, tmp_path / "out")
    assert mod.config.to_dict() == config
    assert [module.training for module in mod.modules()] == modes
    assert mod.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in mod.state_dict().items())


# What is refused


def refuse(mod: Any, folder: Path, says: str, **arguments: Any) -> None:
    """Exporting `mod` is an error of one line, and nothing is left behind."""
    before = sorted(path.name for path in folder.parent.rglob("*"))
    with pytest.raises(ModbenchError, match=says) as caught:
        export(mod, folder, **arguments)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in folder.parent.rglob("*")) == before


def test_a_folder_with_something_in_it(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("mine", "file", "mine/notes.txt"):
        refuse(tuned(), tmp_path / name, "nothing is overwritten")
    (tmp_path / "empty").mkdir()
    export(tuned(), tmp_path / "empty")
    assert (tmp_path / "empty" / "config.json").exists()


@pytest.mark.parametrize("config", [PromptTuningConfig, PrefixTuningConfig])
def test_an_adapter_that_is_no_change_of_weights(config: Any, make_base: Callable[..., Any], tmp_path: Path) -> None:
    model = get_peft_model(make_base(torch.float32), config(num_virtual_tokens=3, task_type="CAUSAL_LM"))
    refuse(model, tmp_path / "out", "cannot be merged")


def test_a_quantized_base(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    mod = tuned()
    mod.model.get_base_model().hf_quantizer = SimpleNamespace(quantization_config=SimpleNamespace())
    refuse(mod, tmp_path / "out", "unquantized")


def test_a_model_that_is_not_all_in_memory(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    mod = tuned()
    mod.model.get_base_model().model.layers[0].to("meta")
    refuse(mod, tmp_path / "out", "into memory")


def test_a_class_of_the_users_own(make_base: Callable[..., Any], tmp_path: Path) -> None:
    class Mine(LlamaForCausalLM):
        pass

    mod = get_mod_model(Mine(make_base().config).eval(), MoDConfig(k=2))
    refuse(mod, tmp_path / "out", "Mine is no class of transformers")


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_disk_that_is_full(tuned: Callable[..., MoDModel], tmp_path: Path) -> None:
    import resource

    mod, limits = tuned(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        refuse(mod, tmp_path / "out", "cannot write .*File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_other_logits_than_in_memory(
    tuned: Callable[..., MoDModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mod = tuned()
    refuse(mod, tmp_path / "out", "take a tokenizer", prompts=["4"])
    true = exporting._settings
    monkeypatch.setattr(exporting, "_settings", lambda *parts: true(*parts) | {"last_offset": 1.0})
    refuse(mod, tmp_path / "out", "other logits")
    monkeypatch.undo()
    mod.mixture.norms[0].weight.data.fill_(float("nan"))
    refuse(mod, tmp_path / "out", "not finite")
