"""TRL's SFTTrainer trains an ensemble as it trains a PeftModel."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from modbench import MoDModel, MoDTrainer
from modbench.errors import ModbenchError

from .tiny import VOCABULARY, arguments, build, collate, difference, features, trained

os.environ.setdefault("CI", "1")  # TRL sends no telemetry then
trl = pytest.importorskip("trl")

ROWS = features(24)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = models.WordLevel({f"t{number}": number for number in range(VOCABULARY)}, unk_token="t3")
    tokens = {"pad_token": "t0", "bos_token": "t1", "eos_token": "t2"}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), **tokens)


def sft_trainer(folder: Path, tokenizer: Any, mod: MoDModel, **options: Any) -> Any:
    """Of four steps with a checkpoint after every second."""
    quick = {"per_device_train_batch_size": 4, "max_steps": 4, "save_steps": 2, "bf16": False, "max_length": 32}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trl.SFTTrainer(
            model=mod,
            args=arguments(folder, trl.SFTConfig, **quick | options),
            train_dataset=Dataset.from_list(ROWS),
            eval_dataset=Dataset.from_list(ROWS[:6]),
            processing_class=tokenizer,
        )


@pytest.mark.parametrize("lora", [True, False])
def test_its_steps_are_those_of_mod_trainer(tmp_path, tokenizer, lora: bool) -> None:
    """The same losses, distillation included, and weights; here with recomputed activations, TRL's default."""
    sft = sft_trainer(tmp_path / "sft", tokenizer, build(lora=lora), gradient_accumulation_steps=2)
    assert sft.args.activation_checkpointing
    sft.train()
    args = arguments(
        tmp_path / "ours", per_device_train_batch_size=4, max_steps=4, gradient_accumulation_steps=2, save_strategy="no"
    )
    ours = MoDTrainer(model=build(lora=lora), args=args, train_dataset=ROWS, data_collator=collate)
    ours.train()
    assert difference(trained(sft.model), trained(ours.model)) < 1e-10
    for found, wanted in zip(sft.state.log_history[:4], ours.state.log_history[:4], strict=True):
        assert wanted["loss_distill"] > 0
        assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-6)


def test_it_logs_the_ensembles_entropy_and_accuracy(tmp_path, tokenizer) -> None:
    mod = build().eval()
    metrics = sft_trainer(tmp_path, tokenizer, mod).evaluate()
    batch = collate(ROWS[:6])
    labels = batch["labels"][:, 1:]
    logits = mod(**batch).logits.detach()[:, :-1][labels != -100]
    entropy = torch.distributions.Categorical(logits=logits).entropy().mean()
    assert metrics["eval_loss"] == pytest.approx(mod(**batch).loss.item(), rel=1e-6)
    assert metrics["eval_entropy"] == pytest.approx(float(entropy), rel=1e-6)
    right = (logits.argmax(-1) == labels[labels != -100]).double().mean()
    assert metrics["eval_mean_token_accuracy"] == pytest.approx(float(right), rel=1e-6)


@pytest.mark.parametrize("packing", [False, True])
def test_it_trains_the_adapter_and_checkpoints_hold_no_more(tmp_path, tokenizer, packing: bool) -> None:
    mod = build(torch.float32)
    before = trained(mod)
    trainer = sft_trainer(tmp_path, tokenizer, mod, packing=packing)
    trainer.train()
    after = trained(mod)
    assert all(not torch.equal(after[name], before[name]) for name in before)
    stored = {path.name: path.stat().st_size for path in (tmp_path / "checkpoint-4").iterdir()}
    weights = {"adapter_model.safetensors", "mod_model.safetensors", "optimizer.pt"}
    others = {"adapter_config.json", "mod_config.json", "README.md", "scheduler.pt", "rng_state.pth"}
    others |= {"trainer_state.json", "training_args.bin", "tokenizer.json", "tokenizer_config.json"}
    assert set(stored) == weights | others
    loaded = MoDModel.from_pretrained(build(torch.float32, lora=False).unload(), tmp_path / "checkpoint-4")
    batch = collate(ROWS[:3])
    assert torch.equal(loaded(**batch).loss, mod.eval()(**batch).loss)


def test_packed_examples_do_not_see_each_other(tmp_path, tokenizer) -> None:
    trainer = sft_trainer(tmp_path, tokenizer, build().eval(), packing=True, max_length=64)
    batch = next(iter(trainer.get_train_dataloader()))
    starts = int((batch["position_ids"] == 0).sum())
    assert len(batch["input_ids"]) == 1 and starts > 4
    labels = int((batch["labels"][:, 1:] != -100).sum())
    packed = trainer.compute_loss(trainer.model, batch).item()
    apart = trainer.model(**collate(ROWS)).loss.item()
    assert labels == int((collate(ROWS)["labels"][:, 1:] != -100).sum())
    assert packed == pytest.approx(apart, rel=1e-10)


def test_a_cut_training_goes_on_to_the_same_end(tmp_path, tokenizer) -> None:
    whole = sft_trainer(tmp_path / "whole", tokenizer, build(dropout=0.1))
    whole.train()
    cut = sft_trainer(tmp_path / "cut", tokenizer, build(dropout=0.1))
    cut.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    assert difference(trained(cut.model), trained(whole.model)) == 0


def test_a_loss_that_weighs_tokens_is_refused(tmp_path, tokenizer) -> None:
    with pytest.raises(ModbenchError, match="loss_type='nll'"):
        sft_trainer(tmp_path, tokenizer, build(), loss_type="dft").train()
