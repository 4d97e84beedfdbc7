"""Dropout is shared: methods of one seed drop the same inputs in the layers that they share."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from transformers import TrainingArguments

from modbench.methods import get_method
from modbench.training.assembly import assemble
from modbench.training.dropout import SharedMasks
from modbench.training.trainer import MoDTrainer

from ..ensemble.conftest import build_base
from .test_assembly import LORA, recipe

EXAMPLES = 24


def masks(name: str, folder: Path, accumulation: int = 1, seed: int = 5) -> dict[str, list[torch.Tensor]]:
    """Which inputs of each LoRA module were dropped, batch by batch, in a training of two epochs by method `name`."""
    lora = LORA.model_copy(update={"dropout": 0.3})
    mod = assemble(build_base(torch.float32), get_method(name), recipe().model_copy(update={"lora": lora}), seed)
    found: dict[str, list[torch.Tensor]] = defaultdict(list)

    def keep(module: str):
        def hook(dropout: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            found[module].append((output == 0) & (inputs[0] != 0))

        return hook

    for module, part in mod.model.named_modules():
        if isinstance(part, torch.nn.Dropout) and "lora_dropout" in module:
            part.register_forward_hook(keep(module))
    draw = torch.Generator().manual_seed(0)
    rows = [torch.randint(3, 31, (6,), generator=draw) for _ in range(EXAMPLES)]
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=2,
        per_device_train_batch_size=8 // accumulation,
        gradient_accumulation_steps=accumulation,
        seed=seed,
        data_seed=seed,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    trainer = MoDTrainer(model=mod, args=arguments, train_dataset=[{"input_ids": row, "labels": row} for row in rows])
    trainer.add_callback(SharedMasks)
    trainer.train()
    return found


@pytest.mark.parametrize("accumulation", [1, 4])
def test_shared_layers_drop_the_same_inputs_in_every_batch(accumulation: int, tmp_path: Path) -> None:
    wide = masks("lora_all", tmp_path, accumulation)
    batches = 2 * EXAMPLES // 8 * accumulation
    for name in ("lora_not_k", "lora_all_mod_k", "lora_exit_1"):
        narrow = masks(name, tmp_path, accumulation)
        assert narrow and set(narrow) <= set(wide)
        for module, dropped in narrow.items():
            assert len(dropped) == len(wide[module]) == batches
            assert all(map(torch.equal, dropped, wide[module])), (name, module)


def test_batches_layers_and_seeds_differ(tmp_path: Path) -> None:
    found, other = masks("lora_not_k", tmp_path), masks("lora_not_k", tmp_path, seed=6)
    for module, dropped in found.items():
        assert 0.2 < float(torch.cat(dropped).float().mean()) < 0.4
        assert not any(torch.equal(a, b) for a, b in itertools.pairwise(dropped))
        assert not any(map(torch.equal, dropped, other[module]))
    first, second = (found[module] for module in sorted(found) if "q_proj" in module)
    assert not any(map(torch.equal, first, second))
