"""A Llama so small that a test trains it: random weights, at most 64 positions."""

from __future__ import annotations

from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 31


def tiny_llama(layers: int) -> Any:
    """The model with that many layers, drawn from torch's generator as it stands."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
