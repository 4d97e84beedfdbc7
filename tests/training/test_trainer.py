"""MoDTrainer does what transformers' Trainer does, on adapters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors import safe_open
from transformers import LlamaConfig, LlamaForCausalLM, Trainer

import modbench
from modbench import MoDConfig, MoDModel, MoDTrainer
from modbench.errors import ModbenchError

from .tiny import VOCABULARY, arguments, build, collate, difference, features, trained

ROWS = features(24)


def trainer_of(folder: Path, mod: MoDModel | None = None, **options: Any) -> MoDTrainer:
    """Of six steps with a checkpoint after every second."""
    quick = {"per_device_train_batch_size": 4, "max_steps": 6, "save_steps": 2}
    ours = {name: options.pop(name) for name in ("ensemble_learning_rate", "compute_metrics") if name in options}
    return MoDTrainer(
        model=build() if mod is None else mod,
        args=arguments(folder, **quick | options),
        train_dataset=ROWS,
        eval_dataset=ROWS[:6],
        data_collator=collate,
        **ours,
    )


def adapter_in(checkpoint: Path) -> dict[str, torch.Tensor]:
    return trained(MoDModel.from_pretrained(build(lora=False).unload(), checkpoint, is_trainable=True))


def test_it_is_reached_from_the_top_of_the_package() -> None:
    assert modbench.MoDTrainer is MoDTrainer and "MoDTrainer" in dir(modbench)


# Checkpoints ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lora", [True, False])
def test_checkpoints_hold_the_adapter_and_never_the_base(tmp_path, lora: bool) -> None:
    trainer = trainer_of(tmp_path, build(lora=lora), max_steps=2)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    adapter = {"mod_config.json", "mod_model.safetensors"}
    adapter |= {"adapter_config.json", "adapter_model.safetensors", "README.md"} if lora else set()
    state = {"optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"}
    assert {path.name for path in (tmp_path / "saved").iterdir()} == adapter | {"training_args.bin"}
    checkpoint = tmp_path / "checkpoint-2"
    assert {path.name for path in checkpoint.iterdir()} == adapter | state | {"training_args.bin"}
    stored = 0
    for path in checkpoint.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            stored += sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert stored == sum(trainer.model.parameter_counts().values())

    base = build(lora=False).unload()
    loaded = MoDModel.from_pretrained(base, checkpoint)
    batch = collate(ROWS[:3])
    assert torch.equal(loaded(**batch).loss, trainer.model.eval()(**batch).loss)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lora": False},
        {"ensemble_learning_rate": 3e-2, "lr_scheduler_type": "cosine", "warmup_steps": 2},
        {"gradient_accumulation_steps": 2, "weight_decay": 0.1},
    ],
    ids=str,
)
def test_a_resumed_training_ends_bit_for_bit_where_an_uninterrupted_one_does(tmp_path, options) -> None:
    config = {"lora": options.pop("lora", True), "dropout": 0.2}
    shuffled = options | {"train_sampling_strategy": "random"}
    whole = trainer_of(tmp_path / "whole", build(**config), **shuffled)
    whole.train()
    cut = trainer_of(tmp_path / "cut", build(**config), **shuffled)
    cut.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    assert cut.state.global_step == 6
    expected = trained(whole.model)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in trained(cut.model).items())
    for name in ("loss", "loss_task", "loss_distill", "learning_rate"):
        logged = [[log[name] for log in trainer.state.log_history if name in log] for trainer in (whole, cut)]
        assert logged[0] == logged[1] and len(logged[0]) == 6


def test_the_best_checkpoint_is_loaded_at_the_end(tmp_path) -> None:
    class Odd(MoDTrainer):
        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            """Finds the checkpoint of step 2 best."""
            metrics = {"eval_loss": abs(self.state.global_step - 2.0)}
            self.log(metrics)
            return metrics

    args = arguments(
        tmp_path, per_device_train_batch_size=4, max_steps=6, save_steps=2, eval_strategy="steps", eval_steps=2,
        load_best_model_at_end=True,
    )  # fmt: skip
    mod = build(lora=False)
    Odd(model=mod, args=args, train_dataset=ROWS, eval_dataset=ROWS, data_collator=collate).train()
    with safe_open(tmp_path / "checkpoint-2" / "mod_model.safetensors", "pt") as best:
        for name, tensor in mod.mixture.state_dict().items():
            assert torch.equal(tensor, best.get_tensor(name))
    with safe_open(tmp_path / "checkpoint-6" / "mod_model.safetensors", "pt") as last:
        assert not torch.equal(mod.mixture.router.weight, last.get_tensor("router.weight"))


def test_transformers_own_trainer_saves_resumes_and_picks_adapters_too(tmp_path) -> None:
    """It takes a MoDModel for a PeftModel."""

    def train(folder: Path, resume: Path | None = None) -> Trainer:
        args = arguments(
            folder, per_device_train_batch_size=4, max_steps=6, save_steps=2, eval_steps=2, eval_strategy="steps",
            load_best_model_at_end=True,
        )  # fmt: skip
        trainer = Trainer(model=build(), args=args, train_dataset=ROWS, eval_dataset=ROWS[:6], data_collator=collate)
        trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
        return trainer

    first = train(tmp_path / "whole")
    resumed = train(tmp_path / "cut", tmp_path / "whole" / "checkpoint-2")
    for trainer in (first, resumed):
        best = Path(trainer.state.best_model_checkpoint)
        assert adapter_in(best).keys() == trained(trainer.model).keys()
        assert difference(trained(trainer.model), adapter_in(best)) == 0
    ends = [adapter_in(tmp_path / name / "checkpoint-6") for name in ("whole", "cut")]
    assert difference(*ends) == 0
    assert not list(tmp_path.rglob("model.safetensors"))


def test_of_several_adapters_the_active_one_trains_and_resumes(tmp_path) -> None:
    def two() -> MoDModel:
        mod = build()
        mod.model.add_adapter("second", LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
        mod.add_adapter("second", MoDConfig(k=2))
        mod.set_adapter("second")
        return mod

    mod = two()
    before = {name: tensor.clone() for name, tensor in mod.state_dict().items()}
    trainer_of(tmp_path / "whole", mod).train()
    changed = {name for name, tensor in mod.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == set(trained(mod)) and all(".second." in f".{name}." for name in changed)
    resumed = two()
    trainer_of(tmp_path / "cut", resumed).train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-4"))
    assert difference(trained(resumed), trained(mod)) == 0
    names = {path.name for path in (tmp_path / "cut" / "checkpoint-6" / "second").iterdir()}
    assert names >= {"adapter_model.safetensors", "mod_model.safetensors", "mod_config.json"}


# What is learned at which rate ---------------------------------------------------------------------------------------


def test_norms_and_router_can_have_a_rate_of_their_own_and_norms_do_not_decay(tmp_path) -> None:
    rates = {"learning_rate": 0.1, "ensemble_learning_rate": 0.5, "weight_decay": 0.1}
    trainer = trainer_of(tmp_path, max_steps=4, save_steps=9, **rates)
    trainer.train()
    mod = trainer.model
    groups = {id(p): group for group in trainer.optimizer.param_groups for p in group["params"]}
    for name, parameter in mod.named_parameters():
        if parameter.requires_grad:
            group = groups.pop(id(parameter))
            assert group["initial_lr"] == (0.5 if name.startswith("mixtures.") else 0.1)
            assert group["weight_decay"] == (0.0 if ".norms." in name else 0.1)
    assert not groups
    # The schedule, linear to 0, holds for all groups.
    assert [log["learning_rate"] for log in trainer.state.log_history[:4]] == pytest.approx([0.1, 0.075, 0.05, 0.025])
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.0}


# Precision and memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing_changes_nothing(tmp_path, reentrant: bool) -> None:
    plain = trainer_of(tmp_path, build(dropout=0.1), save_strategy="no", max_steps=3)
    plain.train()
    recomputed = trainer_of(
        tmp_path,
        build(dropout=0.1),
        save_strategy="no",
        max_steps=3,
        activation_checkpointing=True,
        activation_checkpointing_kwargs={"use_reentrant": reentrant},
    )
    recomputed.train()
    assert difference(trained(recomputed.model), trained(plain.model)) < 1e-10


def test_under_autocast_the_ensemble_stays_in_float32(tmp_path) -> None:
    mod = build(torch.float32)
    seen: set[torch.dtype] = set()
    hook = mod.mixture.register_forward_hook(lambda module, args, output: seen.add(output[0].dtype))
    trainer = trainer_of(tmp_path, mod, bf16=True, max_steps=12, per_device_train_batch_size=8, save_strategy="no")
    trainer.train()
    hook.remove()
    losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
    assert seen == {torch.float32} and {p.dtype for p in mod.mixture.parameters()} == {torch.float32}
    assert np.mean(losses[-3:]) < 0.95 * np.mean(losses[:3])
    metrics = trainer_of(tmp_path, mod, bf16=True, compute_metrics=accuracy).evaluate()
    assert metrics["eval_loss"] == pytest.approx(mod.eval()(**collate(ROWS[:6])).loss.item(), rel=0.05)
    assert 0 <= metrics["eval_accuracy"] <= 1


# Evaluation and log --------------------------------------------------------------------------------------------------


def accuracy(predictions: Any) -> dict[str, float]:
    logits, labels = predictions
    assert logits.shape == (*labels.shape, VOCABULARY)
    kept = labels[:, 1:] != -100
    return {"accuracy": float(np.mean((logits[:, :-1].argmax(-1) == labels[:, 1:])[kept]))}


def test_eval_loss_is_the_cross_entropy_and_logits_arrive_where_metrics_want_them(tmp_path) -> None:
    mod = build(distill_weight=9.0)
    expected = mod.eval()(**collate(ROWS[:6]))
    shapes: list[torch.Size] = []
    hook = mod.get_output_embeddings().register_forward_hook(lambda module, args, output: shapes.append(output.shape))
    labels = sum(label != -100 for row in ROWS[:6] for label in row["labels"])
    metrics = trainer_of(tmp_path, mod).evaluate()
    assert metrics["eval_loss"] == pytest.approx(expected.loss.item(), rel=1e-6)
    assert shapes == [(6, 1, VOCABULARY), (labels, VOCABULARY)]
    hook.remove()
    with_metrics = trainer_of(tmp_path, mod, compute_metrics=accuracy).evaluate()
    assert with_metrics["eval_loss"] == metrics["eval_loss"]
    given = collate(ROWS[:6])["labels"].numpy()
    assert with_metrics["eval_accuracy"] == accuracy((expected.logits.detach().numpy(), given))["accuracy"]


def test_the_log_has_both_losses_as_means_over_the_steps(tmp_path) -> None:
    each, every_third = (trainer_of(tmp_path, logging_steps=steps, save_steps=6) for steps in (1, 3))
    each.train()
    every_third.train()
    single = [log for log in each.state.log_history if "loss" in log]
    for position, log in enumerate(log for log in every_third.state.log_history if "loss" in log):
        for name in ("loss", "loss_task", "loss_distill"):
            mean = np.mean([entry[name] for entry in single[3 * position : 3 * position + 3]])
            assert log[name] == pytest.approx(mean, rel=1e-5)
        assert log["loss"] == pytest.approx(log["loss_task"] + 0.5 * log["loss_distill"], rel=1e-5)
    state = json.loads((tmp_path / "checkpoint-6" / "trainer_state.json").read_text())
    assert "loss_distill" in state["log_history"][-1]


# Bad input -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_trained_is_refused(tmp_path) -> None:
    plain: Any = LlamaForCausalLM(LlamaConfig(vocab_size=31, hidden_size=8, num_hidden_layers=2, num_attention_heads=2))
    with pytest.raises(ModbenchError, match="get_mod_model"):
        MoDTrainer(model=plain, args=arguments(tmp_path), train_dataset=ROWS)
    with pytest.raises(ModbenchError, match="label smoothing"):
        trainer_of(tmp_path, label_smoothing_factor=0.1)
    build(lora=False).save_pretrained(tmp_path / "adapter")
    frozen = MoDModel.from_pretrained(build(lora=False).unload(), tmp_path / "adapter")
    with pytest.raises(ModbenchError, match="is_trainable"):
        trainer_of(tmp_path, frozen).train()
    trainer_of(tmp_path, frozen).evaluate()


def test_the_base_keeps_its_weights_and_gets_no_gradients(tmp_path) -> None:
    trainer = trainer_of(tmp_path, max_steps=1)
    before = {name: p.clone() for name, p in trainer.model.named_parameters() if not p.requires_grad}
    trainer.train()
    after = dict(trainer.model.named_parameters())
    assert all(torch.equal(after[name], tensor) and after[name].grad is None for name, tensor in before.items())
