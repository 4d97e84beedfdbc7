"""Random adapters, and how to tell whether a model was touched."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from modbench import MoDConfig, get_mod_model

IDS = torch.arange(3, 12).view(1, -1)
LORA = LoraConfig(r=2, target_modules=["q_proj", "v_proj"])


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits


def random_peft(base: Any, config: Any, seed: int = 5, name: str = "default") -> Any:
    """A PeftModel whose adapter is random, under that name; on a PeftModel one more adapter."""
    if isinstance(base, PeftModel):
        base.add_adapter(name, copy.deepcopy(config))
    else:
        base = get_peft_model(base, copy.deepcopy(config), name)
    base.set_adapter(name)
    generator = torch.Generator().manual_seed(seed)
    for parameter in base.parameters():
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return base.eval()


def save_adapter(base: Any, folder: Path) -> torch.Tensor:
    """Writes LoRA and ensemble, both random, on `base` into `folder`; returns the logits that they give."""
    mod = get_mod_model(random_peft(base, LORA), MoDConfig(k=3)).eval()
    for parameter in mod.mixture.parameters():
        parameter.data += torch.randn_like(parameter)
    mod.save_pretrained(folder)
    return mod(IDS).logits.detach()


def state(model: Any) -> list[Any]:
    """All that could tell whether a model was touched."""
    modules = [
        (name, type(module).__name__, module.training, sorted(vars(module)), len(module._forward_hooks))
        for name, module in model.named_modules()
    ]
    parameters = [(n, p.requires_grad, p.dtype, p.detach().numpy().tobytes()) for n, p in model.named_parameters()]
    return [*modules, *parameters, getattr(model, "active_adapter", None), sorted(getattr(model, "peft_config", ()))]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
