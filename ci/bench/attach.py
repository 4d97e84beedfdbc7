"""Milliseconds that it takes to attach an ensemble, and to take it off, on a model without weights.

    python ci/bench/attach.py
    python ci/bench/attach.py --model Qwen/Qwen2.5-72B

The model is on the meta device and has the size of LLaMA-7B, or that of a folder's or hub repository's config. `plain`
is the causal LM by itself, `lora` the same inside a PeftModel with the paper's LoRA. Times are medians over rounds;
`processor` is processor time, which other jobs on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from ratios import print_report
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from modbench import MoDConfig, get_mod_model

TARGETS = ["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"]
LORA: dict[str, Any] = {"r": 32, "lora_alpha": 64, "target_modules": TARGETS}


def milliseconds(model: Any, k: int, rounds: int) -> dict[str, Any]:
    """Median and quartiles of attaching, the processor's share of it, and the median of taking off."""
    times: list[tuple[float, float, float]] = []
    for _ in range(rounds + 1):
        start, busy = time.perf_counter(), time.process_time()
        mod = get_mod_model(model, MoDConfig(k=k))
        attached, busy = time.perf_counter(), time.process_time() - busy
        mod.remove_hooks()
        times.append((attached - start, busy, time.perf_counter() - attached))
    attach, processor, take_off = ([1e3 * value for value in column] for column in zip(*times[1:], strict=True))
    low, median, high = statistics.quantiles(attach, n=4)
    return {
        "attach": median,
        "quartiles": [low, high],
        "processor": statistics.median(processor),
        "take_off": statistics.median(take_off),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder with a config.json or a hub id; the size of LLaMA-7B otherwise")
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    config = AutoConfig.from_pretrained(options.model) if options.model else LlamaConfig()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    size = sum(parameter.numel() for parameter in model.parameters())
    report = {"plain": milliseconds(model, options.k, options.rounds)}
    with torch.device("meta"):
        model = get_peft_model(model, LoraConfig(**LORA))
    report["lora"] = milliseconds(model, options.k, options.rounds)
    print_report(model=options.model or "LLaMA-7B", parameters=size, k=options.k, milliseconds=report)


if __name__ == "__main__":
    main()
