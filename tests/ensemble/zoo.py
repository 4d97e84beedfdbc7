"""A tiny random model of every text-only decoder among the causal LMs of transformers, built from its config class."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from .zoo_configs import OVERRIDES, RECIPE

_NO_DECODERS = {
    "the decoder half of an encoder-decoder": "bart bigbird_pegasus blenderbot blenderbot-small marian mbart mvp "
    "pegasus plbart prophetnet trocr whisper",
    "a masked-language encoder with a causal switch": "bert bert-generation big_bird camembert data2vec-text electra "
    "ernie megatron-bert rembert roberta roberta-prelayernorm roc_bert roformer xlm xlm-roberta xlm-roberta-xl xmod",
    "a permutation language model, bidirectional unless given a permutation mask": "xlnet",
    "a language model with image or speech inputs": "fuyu gemma3 gemma3n gemma4 gemma4_unified git got_ocr2 "
    "moss_transcribe_diarize phi4_multimodal",
    "a generator of audio tokens": "moshi musicgen musicgen_melody",
    "a stack of byte and patch transformers whose cache asks its configuration for a field that it lacks": "blt",
    "a draft model that reads the states of a larger one": "gemma4_assistant gemma4_unified_assistant",
}

EXCLUDED: dict[str, str] = {name: reason for reason, names in _NO_DECODERS.items() for name in names.split()}
"""The types that are no text-only decoders, or do not run, with the reason."""

FLOAT32_ONLY: dict[str, str] = {
    "inkling2_text": "its router casts its input to float32 and leaves its weight as it is",
    "xglm": "it writes the least value of its scores' dtype into a float32 tensor",
}
"""The types that do not run in float64, with the reason: `build` gives them in float32."""

NOT_CAUSAL: dict[str, str] = {
    "cpmant": "it marks all tokens as context, and context attends in both directions",
}
"""The types whose earlier logits depend on later tokens, with the reason."""


def causal_model_types() -> list[str]:
    """Every model type of the causal-LM mapping of transformers, sorted."""
    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def decoder_types() -> list[str]:
    """The types that are text-only decoders, sorted."""
    return [name for name in causal_model_types() if name not in EXCLUDED]


def tiny_config(model_type: str) -> PreTrainedConfig:
    """The configuration of a tiny model of `model_type`.

    Where the causal LM is the text part of a multimodal type, the text part is tiny; no other part is ever built.
    """
    config_class: Any = CONFIG_MAPPING[model_type]
    model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[config_class]
    text_class = config_class.sub_configs.get("text_config")
    if text_class is None or text_class is not model_class.config_class:
        return _tiny(config_class, model_type)
    text = _tiny(text_class, text_class.model_type)
    return config_class(text_config=text.to_dict(), **OVERRIDES.get(model_type, {}))


def build(model_type: str, seed: int = 0, dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    """A tiny random causal LM of `model_type` in eval mode; one seed gives the same weights in every dtype.

    Norms are drawn around their initial value, and no parameter stays at a constant that could hide what it does.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # The default for experts, a grouped matrix product, has no float64.
        model = AutoModelForCausalLM.from_config(tiny_config(model_type), experts_implementation="eager")
        for name, parameter in model.named_parameters():
            values = parameter.data
            if "norm" in name or "ln" in name or values.numel() == 1 or values.min() == values.max():
                values += 0.3 * torch.randn_like(values)
        for module in model.modules():
            # A padding token that is generated is a token too; from a state of zeros, every attention score would tie.
            if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
                module.weight.data[module.padding_idx] = 0.2 * torch.randn(module.embedding_dim)
    lowered = dtype == torch.float64 and model_type in FLOAT32_ONLY
    return model.to(torch.float32 if lowered else dtype).eval()


def _tiny(config_class: type[PreTrainedConfig], model_type: str) -> PreTrainedConfig:
    fields = {field.name for field in dataclasses.fields(config_class)}
    values: dict[str, Any] = {}
    for name, value in RECIPE.items():
        field = name if name in fields else config_class.attribute_map.get(name)
        if field in fields:
            values[field] = value
    if "kv_lora_rank" in fields:  # Latent attention has one key-value head for each head.
        values["num_key_value_heads"] = values["num_attention_heads"]
    return config_class(**values | OVERRIDES.get(model_type, {}))
