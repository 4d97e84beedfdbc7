"""Writes docs/architectures.md: what the ensemble finds in every text-only decoder that transformers has.

    python ci/architectures.py

The table is read off tiny random models; tests/ensemble/test_architectures.py checks the same models against the slow
reference, and that the committed page is what this prints.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from modbench import MoDConfig, get_mod_model  # noqa: E402
from modbench.ensemble.anatomy import Anatomy  # noqa: E402
from modbench.errors import ModbenchError  # noqa: E402
from tests.ensemble import zoo  # noqa: E402

PAGE = ROOT / "docs" / "architectures.md"

CACHED_OTHERWISE: dict[str, str] = {
    "minimax": "its cached linear attention computes in float32",
    "nemotron_h": "its cached state-space layers compute in float32",
    "rwkv": "its recurrent form is not its parallel one",
    "zamba2": "its cached state-space layers compute in float32",
}
"""The served types whose own logits, without any ensemble, differ with and without a cache, even in float64."""


@dataclass(frozen=True)
class Row:
    """What is said of one model type: `refusal` is empty where the ensemble serves it."""

    model_type: str
    class_name: str
    layers: str = ""
    norm: str = ""
    special: str = ""
    refusal: str = ""


@functools.cache
def row(model_type: str) -> Row:
    """What the ensemble finds in a tiny model of `model_type`."""
    model: Any = zoo.build(model_type)
    class_name = type(model).__name__
    try:
        mod = get_mod_model(model, MoDConfig(k=3))
    except ModbenchError as error:
        return Row(model_type, class_name, refusal=str(error))
    anatomy = mod.anatomy
    mod.unload()
    paths = {module: path for path, module in model.named_modules()}
    norm = "none" if anatomy.final_norm is None else paths[anatomy.final_norm]
    return Row(model_type, class_name, anatomy.layers_path, norm, "; ".join(special(model, anatomy)))


def special(model: Any, anatomy: Anatomy) -> list[str]:
    """What is not a norm, a head and nothing else between the last layer and the logits."""
    calls: dict[nn.Module, list[tuple[Any, Any]]] = {}
    watched = [anatomy.head, anatomy.decoder, *anatomy.layers, *([anatomy.final_norm] if anatomy.final_norm else [])]
    with torch.no_grad():
        ids = torch.arange(3, 9)[None]
        handles = [
            module.register_forward_hook(
                lambda module, args, output: calls.setdefault(module, []).append((args[0] if args else None, output))
            )
            for module in watched
        ]
        logits = model(input_ids=ids, use_cache=False).logits
        for handle in handles:
            handle.remove()
    found = []
    if anatomy.head.weight is model.get_input_embeddings().weight:
        found.append("tied head")
    if getattr(anatomy.head, "bias", None) is not None:
        found.append("head with a bias")
    if anatomy.final_norm is not None and not list(anatomy.final_norm.parameters()):
        found.append("norm without weights")
    if anatomy.before:
        found.append(f"several streams, collapsed by {type(anatomy.before[0]).__name__}")
    if anatomy.hidden_width != anatomy.normed_width:
        found.append("norm from one width to another")
    if anatomy.after:
        found.append("projection before the head")
    if any(layer not in calls for layer in anatomy.layers):
        found.append("layers that text skips")
    if len(calls[anatomy.layers[-1]]) > 1:
        found.append("layers and norm run in a loop")
    elif anatomy.final_norm in calls and len(calls[anatomy.final_norm]) > 1:
        found.append("norm runs on the embeddings too")
    into_head, from_head = calls[anatomy.head][-1]
    state = calls[anatomy.decoder][-1][1][anatomy.output_field]
    found += [f"{what} before the head" for what in _between(state, into_head, "states scaled", "a non-linear module")]
    found += _between(from_head, logits, "logits scaled", "logits soft-capped")
    return found


def _between(before: Tensor, after: Tensor, scaled: str, otherwise: str) -> list[str]:
    before, after = before.double().flatten(), after.double().flatten()
    factor = before @ after / (before @ before) if before.shape == after.shape else torch.tensor(1.0)
    if before.shape != after.shape or not torch.allclose(after, factor * before, rtol=1e-4, atol=1e-5):
        return [otherwise]
    return [] if abs(float(factor) - 1) < 1e-5 else [scaled]


def page() -> str:
    """The text of docs/architectures.md."""
    rows = [row(name) for name in zoo.decoder_types()]
    served, refused = [r for r in rows if not r.refusal], [r for r in rows if r.refusal]
    release = ".".join(transformers.__version__.split(".")[:2])
    lines = [
        "# Architectures",
        "",
        "<!-- Written by `python ci/architectures.py`: change that, not this. -->",
        "",
        f"transformers {release} maps {len(zoo.causal_model_types())} model types to causal language models. "
        f"{len(rows)} of them are text-only decoders that can be built tiny and run; the ensemble serves "
        f"{len(served)} of these, and refuses {len(refused)} with one error before anything is changed.",
        "",
        "Each of the served is checked in float64 against a slow reference (the model's own code, one pass per late "
        "layer): logits, per-layer logits, gates, loss terms, the gradients of norms and router, cached generation, "
        "dense and Top-K; after `unload()` the base gives its own logits bit for bit. The parts are found by "
        "structure, from one watched pass: the table is what was found, not what the code knows. Whether a head is "
        "tied is the default of the configuration class.",
        "",
        "## Served",
        "",
        "| model type | class | layers | final norm | special |",
        "|---|---|---|---|---|",
        *(f"| {r.model_type} | {r.class_name} | `{r.layers}` | {_code(r.norm)} | {r.special} |" for r in served),
        "",
        "Where logits are soft-capped, or a non-linear module stands in the head, the normed states are mixed before "
        "it, by definition; everywhere else this equals the mixture of the per-layer logits.",
        "",
        *(
            f"- {r.model_type}: checked in float32, since {zoo.FLOAT32_ONLY[r.model_type]}."
            for r in served
            if r.model_type in zoo.FLOAT32_ONLY
        ),
        *(
            f"- {name}: differs with and without a cache by itself, since {reason}; the ensemble follows it in both."
            for name, reason in CACHED_OTHERWISE.items()
        ),
        "",
        "## Refused",
        "",
        "| model type | class | error |",
        "|---|---|---|",
        *(f"| {r.model_type} | {r.class_name} | {r.refusal} |" for r in refused),
        "",
        "## No text-only decoders",
        "",
        "Not tested here. The text part of a model with image or speech inputs is in the first table where it has a "
        "type of its own; encoder-decoders and models without an output head are refused.",
        "",
        *(f"- {reason}: {', '.join(names)}" for reason, names in _by_reason().items()),
        "",
    ]
    return "\n".join(lines)


def _code(path: str) -> str:
    return path if path == "none" else f"`{path}`"


def _by_reason() -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for name, reason in zoo.EXCLUDED.items():
        reasons.setdefault(reason[0].upper() + reason[1:], []).append(name)
    return reasons


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
