"""Every text-only decoder of transformers: exact with the ensemble, untouched by it, and listed in the docs."""

from __future__ import annotations

import copy
import importlib.util
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from modbench import MoDConfig, MoDModel, get_mod_model
from modbench.errors import ModbenchError

from . import pairs, zoo
from .pairs import EXACT, assert_same_forward, assert_same_training, pair
from .reference import Reference, float64_throughout, relative_error

AT_LEAST_SERVED = 140

ROOT = Path(__file__).parents[2]
IDS, LABELS = pairs.IDS[:2, :6], pairs.LABELS[:2, :6]
GREEDY = {
    "max_new_tokens": 4,
    "do_sample": False,
    "eos_token_id": None,
    "output_logits": True,
    "return_dict_in_generate": True,
}


@pytest.fixture(scope="module")
def architectures() -> Any:
    """The script that writes the documentation."""
    spec = importlib.util.spec_from_file_location("architectures", ROOT / "ci" / "architectures.py")
    assert spec is not None and spec.loader is not None
    script = sys.modules["architectures"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


class Untouched:
    """What an ensemble must leave alone in a model: weights, keys, configuration, hooks, flags, attributes."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.weights = copy.deepcopy(model.state_dict())
        self.config = copy.deepcopy(model.config.to_dict())
        self.parts = self.all_parts()

    def all_parts(self) -> Any:
        parameters = {name: p.requires_grad for name, p in self.model.named_parameters()}
        modules = {
            name: (module.training, type(module), sorted(vars(module)), hooks(module))
            for name, module in self.model.named_modules()
        }
        return parameters, modules

    def check_weights(self) -> None:
        """What holds while an ensemble is attached too."""
        assert list(self.model.state_dict()) == list(self.weights)
        for name, value in self.model.state_dict().items():
            assert torch.equal(value, self.weights[name]), name
        assert self.model.config.to_dict() == self.config

    def check(self) -> None:
        self.check_weights()
        assert self.all_parts() == self.parts


def hooks(module: nn.Module) -> int:
    return sum(len(value) for name, value in vars(module).items() if name.endswith("_hooks"))


@torch.no_grad()
def check_generation(mod: MoDModel, reference: Reference, base: Any, cached_otherwise: bool) -> None:
    """Cached, step by step, against the reference's cached steps and against one pass of it over the whole text."""
    found, slow = mod.generate(input_ids=IDS, **GREEDY), reference.generate(input_ids=IDS, **GREEDY)
    logits, exact = torch.stack(found.logits, 1), EXACT[reference.base.dtype]
    assert torch.equal(found.sequences, slow.sequences)
    assert relative_error(logits, torch.stack(slow.logits, 1)) < exact
    whole = reference(input_ids=found.sequences[:, :-1], use_cache=False).logits[:, IDS.shape[1] - 1 :]
    if not cached_otherwise:
        assert relative_error(logits, whole) < exact
        return
    alone = base.generate(input_ids=IDS, **GREEDY)
    uncached = base(input_ids=alone.sequences[:, :-1], use_cache=False).logits[:, IDS.shape[1] - 1 :]
    assert relative_error(torch.stack(alone.logits, 1), uncached) > exact


def check_exception(mod: MoDModel) -> None:
    """An error in the middle of a forward, then the same as before."""

    def fail(*_: Any) -> None:
        raise MemoryError

    with torch.no_grad():
        before = mod(input_ids=IDS, use_cache=False).logits
        handle = mod.anatomy.layers[-1].register_forward_hook(fail)
        for labels in (None, LABELS):
            with pytest.raises(MemoryError):
                mod(input_ids=IDS, labels=labels, use_cache=False)
        handle.remove()
        assert torch.equal(mod(input_ids=IDS, use_cache=False).logits, before)


SMALL = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 24}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "T5ForConditionalGeneration": ({"d_model": 16, "d_ff": 24, "d_kv": 8, "num_heads": 2}, "encoder-decoder"),
    "BartForConditionalGeneration": ({"d_model": 16, "encoder_layers": 2, "decoder_layers": 2}, "encoder-decoder"),
    "BertForMaskedLM": (SMALL, "cannot generate text"),
    "BertModel": (SMALL, "no output head"),
    "LlamaModel": (SMALL, "no output head"),
    "LlamaForSequenceClassification": (SMALL, "no output head"),
    "ViTForImageClassification": ({**SMALL, "image_size": 8, "patch_size": 4}, "no output head"),
}


@pytest.mark.parametrize("class_name", OTHERS)
def test_other_models_are_refused_untouched(class_name: str) -> None:
    fields, reason = OTHERS[class_name]
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**fields))
    untouched = Untouched(model)
    with pytest.raises(ModbenchError, match=f"^{class_name} .*{reason}") as caught:
        get_mod_model(model, MoDConfig(k=2))
    assert "\n" not in str(caught.value)
    untouched.check()


@pytest.mark.long
@pytest.mark.parametrize("model_type", zoo.decoder_types())
def test_served_exactly_or_refused(model_type: str, architectures: Any) -> None:
    model: Any = zoo.build(model_type)
    with nullcontext() if model_type in zoo.FLOAT32_ONLY else float64_throughout():
        with torch.no_grad():
            before = model(input_ids=IDS, use_cache=False).logits
        untouched = Untouched(model)
        if architectures.row(model_type).refusal:
            with pytest.raises(ModbenchError) as caught:
                get_mod_model(model, MoDConfig(k=3))
            assert str(caught.value) == architectures.row(model_type).refusal
            assert "\n" not in str(caught.value)
            untouched.check()
            return
        mod, reference = pair(model)
        assert_same_forward(mod, reference, input_ids=IDS, use_cache=False)
        assert_same_training(mod, reference, LABELS, input_ids=IDS, use_cache=False)
        check_exception(mod)
        untouched.check_weights()
        assert mod.unload() is model
        untouched.check()
        mod, reference = pair(model, top_k=2)
        check_generation(mod, reference, zoo.build(model_type), model_type in architectures.CACHED_OTHERWISE)
        mod.unload()
        with torch.no_grad():
            assert torch.equal(model(input_ids=IDS, use_cache=False).logits, before)


@pytest.mark.long
def test_enough_are_served_and_the_documentation_says_which(architectures: Any) -> None:
    served = [name for name in zoo.decoder_types() if not architectures.row(name).refusal]
    assert len(served) >= AT_LEAST_SERVED
    assert set(architectures.CACHED_OTHERWISE) <= set(served)
    assert architectures.PAGE.read_text(encoding="utf-8") == architectures.page(), "run python ci/architectures.py"
