"""The objective L_task + lambda L_distill over label tokens, in chunks that never hold the whole logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 512
"""Label tokens whose logits exist at one time."""

Head = Callable[[Tensor], Tensor]


def task_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Summed cross-entropy of `logits` (tokens, vocabulary) with `labels` (tokens,), in nats."""
    return F.cross_entropy(logits, labels, reduction="sum")


def distill_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Summed KL(P_student || P_teacher) of two logits (tokens, vocabulary), in nats.

    sum_v P_i(v) (log P_i(v) - log P_n(v)), as the paper prints it: the student's distribution is the weight.
    """
    student, teacher = student.log_softmax(-1), teacher.log_softmax(-1)
    return F.kl_div(teacher, student, reduction="sum", log_target=True)


def chunk_losses(
    head: Head, mixed: Tensor, normed: Sequence[Tensor], labels: Tensor, distill: bool, detach: bool
) -> tuple[Tensor, Tensor]:
    """Summed task and distillation loss of one chunk: `mixed` (tokens, d), `normed` k times (tokens, d)."""
    task = task_loss(head(mixed), labels)
    if not distill:
        return task, task.new_zeros(())
    teacher = head(normed[-1].detach() if detach else normed[-1])
    return task, torch.stack([distill_loss(head(state), teacher) for state in normed[:-1]]).sum()


class _ChunkedObjective(torch.autograd.Function):
    """The summed objective with the gradient formed chunk by chunk in the forward pass.

    No (tokens x vocabulary) tensor outlives its chunk, and the backward pass only scales what is there.
    """

    @staticmethod
    def forward(
        ctx: Any, head: Head, labels: Tensor, weight: float, detach: bool, mixed: Tensor, *normed: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        inputs = (mixed, *normed)
        gradients = [torch.zeros_like(tensor) for tensor in inputs]
        totals = torch.zeros(2, dtype=torch.float64, device=mixed.device)
        for start in range(0, len(labels), CHUNK):
            part = slice(start, start + CHUNK)
            with torch.enable_grad():
                leaves = [tensor[part].detach().requires_grad_() for tensor in inputs]
                task, distill = chunk_losses(head, leaves[0], leaves[1:], labels[part], weight > 0, detach)
                pieces = torch.autograd.grad(task + weight * distill, leaves, allow_unused=True)
            for gradient, piece in zip(gradients, pieces, strict=True):
                if piece is not None:
                    gradient[part] = piece
            totals += torch.stack((task.detach(), distill.detach())).double()
        ctx.save_for_backward(*gradients)
        task, distill = totals.to(mixed.dtype)
        ctx.mark_non_differentiable(task, distill)
        return task + weight * distill, task, distill

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Any, ...]:
        return (None, None, None, None, *(outputs[0] * gradient for gradient in ctx.saved_tensors))


def objective(
    head: Head, mixed: Tensor, normed: Sequence[Tensor], labels: Tensor, weight: float, detach: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """L_task + weight * L_distill, L_task and L_distill, each summed over the label tokens, in nats.

    `head` maps (tokens, d) to logits (tokens, vocabulary) and is frozen: only the first result carries a gradient,
    with respect to `mixed` and `normed`.
    """
    if not torch.is_grad_enabled():
        pieces = [
            chunk_losses(
                head,
                mixed[i : i + CHUNK],
                [n[i : i + CHUNK] for n in normed],
                labels[i : i + CHUNK],
                weight > 0,
                detach,
            )
            for i in range(0, len(labels), CHUNK)
        ]
        task = sum((piece[0] for piece in pieces), mixed.new_zeros(()))
        distill = sum((piece[1] for piece in pieces), mixed.new_zeros(()))
        return task + weight * distill, task, distill
    return _ChunkedObjective.apply(head, labels, weight, detach, mixed, *normed)
