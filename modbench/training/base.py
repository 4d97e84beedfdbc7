"""Loading a base model and its tokenizer for training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modbench.checkpoints import loading


def load_base(folder: Path, dtype: str, name: str) -> tuple[Any, Any]:
    """The causal LM and tokenizer of a checkpoint `folder`, in `dtype`; `name` is how adapters will call it.

    Remote code is never run. Raises ModbenchError if the folder cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with loading(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, trust_remote_code=False
        )
    # Adapters store this name: it should say which model, not where it lay on this machine.
    model.name_or_path = model.config._name_or_path = name
    return model, tokenizer
