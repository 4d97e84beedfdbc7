"""Training of adapters: the same seed gives the same one, a cut training goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from modbench.demo.tokenizer import build_tokenizer
from modbench.methods import get_method
from modbench.suites import load_suite
from modbench.training.train import Job, train
from modbench.training.trainer import last_checkpoint

from ..ensemble.conftest import build_base

# The jobs below run in processes of their own, as a user's do: hash seeds differ, and one is killed.
SCRIPT = """
import sys
from pathlib import Path
from modbench.demo.examples import tuning_examples
from modbench.methods import get_method
from modbench.suites import load_suite
from modbench.training.train import Job, train
suite = load_suite("demo")
suite = suite.model_copy(update={"recipe": suite.recipe.model_copy(update={"epochs": 1, "batch_size": 4})})
folder = Path(sys.argv[1])
job = Job(suite, get_method("mod_k"), 0, Path(sys.argv[2]), "tiny", folder)
train(job, tuning_examples(160, 0))
"""


@pytest.fixture(scope="module")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer, model = build_tokenizer(), build_base(torch.float32)
    model.resize_token_embeddings(len(tokenizer))
    model.config.max_position_embeddings = 256
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def start(folder: Path, checkpoint: Path, hash_seed: int) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-c", SCRIPT, str(folder), str(checkpoint)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def adapter_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "adapter").iterdir())}


@pytest.mark.long
def test_the_same_seed_gives_the_same_adapter_and_a_killed_training_goes_on(tiny_checkpoint, tmp_path: Path) -> None:
    finish(start(tmp_path / "a", tiny_checkpoint, 1))
    finish(start(tmp_path / "b", tiny_checkpoint, 2))
    expected = adapter_bytes(tmp_path / "a")
    assert set(expected) >= {"adapter_model.safetensors", "mod_model.safetensors", "mod_config.json"}
    assert adapter_bytes(tmp_path / "b") == expected

    cut = start(tmp_path / "c", tiny_checkpoint, 3)
    deadline = time.monotonic() + 240
    while last_checkpoint(tmp_path / "c" / "checkpoints") is None:
        assert cut.poll() is None and time.monotonic() < deadline, "no checkpoint before the end"
        time.sleep(0.01)
    cut.send_signal(signal.SIGKILL)
    cut.wait()
    assert not (tmp_path / "c" / "adapter").exists()
    finish(start(tmp_path / "c", tiny_checkpoint, 4))
    assert adapter_bytes(tmp_path / "c") == expected


def test_a_finished_training_is_not_done_again(tiny_checkpoint, tmp_path: Path) -> None:
    suite = load_suite("demo")
    recipe = suite.recipe.model_copy(update={"epochs": 1, "batch_size": 8})
    job = Job(suite.model_copy(update={"recipe": recipe}), get_method("lora_all"), 0, tiny_checkpoint, "tiny", tmp_path)
    from modbench.demo.examples import tuning_examples

    first = train(job, tuning_examples(24, 0))
    stamp = (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    assert train(job, tuning_examples(24, 0)) == first
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == stamp
    assert first.training is not None and first.training.steps == 3 and first.training.cut_off == 0
