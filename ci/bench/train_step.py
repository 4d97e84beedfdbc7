"""A training step of the ensemble: time against `lora_all`, and time and peak memory against the straightforward way.

    python ci/bench/train_step.py --suite demo
    python ci/bench/train_step.py --suite smollm2-math --model SMOLLM2_FOLDER

On the suite's own batches. `step_ratio` is the time of `mod_k` over that of `lora_all` (the same label-only loss),
`flop_ratio` the same of their floating-point operations as torch counts them. The straightforward implementation keeps
all hidden states, forms the whole logits of every late layer in float32 and leaves the rest to autograd. Peak memory is
measured in a process of its own per side: beyond what the backbone's forward and backward pass take alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from ratios import measure, print_report, ratios, synchronize
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from modbench.checkpoints import resolve_model
from modbench.data.prompts import get_prompt
from modbench.methods import get_method
from modbench.suites import customized, load_suite
from modbench.training.assembly import assemble
from modbench.training.base import load_base
from modbench.training.cost import Cost
from modbench.training.encoding import Collator, encode_examples
from modbench.training.sources import training_set

SIDES = ("lora_all", "mod_k", "straightforward", "backbone", "lora_all_transformers")
Step = Callable[[dict[str, Any]], None]


class Flops(TorchDispatchMode):
    """Counts floating-point operations by torch's own formulas, in whichever pass they happen."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=output)
        return output


def straightforward_loss(mod: Any, batch: dict[str, Any]) -> Any:
    """The objective as one would write it first: hidden states of all layers, whole logits of every late layer."""
    labels, config = batch["labels"], mod.mod_config
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    output = mod.model(**inputs, output_hidden_states=True, logits_to_keep=1)
    states = [state.float() for state in output.hidden_states[-config.k :]]
    normed = [norm(state) for norm, state in zip(mod.mixture.norms, states, strict=False)] + [states[-1]]
    gates = mod.mixture.router(states[-1]).softmax(-1)
    head = mod.anatomy.head
    logits = [head(state.to(head.weight.dtype)).float() for state in normed]
    mixed = sum(gates[..., i : i + 1] * logits[i] for i in range(config.k))
    targets = labels[:, 1:]
    keep = targets != -100
    task = F.cross_entropy(mixed[:, :-1].reshape(-1, mixed.shape[-1]), targets.reshape(-1), ignore_index=-100)
    teacher = logits[-1].detach().log_softmax(-1)
    distill = sum(
        F.kl_div(teacher, student.log_softmax(-1), reduction="none", log_target=True).sum(-1)[:, :-1][keep].mean()
        for student in logits[:-1]
    )
    return task + config.distill_weight * distill


def make_step(side: str, options: argparse.Namespace, suite: Any) -> tuple[Step, Any]:
    """The step of a side: forward, backward, gradients dropped; and the model that it trains."""
    folder = resolve_model(suite.model, suite.revision)
    model, tokenizer = load_base(folder, suite.dtype, "bench")
    if torch.cuda.is_available():
        model = model.cuda()
    method = get_method("lora_all" if side.startswith("lora_all") else "mod_k")
    mod = assemble(model, method, suite.recipe, 0).train()

    if side == "straightforward":
        mod.remove_hooks()

    def loss(batch: dict[str, Any]) -> Any:
        if side == "straightforward":
            return straightforward_loss(mod, batch)
        if side == "lora_all_transformers":
            return mod.model(**batch).loss
        if side == "backbone":
            inputs = {name: value for name, value in batch.items() if name != "labels"}
            states, normed = mod.late_states(**inputs)
            return sum(state.float().mean() for state in (*states, normed))
        return mod(**batch).loss

    def step(batch: dict[str, Any]) -> None:
        loss(batch).backward()
        mod.zero_grad(set_to_none=True)

    return step, tokenizer


def batches(tokenizer: Any, suite: Any, count: int) -> list[dict[str, Any]]:
    """The first `count` batches of the suite's training data."""
    examples = training_set(suite.training).examples
    encoded = encode_examples(tokenizer, get_prompt(suite.prompt), examples, suite.recipe.max_length)
    size, collate = suite.recipe.batch_size, Collator(tokenizer)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return [
        {name: value.to(device) for name, value in collate(encoded.features[i * size : (i + 1) * size]).items()}
        for i in range(count)
    ]


def peak_memory(side: str, options: argparse.Namespace, suite: Any) -> int | None:
    """Peak bytes of a process in the second of two steps of one side, the first having warmed it up."""
    step, tokenizer = make_step(side, options, suite)
    (batch,) = batches(tokenizer, suite, 1)
    step(batch)
    with Cost() as cost:
        step(batch)
        synchronize()
    return cost.peak_memory_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--model", help="another base model: a folder or a hub id")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--peak-of", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    suite = customized(load_suite(options.suite), model=options.model)
    if options.peak_of:
        print(json.dumps(peak_memory(options.peak_of, options, suite)))
        return
    command = [sys.executable, *sys.argv]
    peaks = {
        side: json.loads(subprocess.run([*command, "--peak-of", side], check=True, capture_output=True).stdout)
        for side in SIDES
    }
    steps, flops, data = {}, {}, []
    for side in ("lora_all", "mod_k", "straightforward"):
        steps[side], tokenizer = make_step(side, options, suite)
        data = data or batches(tokenizer, suite, options.rounds + 2)
        with Flops() as counter:
            steps[side](data[0])
        flops[side] = counter.total
    turn = {side: iter(data[1:]) for side in steps}
    seconds = measure({side: lambda s=side: steps[s](next(turn[s])) for side in steps}, options.rounds)
    speed = ratios(seconds, "lora_all")
    step_ratio, flop_ratio = 1 / speed["mod_k"]["speed"], flops["mod_k"] / flops["lora_all"]
    beyond = {side: peaks[side] - peaks["backbone"] if peaks[side] else None for side in SIDES}
    print_report(
        suite=suite.name,
        model=suite.model,
        dtype=suite.dtype,
        speed_to_lora_all=speed,
        flops=flops,
        step_ratio=step_ratio,
        flop_ratio=flop_ratio,
        step_over_flops=step_ratio / flop_ratio,
        faster_than_straightforward=speed["mod_k"]["speed"] / speed["straightforward"]["speed"],
        peak_bytes=peaks,
        peak_beyond_backbone=beyond,
    )


if __name__ == "__main__":
    main()
