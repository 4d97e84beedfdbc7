"""The checks of gpu_check.py that measure: decoding, training, and losses that never hold the whole logits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from gpu_tools import Found, Setup, check, near
from ratios import measure, ratios
from torch import Tensor
from torch.nn import functional as F

from modbench.ensemble.losses import objective


def script(name: str, *options: str) -> Found:
    """The report of one of the scripts beside this one."""
    command = [sys.executable, str(Path(__file__).with_name(name)), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{name}: {done.stderr[-1500:]}"
    return json.loads(done.stdout)


@check(cuda_only=True)
def decode(setup: Setup) -> Found:
    """decode.py in bfloat16: the ensemble's tokens per second, relative to the plain model's."""
    return script("decode.py", "--model", setup.model, "--dtype", "bfloat16", "--k", str(setup.k))


@check(cuda_only=True)
def train_step(setup: Setup) -> Found:
    """train_step.py: time against floating-point operations, time and peak memory against the straightforward way."""
    return script("train_step.py", "--suite", "demo", *([] if setup.model == "demo" else ["--model", setup.model]))


@check(cuda_only=True)
def fused_losses(setup: Setup) -> Found:
    """The task loss and its gradient at LLaMA-7B's sizes in bfloat16: ours, Liger-Kernel's, cut-cross-entropy's."""
    tokens, width, vocabulary = 4096, 4096, 32000
    generator = torch.Generator("cuda").manual_seed(0)
    weight = torch.randn(vocabulary, width, device="cuda", generator=generator).mul_(width**-0.5).bfloat16()
    states = torch.randn(tokens, width, device="cuda", generator=generator).bfloat16()
    labels = torch.randint(vocabulary, (tokens,), device="cuda", generator=generator)

    def ours(x: Tensor) -> Tensor:
        mixed = x.float()  # as the mixture gives it
        return objective(lambda s: F.linear(s.bfloat16(), weight), vocabulary, mixed, [mixed], labels, 0.0, True)[0]

    sides = {"plain": lambda x: F.cross_entropy(F.linear(x, weight).float(), labels, reduction="sum"), "ours": ours}
    absent = []
    try:
        from liger_kernel.transformers.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyLoss

        liger = LigerFusedLinearCrossEntropyLoss(reduction="sum")
        sides["liger_kernel"] = lambda x: liger(weight, x, labels)
    except ImportError:
        absent.append("liger_kernel")
    try:
        from cut_cross_entropy import linear_cross_entropy

        sides["cut_cross_entropy"] = lambda x: linear_cross_entropy(x, weight, labels, reduction="sum")
    except ImportError:
        absent.append("cut_cross_entropy")

    def run(loss: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.detach().requires_grad_()
        value = loss(x)
        return value.detach(), torch.autograd.grad(value, x)[0]

    exact = run(lambda x: F.cross_entropy(F.linear(x, weight.float()), labels, reduction="sum"), states.float())
    seconds = measure({name: lambda loss=loss: run(loss, states) for name, loss in sides.items()}, rounds=10, warmup=3)
    found: Found = ratios(seconds, "plain")
    for name, loss in sides.items():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        value, gradient = run(loss, states)
        found[name]["peak_bytes"] = torch.cuda.max_memory_allocated() - before
        found[name]["loss_error"] = near(value, exact[0], 0.01, f"loss of {name}")
        found[name]["gradient_error"] = near(gradient, exact[1], 0.1, f"gradient of {name}")
    return found | {"not_installed": absent}
