"""Two processes train what one does: DDP and FSDP, with MoDTrainer and with a plain loop (see distributed.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from modbench import MoDModel

from .distributed import JOBS, run
from .tiny import build, collate, difference, features

ROOT = Path(__file__).parents[2]
TOGETHER = [job for job in JOBS if not job.startswith("alone")]


def read(folder: Path, job: str) -> tuple[dict[str, torch.Tensor], list[float]]:
    with safe_open(folder / f"{job}.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["losses"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process and what two processes made of each job."""
    folder = tmp_path_factory.mktemp("distributed")
    for job in set(JOBS) - set(TOGETHER):
        run(job, folder)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*launch, "-m", "tests.training.distributed", str(folder), *TOGETHER],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.mark.long
@pytest.mark.parametrize("job", TOGETHER)
def test_two_processes_do_what_one_does(folder: Path, job: str) -> None:
    tensors, losses = read(folder, job)
    expected, expected_losses = read(folder, f"alone_{'loop' if job.endswith('loop') else 'trainer'}")
    assert len(expected_losses) == 3 and losses == pytest.approx(expected_losses, rel=1e-6)
    assert difference(tensors, expected) < 1e-10


@pytest.mark.long
def test_a_training_resumed_under_fsdp_ends_where_the_uninterrupted_one_does(folder: Path) -> None:
    assert difference(read(folder, "fsdp_resumed")[0], read(folder, "fsdp_trainer")[0]) == 0


@pytest.mark.long
@pytest.mark.parametrize("job", ["ddp_trainer", "fsdp_trainer"])
def test_checkpoints_of_two_processes_are_adapters(folder: Path, job: str) -> None:
    checkpoint = folder / job / "checkpoint-3"
    trained, _ = read(folder, job)
    mod = MoDModel.from_pretrained(build(lora=False).unload(), checkpoint)
    loaded = dict(mod.named_parameters())
    assert all(torch.equal(loaded[name], tensor) for name, tensor in trained.items())
    assert torch.isfinite(mod(**collate(features(3))).loss)
    states = torch.load(checkpoint / "pytorch_model_fsdp.bin", weights_only=True) if job == "fsdp_trainer" else trained
    assert states.keys() == trained.keys()
