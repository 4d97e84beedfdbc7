"""Ensembles beside their references, on tiny models, plain or with a PEFT adapter; and what must be the same."""

from __future__ import annotations

import copy
from typing import Any

import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, OPTConfig

from modbench import MoDConfig, MoDModel, get_mod_model

from .reference import Reference, relative_error, trained_gradients
from .zoo import build, tiny_config

EXACT = {torch.float64: 1e-10, torch.float32: 1e-5}
"""How far a quantity of a dtype may be from the reference's, as max|a - b| / max|b|."""

IDS = torch.randint(3, 48, (3, 9), generator=torch.Generator().manual_seed(1))
LABELS = IDS.clone()
LABELS[:, :2] = -100
LABELS[1, 6:] = -100

ADAPTERS: dict[str, Any] = {
    "LoRA below": LoraConfig(
        r=2, target_modules=["q_proj", "up_proj"], layers_to_transform=[0, 1], init_lora_weights=False
    ),
    "LoRA everywhere": LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False),
    "LoRA on the head": LoraConfig(r=2, target_modules=["q_proj", "lm_head"], init_lora_weights=False),
    "the head itself": LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"], init_lora_weights=False),
    "prompt tuning": PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    "prefix tuning": PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
}


def base(name: str) -> Any:
    """The tiny model of a type, or one of two other OPTs."""
    if not name.startswith("opt, "):
        return build(name)
    config = tiny_config("opt")
    assert isinstance(config, OPTConfig)
    if name == "opt, narrow":
        config.word_embed_proj_dim = 16
    else:
        config.do_layer_norm_before = False
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).double().eval()


def pair(model: Any, **config: Any) -> tuple[MoDModel, Reference]:
    """An ensemble with random norms and router on `model`, a type's name or a model; and its reference, on a copy."""
    model = base(model) if isinstance(model, str) else model
    twin = copy.deepcopy(model)
    mod = get_mod_model(model, MoDConfig(**config))
    generator = torch.Generator().manual_seed(7)
    for parameter in mod.mixture.parameters():
        parameter.data += 0.4 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter)
    return mod.eval(), Reference(twin, mod.mod_config, mod.mixture.state_dict()).eval()


def adapted(name: str, adapter: str) -> Any:
    """The tiny model of a type inside a PeftModel with random weights."""
    torch.manual_seed(5)
    model: Any = get_peft_model(base(name), copy.deepcopy(ADAPTERS[adapter]))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.double() + 0.1 * torch.randn_like(parameter.data.double())
    return model.eval()


@torch.no_grad()
def assert_same_forward(mod: MoDModel, reference: Reference, **inputs: Any) -> None:
    """Ensemble logits, gates and per-layer logits."""
    slow, logits = reference(**inputs), mod(**inputs).logits
    exact = EXACT[logits.dtype]
    assert relative_error(logits, slow.logits) < exact
    attachment: Any = mod._attachment
    states, normed_last = attachment.late_states(mod.model, **inputs)
    _, gates, normed = mod.mixture(states, normed_last)
    assert relative_error(gates, slow.gates) < exact
    for state, layer in zip(normed, slow.layers, strict=True):
        assert relative_error(attachment.logits_of(state), layer) < exact


def assert_same_training(mod: MoDModel, reference: Reference, labels: Tensor, **inputs: Any) -> None:
    """Loss terms and every gradient, the base itself in eval mode for its dropout."""
    for ensemble in (mod, reference):
        ensemble.train()
        ensemble.model.eval()
    output = mod(labels=labels, **inputs)
    output.loss.backward()
    found, exact = trained_gradients(mod.mixture, mod.model), EXACT[output.loss.dtype]
    weight = mod.mod_config.distill_weight
    task, distill = reference.losses(labels, **inputs)
    (task + weight * distill).backward()
    expected = trained_gradients(reference, reference.model)
    assert relative_error(output.loss, task + weight * distill) < exact
    assert relative_error(output.loss_task, task) < exact
    if weight > 0:
        assert relative_error(output.loss_distill, distill) < exact
    assert list(found) == list(expected)
    for name, gradient in expected.items():
        assert relative_error(found[name], gradient) < exact, name
    mod.eval()
    reference.eval()
