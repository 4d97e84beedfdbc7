"""What the checks of gpu_check.py work with: their list, the bases and ensembles, and the ways to compare."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modbench import MoDConfig, MoDModel, get_mod_model
from modbench.checkpoints import resolve_model

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.02, "4bit": 0.05, "8bit": 0.05}
"""max|a - b| / max|b| between two ways to compute the same in that precision."""

Found = dict[str, Any]


class Skip(Exception):
    """Why a check cannot be made here."""


@dataclass(frozen=True)
class Check:
    """A check, the packages that it needs, and whether it needs a GPU even in a rehearsal on the CPU."""

    run: Callable[[Setup], Found]
    packages: tuple[str, ...]
    cuda_only: bool


CHECKS: dict[str, Check] = {}


def check(*packages: str, cuda_only: bool = False) -> Callable[[Any], Any]:
    """Adds a function to the list: it raises where something does not hold, and returns what it found."""

    def register(run: Callable[[Setup], Found]) -> Callable[[Setup], Found]:
        CHECKS[run.__name__] = Check(run, packages, cuda_only)
        return run

    return register


def missing(wanted: Check, device: str) -> str | None:
    """What a check lacks on this machine."""
    if (device == "cuda" or wanted.cuda_only) and not torch.cuda.is_available():
        return "needs a GPU: torch.cuda.is_available() is false"
    absent = [package for package in wanted.packages if importlib.util.find_spec(package) is None]
    return f"needs {', '.join(absent)}, not installed here" if absent else None


# What the checks work on --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setup:
    """The model that is checked, where, and with how many late layers."""

    model: str
    device: str
    k: int

    def load(self, way: str = "float32", **options: Any) -> Any:
        """The base in a precision, on the device unless `options` place it; `4bit` and `8bit` are ready to train on."""
        from peft import prepare_model_for_kbit_training
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig

        dtype = getattr(torch, way) if way not in ("4bit", "8bit") else torch.bfloat16
        if way == "4bit":
            options["quantization_config"] = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=dtype)
        if way == "8bit":
            options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
        options = {"device_map": {"": self.device}} | options
        base = AutoModelForCausalLM.from_pretrained(resolve_model(self.model), dtype=dtype, **options).eval()
        if way in ("4bit", "8bit"):
            base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
        return base

    def ensemble(self, base: Any, lora: bool = True) -> MoDModel:
        """`base` with random LoRA on all its linear layers, norms and router: the same for every load of a base."""
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(0)
        if lora:
            base = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear"))
        mod = get_mod_model(base, MoDConfig(k=self.k, distill_weight=0.1)).eval()
        generator = torch.Generator().manual_seed(7)
        for name, parameter in mod.named_parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator)
                size = 0.01 if "lora_" in name else 0.1
                parameter.data += size * noise.to(parameter)
        return mod

    def batch(self, vocabulary: int, rows: int = 4, length: int = 48) -> dict[str, Tensor]:
        ids = torch.randint(5, vocabulary, (rows, length), generator=torch.Generator().manual_seed(1))
        labels = ids.clone()
        labels[:, : length // 4] = -100
        return {name: tensor.to(self.device) for name, tensor in (("input_ids", ids), ("labels", labels))}


def near(a: Tensor, b: Tensor, tolerance: float, what: str) -> float:
    """max|a - b| / max|b|; AssertionError above the tolerance or where one is not finite."""
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    error = float((a - b).abs().max() / b.abs().max().clamp(min=1e-30))
    assert error <= tolerance, f"{what}: off by {error:.2e}, more than {tolerance:.0e}"
    return error


@torch.no_grad()
def slow_logits(mod: MoDModel, ids: Tensor) -> Tensor:
    """The ensemble's logits with a head pass per late layer, in float32."""
    anatomy, mixture, found = mod.anatomy, mod.mixture, {}
    if anatomy.final_norm is None or anatomy.before or anatomy.after or not anatomy.logits_are_the_heads:
        raise Skip(f"the reference does not know what {mod.anatomy.causal_lm.config.model_type} does around its head")

    def keep(place: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            found[place] = (output if isinstance(output, Tensor) else output[0]).float()

        return hook

    modules = [*anatomy.layers[-mod.mod_config.k : -1], anatomy.final_norm]
    hooks = [module.register_forward_hook(keep(place)) for place, module in enumerate(modules)]
    mod.model(ids)
    for hook in hooks:
        hook.remove()
    last = found.pop(len(modules) - 1)
    normed = [norm(found[place].to(last.device)) for place, norm in enumerate(mixture.norms)] + [last]
    gates = F.linear(last, mixture.router.weight).softmax(-1)
    head = anatomy.causal_lm.get_output_embeddings()
    logits = [head(state.to(head.weight.dtype)).float() for state in normed]
    return sum(gates[..., i : i + 1].to(part.device) * part for i, part in enumerate(logits))


def gradients(mod: MoDModel, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and every trained parameter's gradient; AssertionError if one is missing or not finite."""
    mod.zero_grad()
    loss = mod.train()(**batch).loss
    loss.backward()
    mod.eval()
    trained = {name: parameter for name, parameter in mod.named_parameters() if parameter.requires_grad}
    for name, parameter in trained.items():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), f"no finite gradient for {name}"
    return loss.detach(), {name: parameter.grad.clone() for name, parameter in trained.items()}


def same_gradients(a: dict[str, Tensor], b: dict[str, Tensor], tolerance: float) -> float:
    assert a.keys() == b.keys()
    return max(near(a[name], b[name], tolerance, f"gradient of {name}") for name in a)


def train(mod: MoDModel, batch: dict[str, Tensor], steps: int = 8, **options: Any) -> list[float]:
    """Losses of AdamW steps on one batch; AssertionError unless they fall."""
    scaler = torch.amp.GradScaler(batch["labels"].device.type, enabled=options.get("scale", False))
    optimizer = torch.optim.AdamW([p for p in mod.parameters() if p.requires_grad], lr=1e-3)
    mod.train()
    losses = []
    for _ in range(steps):
        with torch.autocast(batch["labels"].device.type, options.get("autocast"), enabled="autocast" in options):
            loss = mod(**batch).loss
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        losses.append(float(loss))
    mod.eval()
    assert all(loss == loss for loss in losses) and losses[-1] < losses[0], f"the loss does not fall: {losses}"
    return losses
