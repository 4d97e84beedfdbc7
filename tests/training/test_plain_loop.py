"""`mod(...).loss` is the whole objective: a plain PyTorch loop is all that it takes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from modbench import MoDTrainer

from .tiny import VOCABULARY, arguments, build, collate, difference, features, trained

BATCH = collate(features(5))


def test_twenty_steps_of_a_plain_loop_are_those_of_the_trainer(tmp_path) -> None:
    rows, mod = features(80), build()
    optimizer = torch.optim.AdamW([p for p in mod.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.0)
    mod.train()
    losses = []
    for start in range(0, len(rows), 4):
        loss = mod(**collate(rows[start : start + 4])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(mod.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    args = arguments(tmp_path, per_device_train_batch_size=4, lr_scheduler_type="constant", num_train_epochs=1)
    trainer = MoDTrainer(model=build(), args=args, train_dataset=rows, data_collator=collate)
    trainer.train()
    assert [log["loss"] for log in trainer.state.log_history[:-1]] == pytest.approx(losses, rel=1e-6)
    assert len(losses) == 20 and losses[-1] < losses[0]
    assert difference(trained(trainer.model), trained(mod)) < 1e-10


def test_the_loss_is_task_plus_weighted_distillation_when_training_and_task_alone_otherwise() -> None:
    mod = build(distill_weight=0.7).train()
    output = mod(**BATCH)
    assert float(output.loss_distill) > 1e-3
    assert float(output.loss) == pytest.approx(float(output.loss_task) + 0.7 * float(output.loss_distill), rel=1e-12)
    assert not output.loss_task.requires_grad and not output.loss_distill.requires_grad
    quiet = mod.eval()(**BATCH)
    logits = mod(**{name: values for name, values in BATCH.items() if name != "labels"}).logits
    expected = F.cross_entropy(logits[:, :-1].reshape(-1, VOCABULARY), BATCH["labels"][:, 1:].reshape(-1))
    assert float(quiet.loss) == pytest.approx(float(expected), rel=1e-12)
    assert torch.equal(quiet.loss, quiet.loss_task) and float(quiet.loss_distill) == 0


def test_logits_are_those_of_a_call_without_labels_and_formed_when_asked_for() -> None:
    mod = build().eval()
    with torch.no_grad():
        expected = mod(**{name: values for name, values in BATCH.items() if name != "labels"}).logits
    seen: list[torch.Size] = []
    hook = mod.get_output_embeddings().register_forward_hook(lambda module, args, output: seen.append(output.shape))
    for ask in (lambda output: output.logits, lambda output: output["logits"]):
        seen.clear()
        output = mod(**BATCH)
        labels = int((BATCH["labels"][:, 1:] != -100).sum())
        # One position per row for the model's own forward, then the label tokens alone.
        assert seen == [(len(BATCH["labels"]), 1, VOCABULARY), (labels, VOCABULARY)]
        assert torch.allclose(ask(output), expected, rtol=1e-12, atol=0)
        assert len(seen) == 3
        assert output.logits is ask(output) and len(seen) == 3
    hook.remove()
    assert set(mod(**BATCH)) == {"loss", "loss_task", "loss_distill"}
    assert torch.allclose(mod(**BATCH, output_logits=True)["logits"], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_gives_the_same_gradients(reentrant: bool) -> None:
    def gradients(checkpointed: bool) -> dict[str, torch.Tensor]:
        mod = build(dropout=0.1).train()
        if checkpointed:
            mod.activation_checkpointing_enable({"use_reentrant": reentrant})
        torch.manual_seed(4)
        mod(**BATCH).loss.backward()
        return {name: p.grad for name, p in mod.named_parameters() if p.requires_grad}

    expected = gradients(False)
    assert all(float(gradient.abs().max()) > 0 for gradient in expected.values())
    assert difference(gradients(True), expected) < 1e-10
