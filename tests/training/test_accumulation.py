"""How examples are cut into batches changes neither gradients nor weights, however unequal their lengths."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from modbench import MoDTrainer

from .tiny import arguments, build, collate, difference, features, trained

ROWS = features(40)  # two steps of 16 examples and one of 8


class Gradients(TrainerCallback):
    """Keeps the gradients of each optimizer step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.steps.append({name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad})


def train(folder: Any, batch: int, accumulation: int, **config: Any) -> tuple[Gradients, MoDTrainer]:
    """On a base that declines the count of label tokens, as a few architectures do: the ensemble takes it."""
    gradients = Gradients()
    args = arguments(
        folder,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=1,
        optim="sgd",
        max_grad_norm=0,
        save_strategy="no",
    )
    mod = build(**config)
    mod.get_base_model().accepts_loss_kwargs = False
    trainer = MoDTrainer(model=mod, args=args, train_dataset=ROWS, data_collator=collate, callbacks=[gradients])
    trainer.train()
    return gradients, trainer


@pytest.mark.parametrize("config", [{}, {"distill_detach": False}, {"lora": False}], ids=str)
def test_one_batch_of_sixteen_is_four_of_four(tmp_path, config: dict[str, Any]) -> None:
    whole, expected = train(tmp_path, 16, 1, **config)
    for batch, accumulation in ((4, 4), (1, 16)):
        parts, trainer = train(tmp_path, batch, accumulation, **config)
        assert len(parts.steps) == len(whole.steps) == 3
        for found, wanted in zip(parts.steps, whole.steps, strict=True):
            assert difference(found, wanted) < 1e-10
        assert difference(trained(trainer.model), trained(expected.model)) < 1e-10
        for found, wanted in zip(trainer.state.log_history[:3], expected.state.log_history[:3], strict=True):
            for name in ("loss", "loss_task", "loss_distill"):
                assert found[name] == pytest.approx(wanted[name], rel=1e-5)


def test_without_the_count_of_the_step_the_mean_is_over_the_batch() -> None:
    """What a loop gets that sums the batches' means: not the same thing, when lengths differ."""
    mod = build()
    count = sum(int((collate([row])["labels"][:, 1:] != -100).sum()) for row in ROWS[:4])
    whole = mod(**collate(ROWS[:4])).loss
    means = torch.stack([mod(**collate([row])).loss for row in ROWS[:4]])
    parts = torch.stack([mod(**collate([row]), num_items_in_batch=count).loss for row in ROWS[:4]])
    assert parts.sum().item() == pytest.approx(whole.item(), rel=1e-12)
    assert means.mean().item() != pytest.approx(whole.item(), rel=1e-3)
