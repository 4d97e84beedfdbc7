"""Trains a tiny ensemble for a few steps, alone or as one of several processes; test_distributed.py launches it.

Usage: distributed.py HOW OUT [OPTION=VALUE ...]. HOW is `trainer`, `fsdp_trainer`, `loop`, or `fsdp_loop`. The first
process writes losses and trained tensors, whole, to OUT.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from accelerate import PartialState
from accelerate.utils import DistributedType
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, TrainingArguments

from modbench import MoDConfig, MoDModel, MoDTrainer, get_mod_model
from modbench.ensemble.sharding import whole
from modbench.training.encoding import Collator

BATCH, STEPS = 8, int(os.environ.get("STEPS", 3))


def build(dtype: torch.dtype) -> MoDModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=31, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, pad_token_id=0, tie_word_embeddings=False,
    )
    base = LlamaForCausalLM(config).to(dtype)
    lora = LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    mod = get_mod_model(get_peft_model(base, lora), MoDConfig(k=2, distill_weight=0.5))
    draw = torch.Generator().manual_seed(1)
    for parameter in mod.mixture.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=draw).to(parameter)
    return mod


def features() -> list[dict[str, list[int]]]:
    """Examples of unequal lengths, a few labels or many."""
    draw = torch.Generator().manual_seed(2)
    found = []
    for length in torch.randint(4, 14, (BATCH * STEPS,), generator=draw).tolist():
        ids = torch.randint(3, 31, (length,), generator=draw).tolist()
        unlabelled = int(torch.randint(1, length - 1, (), generator=draw))
        found.append({"input_ids": ids, "labels": [-100] * unlabelled + ids[unlabelled:]})
    return found


def train_with_trainer(mod: MoDModel, options: dict[str, Any], folder: str) -> list[float]:
    checkpoint = options.pop("resume", None)
    arguments = TrainingArguments(
        output_dir=folder, max_steps=STEPS, learning_rate=1e-2, optim="adamw_torch", logging_steps=1, report_to="none",
        use_cpu=True, disable_tqdm=True, remove_unused_columns=False, train_sampling_strategy="sequential",
        dataloader_pin_memory=False, **options,
    )  # fmt: skip
    if "fsdp" in options:
        # accelerate takes the plugin for accelerators only; its code below that runs on processors, too.
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    collator = Collator(SimpleNamespace(pad_token_id=0, eos_token_id=2))
    trainer = MoDTrainer(model=mod, args=arguments, train_dataset=features(), data_collator=collator)
    assert trainer.is_fsdp_enabled == ("fsdp" in options)
    trainer.train(resume_from_checkpoint=checkpoint)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main(how: str, out: Path, options: dict[str, Any]) -> None:
    mod = build(getattr(torch, options.pop("dtype", "float64")))
    folder = str(out.parent / f"{out.name}-checkpoints")
    if how.startswith("fsdp"):
        options["fsdp"] = True
    losses = train_with_trainer(mod, options, folder)
    with whole(mod):
        tensors = {name: p.detach().clone() for name, p in mod.named_parameters() if p.requires_grad}
    if int(os.environ.get("RANK", 0)) == 0:
        save_file(tensors, out, metadata={"losses": json.dumps(losses)})
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    pairs = (option.partition("=") for option in sys.argv[3:])
    main(sys.argv[1], Path(sys.argv[2]), {name: json.loads(value) for name, _, value in pairs})
