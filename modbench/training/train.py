"""Trains the adapter of one run; goes on from the last checkpoint of a cut one."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modbench.atomic import write_text
from modbench.data.examples import Example
from modbench.data.prompts import get_prompt
from modbench.methods import Method
from modbench.prompt_file import PromptFile, write_prompt_file
from modbench.records import SCHEMA_VERSION, Parameters, SchemaVersion, Training
from modbench.records.files import read_model
from modbench.records.schema import Model
from modbench.suites import Suite

if TYPE_CHECKING:
    from modbench.ensemble import MoDModel

ADAPTER = "adapter"
_CHECKPOINTS = "checkpoints"
_RESULT = "training.json"
_GATE_EXAMPLES = 256


class Trained(Model):
    """What training left beside the adapter: its cost, the parameters, the mean gate per late layer."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    training: Training | None
    parameters: Parameters
    late_layers: list[int]
    gates: list[float] | None

    @classmethod
    def untuned(cls) -> Trained:
        """The entry of a model as it comes: nothing trained, no gates."""
        nothing = Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None)
        return cls(training=None, parameters=nothing, late_layers=[], gates=None)


@dataclass(frozen=True)
class Job:
    """One training: what is tuned by which method, on what, and into which run `folder`."""

    suite: Suite
    method: Method
    seed: int
    model: Path
    model_name: str
    folder: Path


def train(job: Job, examples: Sequence[Example], say: Callable[[str], None] = print) -> Trained:
    """Trains the job's adapter into `<folder>/adapter` unless it is there, and returns what it took.

    The adapter appears whole or not at all. Raises ModbenchError if method, targets or examples do not fit the model.
    """
    result = job.folder / _RESULT
    if (job.folder / ADAPTER).exists():
        shutil.rmtree(job.folder / _CHECKPOINTS, ignore_errors=True)
        return read_model(result, Trained, "move the run's folder away and run again")
    trained = _train(job, examples, say)
    write_text(result, trained.model_dump_json(indent=2) + "\n")
    os.replace(job.folder / f".{ADAPTER}", job.folder / ADAPTER)
    shutil.rmtree(job.folder / _CHECKPOINTS, ignore_errors=True)
    return trained


def _train(job: Job, examples: Sequence[Example], say: Callable[[str], None]) -> Trained:
    import torch
    from transformers import PrinterCallback, TrainingArguments

    from modbench.ensemble.anatomy import find_anatomy
    from modbench.training.accounting import baseline, with_overhead
    from modbench.training.assembly import assemble
    from modbench.training.base import load_base
    from modbench.training.cost import Cost
    from modbench.training.dropout import SharedMasks
    from modbench.training.encoding import Collator, encode_examples
    from modbench.training.trainer import MoDTrainer, Progress, last_checkpoint

    recipe, checkpoints = job.suite.recipe, job.folder / _CHECKPOINTS
    checkpoint = last_checkpoint(checkpoints)
    progress = Progress(f"{job.suite.name} {job.method.name} seed {job.seed}: training", job.folder, checkpoint)
    with Cost() as cost:
        model, tokenizer = load_base(job.model, job.suite.dtype, job.model_name)
        lora_not_k = baseline(model, find_anatomy(model), job.method, recipe)
        chat = job.suite.apply_chat_template
        encoded = encode_examples(tokenizer, get_prompt(job.suite.prompt), examples, recipe.max_length, chat)
        if encoded.cut_off:
            left_out = len(examples) - len(encoded.features)
            say(
                f"{encoded.cut_off} of {len(examples)} examples are longer than {recipe.max_length} tokens: cut off, "
                f"{left_out} of them left out for want of room for any of the response"
            )
        mod = assemble(model, job.method, recipe, job.seed)
        per_step = recipe.batch_size * recipe.gradient_accumulation
        steps = math.ceil(len(encoded.features) / per_step) * recipe.epochs
        arguments = TrainingArguments(
            output_dir=str(checkpoints),
            num_train_epochs=recipe.epochs,
            per_device_train_batch_size=recipe.batch_size,
            gradient_accumulation_steps=recipe.gradient_accumulation,
            learning_rate=recipe.learning_rate,
            warmup_steps=recipe.warmup_steps,
            lr_scheduler_type="linear",
            weight_decay=0.0,
            seed=job.seed,
            data_seed=job.seed,
            use_cpu=not torch.cuda.is_available(),
            logging_steps=max(1, min(10, steps // 5)),
            save_steps=max(1, steps // 10),
            save_total_limit=2,
            remove_unused_columns=False,
            disable_tqdm=True,
            report_to="none",
            dataloader_pin_memory=False,
        )
        collator = Collator(tokenizer)
        trainer = MoDTrainer(
            model=mod,
            args=arguments,
            train_dataset=encoded.features,
            data_collator=collator,
            ensemble_learning_rate=recipe.ensemble_learning_rate,
        )
        trainer.remove_callback(PrinterCallback)  # our bar instead
        trainer.add_callback(progress)
        trainer.add_callback(SharedMasks)
        result = trainer.train(resume_from_checkpoint=checkpoint)
        seconds = progress.seconds
    _save(mod, job, tokenizer)
    gates = None
    if job.method.ensemble is not None:
        sample = encoded.features[:_GATE_EXAMPLES]
        batches = (collator(sample[i : i + 16]) for i in range(0, len(sample), 16))
        gates = mod.mean_gates({n: v.to(mod.device) for n, v in batch.items()} for batch in batches)
    loss = next((float(entry["loss"]) for entry in reversed(trainer.state.log_history) if "loss" in entry), None)
    return Trained(
        training=Training(
            seconds=seconds,
            tokens=encoded.tokens * recipe.epochs,
            peak_memory_bytes=cost.peak_memory_bytes,
            examples=len(examples),
            cut_off=encoded.cut_off,
            steps=result.global_step,
            loss=loss if loss is not None and math.isfinite(loss) else None,
        ),
        parameters=with_overhead(mod.parameter_counts(), lora_not_k),
        late_layers=mod.late_layers if job.method.ensemble is not None else [],
        gates=gates,
    )


def _save(mod: MoDModel, job: Job, tokenizer: Any) -> None:
    from modbench.training.chat import chat_template

    temporary, chat = job.folder / f".{ADAPTER}", job.suite.apply_chat_template
    shutil.rmtree(temporary, ignore_errors=True)
    mod.save_pretrained(temporary)
    template = chat_template(tokenizer) if chat else None
    write_prompt_file(temporary, PromptFile(prompt=job.suite.prompt, apply_chat_template=chat, chat_template=template))
