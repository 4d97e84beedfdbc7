"""The objective and its gradients against plain autograd on whole logits."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from modbench.ensemble import losses

IDS = torch.randint(3, 31, (3, 9), generator=torch.Generator().manual_seed(2))
LABELS = IDS.clone()
LABELS[:, :3] = -100
LABELS[1, 6:] = -100


def plain_objective(mod, labels):
    """Whole logits per layer, cross-entropy by hand, KL by its definition."""
    states, last = mod._attachment.late_states(mod.model, input_ids=IDS)
    mixed, _, normed = mod.mixture(states, last)
    head = mod.model.lm_head
    keep = labels[:, 1:] != -100
    targets = labels[:, 1:][keep]
    log_p = head(mixed)[:, :-1][keep].log_softmax(-1)
    task = -log_p[torch.arange(len(targets)), targets].mean()
    teacher = head(normed[-1])[:, :-1][keep].softmax(-1).detach()
    distill = torch.zeros((), dtype=torch.float64)
    for state in normed[:-1]:
        p = head(state)[:, :-1][keep].softmax(-1)
        distill = distill + (p * (p.log() - teacher.log())).sum(-1).mean()
    return task, distill


@pytest.mark.parametrize("weight", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("chunk", [1, 4, 512])
def test_loss_and_gradients_equal_plain_autograd(make_mod, monkeypatch, weight: float, chunk: int) -> None:
    monkeypatch.setattr(losses, "CHUNK_BYTES", 4 * 31 * chunk)
    mod = make_mod(k=3, distill_weight=weight).train()
    output = mod(IDS, labels=LABELS)
    output.loss.backward()
    ours = {name: p.grad.clone() for name, p in mod.mixture.named_parameters()}
    mod.zero_grad()
    task, distill = plain_objective(mod, LABELS)
    (task + weight * distill).backward()
    assert float(output.loss_task) == pytest.approx(float(task), rel=1e-12)
    if weight:
        assert float(output.loss_distill) == pytest.approx(float(distill), rel=1e-10)
    for name, parameter in mod.mixture.named_parameters():
        assert float((ours[name] - parameter.grad).abs().max() / parameter.grad.abs().max()) < 1e-10, name


def test_eval_loss_is_the_cross_entropy_alone(make_mod) -> None:
    mod = make_mod(k=3, distill_weight=5.0)
    with torch.no_grad():
        logits = mod(IDS).logits
        expected = F.cross_entropy(logits[:, :-1].reshape(-1, 31), LABELS[:, 1:].reshape(-1), ignore_index=-100)
        assert float(mod(IDS, labels=LABELS).loss) == pytest.approx(float(expected), rel=1e-12)


def test_kl_is_the_students_expectation() -> None:
    student, teacher = torch.randn(2, 5, 11, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=student), torch.distributions.Categorical(logits=teacher)
    ).sum()
    divergence, _, probabilities = losses.student_divergence(student, teacher.log_softmax(-1))
    assert float(divergence) == pytest.approx(float(expected), rel=1e-12)
    assert torch.allclose(probabilities, student.softmax(-1))


def test_sums_over_micro_batches_equal_the_whole_batch(make_mod) -> None:
    mod = make_mod(k=3).train()
    count = int((LABELS[:, 1:] != -100).sum())
    whole = mod(IDS, labels=LABELS).loss
    parts = [mod(IDS[i : i + 1], labels=LABELS[i : i + 1], num_items_in_batch=count).loss for i in range(3)]
    assert float(sum(parts)) == pytest.approx(float(whole), rel=1e-12)


def test_a_batch_without_labels_has_loss_zero_and_finite_gradients(make_mod) -> None:
    mod = make_mod(k=3).train()
    loss = mod(IDS, labels=torch.full_like(IDS, -100)).loss
    loss.backward()
    assert float(loss) == 0
