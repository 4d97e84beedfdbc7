"""Tokens per second of greedy decoding with the ensemble, against the same model without it.

    python ci/bench/decode.py --model demo
    python ci/bench/decode.py --model SMOLLM2_FOLDER --dtype bfloat16 --batch 1 --batch 16

Prints, per batch size, the speed relative to the plain model (median over rounds, quartiles) of dense and Top-K
routing and, beside them, of the straightforward implementation: all hidden states kept, one head pass per late layer,
which is what the paper's figures cost. `acceleration` is ours over the straightforward one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from ratios import measure, print_report, ratios
from transformers import AutoModelForCausalLM

from modbench import MoDConfig, get_mod_model
from modbench.checkpoints import resolve_model


def straightforward(model: Any, mod: Any) -> None:
    """Makes `model` compute the ensemble of `mod` with a head pass per late layer, as one would write it first."""
    plain, k, mixture = model.forward, mod.mod_config.k, mod.mixture
    dtype = next(model.parameters()).dtype

    def forward(*args: Any, **kwargs: Any) -> Any:
        kwargs["output_hidden_states"] = True
        output = plain(*args, **kwargs)
        last = output.hidden_states[-1][:, -1:]
        gates = mixture.router(last.float()).softmax(-1)
        states = [state[:, -1:].float() for state in output.hidden_states[-k:-1]]
        normed = [norm(state) for norm, state in zip(mixture.norms, states, strict=True)]
        logits = [*(model.lm_head(state.to(dtype)) for state in normed), output.logits[:, -1:]]
        output.logits = sum(gates[..., i : i + 1] * logits[i] for i in range(k))
        return output

    model.forward = forward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--prompt", type=int, default=32, help="prompt tokens")
    parser.add_argument("--tokens", type=int, default=48, help="new tokens")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--k", type=int, default=3)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = resolve_model(options.model)
    # One model for all sides: copies of the weights lie elsewhere in memory, which alone can make them slower.
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, options.dtype)).to(device).eval()
    config = MoDConfig(k=options.k, router_init="normal")
    mod = get_mod_model(base, config, adapter_name="dense").eval()
    mod.add_adapter("top_k", config.replace(top_k=min(2, options.k)))

    @contextmanager
    def as_side(side: str) -> Iterator[None]:
        mod.set_adapter("top_k" if side == "top_k" else "dense")
        if side in ("plain", "straightforward"):
            mod.remove_hooks()
        if side == "straightforward":
            straightforward(base, mod)
        try:
            yield
        finally:
            base.__dict__.pop("forward", None)

    report = {}
    for batch in options.batch or [1, 16]:
        ids = torch.randint(5, base.config.vocab_size, (batch, options.prompt), device=device)
        settings = {"max_new_tokens": options.tokens, "min_new_tokens": options.tokens, "do_sample": False}

        def run(side: str, ids: Any = ids, settings: Any = settings) -> None:
            with as_side(side), torch.inference_mode():
                base.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **settings)

        sides = ("plain", "dense", "top_k", "straightforward")
        seconds = measure({side: lambda s=side: run(s) for side in sides}, options.rounds)
        found: dict[str, Any] = ratios(seconds, "plain")
        for name in found:
            found[name]["tokens_per_second"] = batch * options.tokens / found[name]["seconds"]
        found["acceleration"] = found["dense"]["speed"] / found["straightforward"]["speed"]
        report[f"batch {batch}"] = found
    print_report(model=options.model, dtype=options.dtype, k=options.k, tokens=options.tokens, decode=report)


if __name__ == "__main__":
    main()
