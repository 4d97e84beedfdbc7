"""Makes the embedded model from nothing: `python -m modbench.demo.build [--out DIR]`.

Three steps, each resumable: the base model learns the corpus of `modbench.demo.corpus`; it is stored as float16
safetensors with its tokenizer; and the suite's `mod_k` adapter, seed 0, is trained on it. A rebuild lands in the same
bands of accuracy, not in the same bytes: threads and processors round differently.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modbench.demo.corpus import documents
from modbench.demo.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedTokenizerFast

SEED = 20260
SEQUENCE = 128
BATCH = 32
STEPS = 6000
LEARNING_RATE = 2e-3


def base_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """A Llama of 10 layers and 2.1 million parameters."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=10,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def blocks(tokenizer: PreTrainedTokenizerFast, seed: int, length: int) -> Iterator[list[int]]:
    """The base corpus as an endless stream of token blocks: documents packed one after the other, each ended by EOS."""
    stream, pending = documents(seed), []
    while True:
        texts = list(itertools.islice(stream, 1000))
        for ids in tokenizer(texts)["input_ids"]:
            pending += [*ids, tokenizer.eos_token_id]
        while len(pending) >= length:
            block, pending = pending[:length], pending[length:]
            yield block


def train_base(work: Path, steps: int = STEPS) -> Path:
    """Trains the base model under `work` and returns the folder that holds it; goes on from the last checkpoint."""
    import torch
    from torch.utils.data import IterableDataset
    from transformers import LlamaForCausalLM, Trainer, TrainingArguments, set_seed
    from transformers.trainer_utils import get_last_checkpoint

    class Blocks(IterableDataset):
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            for block in blocks(tokenizer, SEED, SEQUENCE):
                ids = torch.tensor(block)
                yield {"input_ids": ids, "labels": ids}

    tokenizer = build_tokenizer()
    set_seed(SEED)
    config = base_config(tokenizer)
    config._attn_implementation = "eager"  # at this size compiled eager attention trains twice as fast as SDPA
    model = LlamaForCausalLM(config)
    cuda = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(work / "checkpoints"),
        max_steps=steps,
        per_device_train_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": steps // 4, "min_lr_ratio": 0.02},
        warmup_steps=200,
        adam_beta2=0.98,
        weight_decay=0.05,
        bf16=True,
        torch_compile=True,
        use_cpu=not cuda,
        logging_steps=50,
        save_steps=500,
        save_total_limit=2,
        report_to="none",
        seed=SEED,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=Blocks())
    checkpoints = work / "checkpoints"
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.exists() else None)
    base = work / "base"
    model.config._attn_implementation = "sdpa"
    model.cpu().half().save_pretrained(base)
    tokenizer.save_pretrained(base)
    return base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo-build"), help="working folder (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimizer steps of the base training")
    options = parser.parse_args()
    base = train_base(options.out, options.steps)
    print(f"base model: {base}")


if __name__ == "__main__":
    main()
