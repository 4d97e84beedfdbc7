"""Makes the embedded model from nothing: `python -m modbench.demo.build [--out DIR]`.

Three steps, each resumable: the base model learns the corpus of `modbench.demo.corpus`; it is stored as float16
safetensors with its tokenizer; and the suite's `mod_k` adapter, seed 0, is trained on it. A rebuild lands in the same
bands of accuracy, not in the same bytes: threads and processors round differently.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modbench.demo.corpus import QUESTIONS, STORIES, Mixture, documents
from modbench.demo.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedTokenizerFast

SEED = 20260
SEQUENCE = 128
BATCH = 32


@dataclass(frozen=True)
class Stage:
    """A part of the base training: documents, optimizer steps, highest learning rate."""

    name: str
    mixture: Mixture
    steps: int
    learning_rate: float


STAGES = (Stage("stories", STORIES, 6000, 2e-3), Stage("questions", QUESTIONS, 1500, 1e-3))


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


def blocks(tokenizer: PreTrainedTokenizerFast, mixture: Mixture, seed: int, length: int) -> Iterator[list[int]]:
    """The base corpus as an endless stream of token blocks: documents packed one after the other, each ended by EOS."""
    stream = documents(seed, mixture)
    pending: list[int] = []
    while True:
        texts = list(itertools.islice(stream, 1000))
        for ids in tokenizer(texts)["input_ids"]:
            pending += [*ids, tokenizer.eos_token_id]
        while len(pending) >= length:
            block, pending = pending[:length], pending[length:]
            yield block


def train_stage(stage: Stage, work: Path, start: Path | None) -> Path:
    """Trains one stage from the model in `start` (None: from random weights) and returns the folder of its result.

    Goes on from the last checkpoint of a cut stage; a finished one is not done again.
    """
    import torch
    from torch.utils.data import IterableDataset
    from transformers import LlamaForCausalLM, Trainer, TrainingArguments, set_seed
    from transformers.trainer_utils import get_last_checkpoint

    class Blocks(IterableDataset):
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            for block in blocks(tokenizer, stage.mixture, SEED, SEQUENCE):
                ids = torch.tensor(block)
                yield {"input_ids": ids, "labels": ids}

    result, checkpoints = work / stage.name, work / f"{stage.name}-checkpoints"
    if result.exists():
        return result
    tokenizer = build_tokenizer()
    set_seed(SEED)
    # At this size compiled eager attention trains twice as fast as SDPA.
    if start is None:
        config = base_config(tokenizer)
        config._attn_implementation = "eager"
        model = LlamaForCausalLM(config)
    else:
        model = LlamaForCausalLM.from_pretrained(start, dtype=torch.float32, attn_implementation="eager")
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=stage.steps,
        per_device_train_batch_size=BATCH,
        learning_rate=stage.learning_rate,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": stage.steps // 4, "min_lr_ratio": 0.02},
        warmup_steps=stage.steps // 30,
        adam_beta2=0.98,
        weight_decay=0.05,
        bf16=True,
        torch_compile=shutil.which("g++") is not None,  # without a compiler it takes twice as long
        use_cpu=not torch.cuda.is_available(),
        logging_steps=50,
        save_steps=500,
        save_total_limit=2,
        report_to="none",
        seed=SEED,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=Blocks())
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.exists() else None)
    unfinished = work / f".{stage.name}"
    model.cpu().save_pretrained(unfinished)
    os.replace(unfinished, result)
    return result


def train_base(work: Path) -> Path:
    """Trains the base model under `work`, stage by stage, and returns the folder that holds it as float16."""
    from transformers import LlamaForCausalLM

    trained: Path | None = None
    for stage in STAGES:
        trained = train_stage(stage, work, trained)
    model = LlamaForCausalLM.from_pretrained(trained, attn_implementation="sdpa")
    model.half().save_pretrained(work / "base")
    build_tokenizer().save_pretrained(work / "base")
    return work / "base"


def train_adapter(base: Path, work: Path) -> Path:
    """Trains the suite's `mod_k` adapter, seed 0, on `base` and returns its folder."""
    from modbench.checkpoints import DEMO
    from modbench.methods import get_method
    from modbench.suites import load_suite
    from modbench.training.sources import training_set
    from modbench.training.train import ADAPTER, Job, train

    suite, folder = load_suite("demo"), work / "mod_k"
    shutil.rmtree(folder, ignore_errors=True)  # it may be of another base or suite
    folder.mkdir()
    train(Job(suite, get_method("mod_k"), 0, base, DEMO, folder), training_set(suite.training).examples)
    return folder / ADAPTER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo-build"), help="working folder (default: %(default)s)")
    parser.add_argument("--install", action="store_true", help="put the result in place of the embedded model")
    options = parser.parse_args()
    base = train_base(options.out)
    adapter = train_adapter(base, options.out)
    print(f"base model: {base}\nadapter: {adapter}")
    if options.install:
        for source, name in ((base, "base"), (adapter, "adapter")):
            target = Path(__file__).parent / name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
            print(f"installed: {target}")


if __name__ == "__main__":
    main()
