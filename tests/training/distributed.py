"""Trains a tiny ensemble, alone or as one of several processes: `python -m tests.training.distributed FOLDER JOB ...`.

Each job writes its losses and trained tensors to `FOLDER/JOB.safetensors`. test_distributed.py launches it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from safetensors.torch import save_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from modbench import MoDModel, MoDTrainer
from modbench.ensemble.sharding import whole

from .tiny import arguments, build, collate, features, trained

BATCH, STEPS = 8, 3


def with_trainer(mod: MoDModel, folder: Path, resume: str | None = None, **options: Any) -> list[float]:
    """The losses of MoDTrainer's steps, each on BATCH examples."""
    AcceleratorState._reset_state()
    processes = dist.get_world_size() if dist.is_initialized() else 1
    args = arguments(
        folder,
        max_steps=STEPS,
        save_steps=1,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=BATCH // 2 // processes,
        **options,
    )
    if "fsdp" in options:
        # accelerate takes FSDP for accelerators only: without this it would use DDP. All else is its own code.
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    trainer = MoDTrainer(model=mod, args=args, train_dataset=features(BATCH * STEPS), data_collator=collate)
    assert trainer.is_fsdp_enabled == ("fsdp" in options)
    trainer.train(resume_from_checkpoint=resume)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def by_hand(mod: MoDModel, wrap: Callable[[MoDModel], Any]) -> list[float]:
    """The losses of the steps of a plain loop, each on BATCH examples, every process on its part of them."""
    rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    model = wrap(mod).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.0)
    rows, losses = features(BATCH * STEPS), []
    for start in range(0, len(rows), BATCH):
        batch = collate(rows[start : start + BATCH][rank::processes])
        tokens = (batch["labels"][:, 1:] != -100).sum()
        if processes > 1:
            dist.all_reduce(tokens)
        # Both wrappers average gradients over the processes; the objective is a mean over the tokens of all.
        loss = model(**batch, num_items_in_batch=tokens).loss * processes
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        mean = loss.detach() / processes
        if processes > 1:
            dist.all_reduce(mean)
        losses.append(float(mean))
    return losses


def shard(mod: MoDModel) -> MoDModel:
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for layer in mod.anatomy.layers:
        fully_shard(layer, mesh=mesh)
    return fully_shard(mod, mesh=mesh)


JOBS: dict[str, Callable[[MoDModel, Path], list[float]]] = {
    "alone_loop": lambda mod, folder: by_hand(mod, lambda mod: mod),
    "ddp_loop": lambda mod, folder: by_hand(mod, DistributedDataParallel),
    "fsdp_loop": lambda mod, folder: by_hand(mod, shard),
    "alone_trainer": with_trainer,
    "ddp_trainer": with_trainer,
    "ddp_reentrant": lambda mod, folder: with_trainer(
        mod, folder, activation_checkpointing=True, activation_checkpointing_kwargs={"use_reentrant": True}
    ),
    "fsdp_trainer": lambda mod, folder: with_trainer(mod, folder, fsdp=True),
    "fsdp_resumed": lambda mod, folder: with_trainer(
        mod, folder, fsdp=True, resume=str(folder.parent / "fsdp_trainer" / "checkpoint-1")
    ),
}


def run(job: str, folder: Path) -> None:
    """Does one job; the trained tensors that it writes are whole."""
    mod = build()
    losses = JOBS[job](mod, folder / job)
    assert all(isinstance(p.data, DTensor) == job.startswith("fsdp") for p in mod.parameters())
    with whole(mod):
        tensors = trained(mod)
    if not dist.is_initialized() or dist.get_rank() == 0:
        save_file(tensors, folder / f"{job}.safetensors", metadata={"losses": json.dumps(losses)})


if __name__ == "__main__":
    dist.init_process_group("gloo")
    for name in sys.argv[2:]:
        run(name, Path(sys.argv[1]))
    dist.destroy_process_group()
