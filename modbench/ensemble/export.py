"""Collapse and export: a tuned model as a plain Hugging Face folder, which loads without modbench.

A PEFT adapter is merged into the weights. The ensemble goes beside them as a small model file that
`AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)` runs: modbench/ensemble/remote/modeling_mod.py,
with the base's own classes in place of the two that it imports.
"""

from __future__ import annotations

import copy
import importlib.util
import math
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn

from modbench.ensemble.anatomy import Anatomy, causal_lm
from modbench.ensemble.config import LAST_OFFSET
from modbench.ensemble.merged import merged_state
from modbench.ensemble.mixture import Mixture
from modbench.ensemble.model import MoDModel
from modbench.ensemble.rollback import evaluating
from modbench.errors import ModbenchError, reason

TEMPLATE = Path(__file__).parent / "remote" / "modeling_mod.py"
TOLERANCE = 1e-4
"""What rounding in float32 may change in the logits, relative to the largest of them."""
ANSWER_TOKENS = 48


@dataclass(frozen=True)
class Export:
    """What was written, and how it compares with the model in memory."""

    ensemble: bool
    """Whether it takes `trust_remote_code=True`; without an ensemble it is one of transformers' own models."""
    difference: float
    """max|a - b| / max|b| over the logits of a random batch: the folder, loaded again, against the model in memory."""
    changed: float | None
    """The share of the prompts with another greedy answer from the folder; None without prompts."""


def export(
    mod: nn.Module,
    folder: str | Path,
    tokenizer: Any = None,
    dtype: torch.dtype = torch.float32,
    prompts: Sequence[str] = (),
) -> Export:
    """Writes `mod`, a MoDModel or a PeftModel, into a new `folder` that transformers alone can load.

    The adapter is merged in float32; weights are stored in `dtype`, norms and router of the ensemble in float32.
    `mod` stays as it is. What was written is loaded again and compared with it on a random batch, and on `prompts`
    (which take the tokenizer). Raises ModbenchError, and leaves no folder, if `folder` holds something already, if
    the adapter cannot be merged, if the base is none of transformers' own classes, or if the logits differ.
    """
    folder = Path(folder)
    check_new(folder)
    if prompts and tokenizer is None:
        raise ModbenchError("answers to prompts take a tokenizer: give one")
    model = mod.model if isinstance(mod, MoDModel) else mod
    base: Any = causal_lm(model)
    state = merged_state(model)
    settings = None
    if isinstance(mod, MoDModel) and (mixture := mod.active_mixture) is not None and mixture.mixes:
        settings = _settings(mixture, mod.anatomy)
        state |= {f"mod.{name}": tensor for name, tensor in mixture.state_dict().items()}
    with evaluating(mod), _new_folder(folder) as temporary:
        ids, mask = _random_batch(base)
        reference = _logits(mod, ids, mask)
        kind, config = _class_and_config(base, settings, temporary)
        if any(not _same(state[a], state[b]) for a, b in base.all_tied_weights_keys.items()):
            config.tie_word_embeddings = False  # the adapter changed one of the two
        plain = _load(kind, base, None, config=config, state_dict=state, dtype=torch.float32)
        _compare(_logits(plain, ids, mask), reference, exact=base.dtype in (torch.float32, torch.float64))
        if dtype != torch.float32:
            plain = _load(kind, base, None, config=config, state_dict=state, dtype=dtype)
        plain.generation_config = copy.deepcopy(base.generation_config)
        try:
            plain.save_pretrained(temporary)
        except (SafetensorError, ValueError) as error:  # no space left; a generation config that contradicts itself
            raise ModbenchError(f"cannot write {folder}: {reason(error)}") from None
        if tokenizer is not None:
            tokenizer.save_pretrained(temporary)
        del plain
        written = _load(kind, base, temporary, dtype=dtype)
        same_precision = {base.dtype, dtype} <= {torch.float32, torch.float64}
        difference = _compare(_logits(written, ids, mask), reference, exact=same_precision)
        changed = _changed(written, mod, tokenizer, prompts) if prompts else None
    return Export(settings is not None, difference, changed)


def check_new(folder: Path) -> None:
    """ModbenchError unless `folder` can be written without overwriting anything: it is absent or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ModbenchError(f"{folder} exists and is not an empty folder: name a new one, nothing is overwritten")


def _settings(mixture: Mixture, anatomy: Anatomy) -> dict[str, Any]:
    """What the model file has to know of the ensemble; the docstring of its config says what each entry means."""
    names = {module: name for name, module in anatomy.causal_lm.named_modules()}
    return {
        "k": mixture.config.k,
        "norms": len(mixture.norms) or mixture.config.k - 1,
        "router": mixture.config.router,
        "router_input": mixture.config.router_input,
        "width": None if mixture.router is None else mixture.router.in_features,
        "last_offset": LAST_OFFSET if mixture.config.router_init == "last" else 0.0,
        "top_k": mixture.config.top_k,
        "layers": anatomy.layers_path,
        "before": [names[module] for module in anatomy.before],
        "norm": None if anatomy.final_norm is None else names[anatomy.final_norm],
        "after": [names[module] for module in anatomy.after],
        "decoder": names[anatomy.decoder],
        "output_field": anatomy.output_field,
    }


def _class_and_config(base: Any, settings: dict[str, Any] | None, folder: Path) -> tuple[Any, Any]:
    """The class of the written model and its config; with an ensemble the class is that of the file put in `folder`."""
    if settings is None:
        config = copy.deepcopy(base.config)
        if hasattr(config, "quantization_config"):
            del config.quantization_config  # that of weights which were unpacked at loading
        return type(base), config
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, kind in (("LlamaForCausalLM", type(base)), ("LlamaConfig", type(base.config))):
        if getattr(transformers, kind.__name__, None) is not kind:
            raise ModbenchError(f"{kind.__name__} is no class of transformers: the model file could not import it")
        text = text.replace(name, kind.__name__)
    file = folder / TEMPLATE.name
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # The names keep the base's own: transformers' generation looks for "mamba" and the like in them.
    names = {"AutoConfig": f"MoD{type(base.config).__name__}", "AutoModelForCausalLM": f"MoD{type(base).__name__}"}
    own = {"architectures", "auto_map", "dtype", "model_type", "quantization_config", "transformers_version"}
    fields = {name: value for name, value in base.config.to_dict().items() if name not in own}
    fields["auto_map"] = {auto: f"{file.stem}.{name}" for auto, name in names.items()}
    config = getattr(module, names["AutoConfig"])(**fields, mod=settings)
    return getattr(module, names["AutoModelForCausalLM"]), config


def _load(kind: Any, base: Any, source: Path | None, **arguments: Any) -> Any:
    """The model by transformers' own way of loading; ModbenchError unless each weight finds its place."""
    attention = base.config._attn_implementation
    if attention in ("eager", "sdpa"):  # the others want a GPU
        arguments["attn_implementation"] = attention
    try:
        model, report = kind.from_pretrained(source, output_loading_info=True, **arguments)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModbenchError(f"{type(base).__name__} cannot be exported: {reason(error)}") from None
    wrong = ", ".join(f"{what}: {sorted(map(str, names))[0]}" for what, names in report.items() if names)
    if wrong:
        raise ModbenchError(f"{type(base).__name__} cannot be exported: its weights do not load again ({wrong})")
    return model


def _same(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() == b.data_ptr() or torch.equal(a, b)


def _random_batch(base: Any) -> tuple[Tensor, Tensor]:
    """Two rows of random tokens, the second padded on the left, and their attention mask."""
    vocabulary = base.config.get_text_config().vocab_size
    ids = torch.randint(vocabulary, (2, 16), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, :5] = 0
    return ids, mask


@torch.no_grad()
def _logits(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """The logits at all positions that are no padding, on the CPU: (tokens, vocabulary)."""
    device = next(model.parameters()).device
    logits = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
    return logits.cpu()[mask.bool()].double()


def _compare(found: Tensor, expected: Tensor, exact: bool) -> float:
    """max|a - b| / max|b|; ModbenchError if it is not finite or, where it is to be `exact`, more than rounding."""
    if not expected.isfinite().all():
        raise ModbenchError("the model in memory gives logits that are not finite: look for NaN in its weights")
    difference = float((found - expected).abs().max() / expected.abs().max())
    if not math.isfinite(difference):
        raise ModbenchError("the exported model overflows: take bfloat16 or float32")
    if exact and difference > TOLERANCE:
        raise ModbenchError(f"the exported model gives other logits than the one in memory (by {difference:.1e})")
    return difference


def _changed(written: Any, mod: Any, tokenizer: Any, prompts: Sequence[str]) -> float:
    """The share of `prompts` that the two models answer differently in greedy decoding."""
    return sum(_answer(written, tokenizer, p) != _answer(mod, tokenizer, p) for p in prompts) / len(prompts)


def _answer(model: Any, tokenizer: Any, prompt: str) -> list[int]:
    batch = tokenizer(prompt, return_tensors="pt").to(next(model.parameters()).device)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    output = model.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=ANSWER_TOKENS)
    answer: list[int] = output[0, batch["input_ids"].shape[1] :].tolist()
    return answer


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yields a folder beside `folder`, which takes its name at the end of the block, or goes if the block raises."""
    folder = folder.resolve()
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
