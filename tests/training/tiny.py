"""A tiny ensemble with LoRA underneath, in float64, and examples of unequal lengths to train it on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import TrainingArguments

from modbench import MoDConfig, MoDModel, get_mod_model
from modbench.training.encoding import Collator

from ..tiny_llama import VOCABULARY, tiny_llama


def build(dtype: torch.dtype = torch.float64, lora: bool = True, dropout: float = 0.0, **config: Any) -> MoDModel:
    """The same ensemble at every call, with norms and router away from their starts."""
    torch.manual_seed(0)
    model = tiny_llama(layers=4).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 5  # away from zero, so that layers and late states differ
    if lora:
        adapter = LoraConfig(
            r=2,
            target_modules=["q_proj", "up_proj"],
            lora_dropout=dropout,
            init_lora_weights=False,
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(model, adapter)
    mod = get_mod_model(model, MoDConfig(**{"k": 3, "distill_weight": 0.5} | config))
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in mod.mixture.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64).to(parameter)
    return mod


def features(count: int) -> list[dict[str, list[int]]]:
    """Examples of 4 to 13 tokens, of which at least one and not the first are labels."""
    draw = torch.Generator().manual_seed(2)
    found = []
    for length in torch.randint(4, 14, (count,), generator=draw).tolist():
        ids = torch.randint(3, VOCABULARY, (length,), generator=draw).tolist()
        prompt = int(torch.randint(1, length - 1, (), generator=draw))
        found.append({"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]})
    return found


collate = Collator(SimpleNamespace(pad_token_id=0, eos_token_id=2))


def arguments(folder: Any, kind: Any = TrainingArguments, **options: Any) -> Any:
    """Training arguments for a quiet run on the processor, examples in their order."""
    quiet: dict[str, Any] = {
        "learning_rate": 1e-2,
        "optim": "adamw_torch",
        "logging_steps": 1,
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "train_sampling_strategy": "sequential",
    }
    return kind(output_dir=str(folder), **quiet | options)


def trained(mod: MoDModel) -> dict[str, torch.Tensor]:
    """Copies of the parameters that train."""
    return {name: p.detach().clone() for name, p in mod.named_parameters() if p.requires_grad}


def difference(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest max|a - b| / max|b| over tensors of the same names."""
    assert found.keys() == expected.keys()
    return max(float((found[n] - expected[n]).abs().max() / expected[n].abs().max()) for n in expected)
