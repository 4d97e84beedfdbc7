"""Adapters of random weights on the embedded model, the slow way to what a model with one says, and made-up data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from modbench import MoDConfig, get_mod_model, resources
from modbench.checkpoints import DEMO
from modbench.training.base import load_base

from ..made_up import pin, problem_sets, training_sets
from .task_sets import manager_with

K = 3


def random_lora() -> tuple[Any, torch.Generator]:
    """The embedded model in a PeftModel whose LoRA is far from its usual start, and the generator for more draws."""
    torch.manual_seed(0)
    base, _ = load_base(resources.folder("demo"), "float32", DEMO)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"]))
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.5 * torch.randn(parameter.shape, generator=generator)
    return model, generator


@pytest.fixture(scope="session")
def peft_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that PEFT itself wrote."""
    folder = tmp_path_factory.mktemp("adapters") / "plain-peft"
    model, _ = random_lora()
    model.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


@pytest.fixture(scope="session")
def mod_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter with LoRA, random norms and a random router."""
    folder = tmp_path_factory.mktemp("adapters") / "random-mod"
    model, generator = random_lora()
    mod = get_mod_model(model, MoDConfig(k=K))
    for parameter in mod.mixture.parameters():
        parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator)
    mod.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Reference:
    """The model in plain loops: batch 1, no cache, nothing of ours; `mixture` is None for a plain adapter."""

    tokenizer: Any
    model: Any
    mixture: dict[str, torch.Tensor] | None

    @torch.no_grad()
    def log_probabilities(self, ids: list[int]) -> torch.Tensor:
        """Of the next token at each position: (seq, vocab)."""
        output = self.model(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=False)
        if self.mixture is None:
            return output.logits[0].log_softmax(-1)
        *earlier, last = (state[0] for state in output.hidden_states[-K:])  # the last has been through the final norm
        head = self.model.get_output_embeddings()
        gates = (last @ self.mixture["router.weight"].T).softmax(-1)
        epsilon = self.model.config.rms_norm_eps
        normed = [
            state * (state.square().mean(-1, keepdim=True) + epsilon).rsqrt() * self.mixture[f"norms.{i}.weight"]
            for i, state in enumerate(earlier)
        ]
        logits = sum(gates[:, i : i + 1] * head(state) for i, state in enumerate([*normed, last]))
        assert isinstance(logits, torch.Tensor)
        return logits.log_softmax(-1)

    def loglikelihood(self, context: str, continuation: str) -> tuple[float, bool]:
        """Log-probability of `continuation`, in nats, and whether it is what greedy decoding says."""
        ids = self.tokenizer(context + continuation).input_ids
        start = len(self.tokenizer(context).input_ids)
        logs = self.log_probabilities(ids)
        pairs = [(position - 1, ids[position]) for position in range(start, len(ids))]
        greedy = all(int(logs[position].argmax()) == token for position, token in pairs)
        return sum(float(logs[position, token]) for position, token in pairs), greedy

    def generate(self, context: str, stop: str, most: int) -> str:
        """Greedy decoding of at most `most` tokens, up to `stop`."""
        ids = self.tokenizer(context).input_ids
        said: list[int] = []
        while len(said) < most and stop not in self.tokenizer.decode(said):
            token = int(self.log_probabilities(ids + said)[-1].argmax())
            if token == self.tokenizer.eos_token_id:
                break
            said.append(token)
        return str(self.tokenizer.decode(said, skip_special_tokens=True)).split(stop)[0]


@pytest.fixture(scope="session")
def reference() -> Callable[[Path | None], Reference]:
    """The embedded model in float32 with the adapter of a folder (None: without), loaded by transformers and PEFT."""

    def load(adapter: Path | None) -> Reference:
        folder = resources.folder("demo")
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        mixture = None
        if adapter is not None:
            model = PeftModel.from_pretrained(model, str(adapter)).eval()
            weights = adapter / "mod_model.safetensors"
            mixture = load_file(weights) if weights.exists() else None
        return Reference(AutoTokenizer.from_pretrained(folder), model.eval(), mixture)

    return load


@pytest.fixture(scope="session")
def manager() -> Any:
    """The harness's, with our tasks only."""
    return manager_with()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of made-up files in the place of the public ones."""
    pin(tmp_path, problem_sets() | training_sets(), monkeypatch)
    return tmp_path
