"""The objective L_task + lambda L_distill over label tokens, in chunks that never hold the whole logits.

The gradients with respect to the logits have closed forms, so they are written into the buffers of the losses and
sent back through the head at once: when a chunk is done, nothing of the size (tokens x vocabulary) is left of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK_BYTES = 64 * 2**20
"""Size of one float32 buffer of logits, which sets how many label tokens make a chunk."""

Logits = Callable[[Tensor], Tensor]
"""Maps mixed states (tokens, d) to the model's logits (tokens, vocabulary)."""


def objective(
    logits_of: Logits,
    vocabulary: int,
    mixed: Tensor,
    normed: Sequence[Tensor],
    labels: Tensor,
    weight: float,
    detach: bool,
    parameters: Sequence[Tensor] = (),
) -> tuple[Tensor, Tensor, Tensor]:
    """L_task + weight * L_distill, L_task and L_distill, each summed over the label tokens, in nats.

    `mixed` (tokens, d) is the mixed state and `normed` the k normed late states (tokens, d) of the tokens with
    `labels` (tokens,); `detach` shields the last layer, the teacher, from the distillation gradient. Only the first
    result carries a gradient: to `mixed`, `normed` and to `parameters`, what is trainable inside `logits_of`.
    """
    if not torch.is_grad_enabled():
        totals = torch.zeros(2, dtype=torch.float64, device=mixed.device)
        for part in chunks(len(labels), vocabulary):
            totals += _chunk(logits_of, [t[part] for t in (mixed, *normed)], labels[part], weight, detach, ())[0]
        task, distill = totals.to(mixed.dtype)
        return task + weight * distill, task, distill
    inputs = (mixed, *normed, *parameters)
    return _ChunkedObjective.apply(logits_of, vocabulary, labels, weight, detach, 1 + len(normed), *inputs)


class _ChunkedObjective(torch.autograd.Function):
    """The summed objective; its gradient is formed in the forward pass, and the backward pass only scales it."""

    @staticmethod
    def forward(
        ctx: Any,
        logits_of: Logits,
        vocabulary: int,
        labels: Tensor,
        weight: float,
        detach: bool,
        states: int,
        *inputs: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        gradients = [torch.zeros_like(tensor) for tensor in inputs]
        totals = torch.zeros(2, dtype=torch.float64, device=inputs[0].device)
        for part in chunks(len(labels), vocabulary):
            leaves = [tensor[part].detach().requires_grad_() for tensor in inputs[:states]]
            losses, pieces = _chunk(logits_of, leaves, labels[part], weight, detach, inputs[states:])
            totals += losses
            for gradient, piece in zip(gradients[:states], pieces[:states], strict=True):
                if piece is not None:
                    gradient[part] = piece
            for gradient, piece in zip(gradients[states:], pieces[states:], strict=True):
                if piece is not None:
                    gradient += piece
        ctx.save_for_backward(*gradients)
        task, distill = totals.to(inputs[0].dtype)
        ctx.mark_non_differentiable(task, distill)
        return task + weight * distill, task, distill

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Any, ...]:
        return (None,) * 6 + tuple((outputs[0] * gradient).to(gradient.dtype) for gradient in ctx.saved_tensors)


def chunks(tokens: int, vocabulary: int) -> Iterator[slice]:
    """Consecutive slices of `tokens` label tokens, each of as many as CHUNK_BYTES of float32 logits hold."""
    rows = max(1, CHUNK_BYTES // (4 * vocabulary))
    for start in range(0, tokens, rows):
        yield slice(start, start + rows)


def _chunk(
    logits_of: Logits, states: Sequence[Tensor], labels: Tensor, weight: float, detach: bool, parameters: Sequence[Any]
) -> tuple[Tensor, list[Tensor | None]]:
    """Summed task and distillation loss of a chunk, and the gradient of task + weight * distill by input.

    `states` are the mixed and the k normed states; without leaves that require a gradient there are none to give.
    """
    mixed, *students, last = states
    gradients: list[Tensor | None] = [None] * (len(states) + len(parameters))

    def back(logits: Tensor, gradient: Tensor, state: int) -> None:
        if not logits.requires_grad:
            return
        inputs = [states[state], *parameters]
        found = torch.autograd.grad(logits, inputs, gradient.to(logits.dtype), allow_unused=True)
        for place, piece in zip([state, *range(len(states), len(gradients))], found, strict=True):
            if piece is not None:
                earlier = gradients[place]
                gradients[place] = piece if earlier is None else earlier + piece

    with torch.enable_grad() if mixed.requires_grad else nullcontext():
        logits = logits_of(mixed)
    task, slope = cross_entropy(logits.detach(), labels)
    back(logits, slope, 0)
    del logits, slope
    distill = torch.zeros_like(task)
    if weight > 0 and students:
        with torch.enable_grad() if mixed.requires_grad and not detach else torch.no_grad():
            teacher_logits = logits_of(last)
        teacher = log_softmax(teacher_logits.detach())
        teacher_slope = None if detach else torch.zeros_like(teacher)
        for place, student in enumerate(students, start=1):
            with torch.enable_grad() if mixed.requires_grad else nullcontext():
                logits = logits_of(student)
            divergence, slope, probabilities = student_divergence(logits.detach(), teacher)
            distill = distill + divergence
            back(logits, slope.mul_(weight), place)
            if teacher_slope is not None:
                teacher_slope -= probabilities
            del logits, slope, probabilities
        if teacher_slope is not None:
            # d KL(P_i || P_n) / d z_n = P_n - P_i for each of the students
            back(teacher_logits, teacher_slope.add_(teacher.exp_(), alpha=len(students)).mul_(weight), len(states) - 1)
    return torch.stack((task, distill)).double(), gradients


def log_softmax(logits: Tensor) -> Tensor:
    """Log-probabilities in float32, or in float64 where the logits are."""
    return F.log_softmax(logits, -1, dtype=torch.float64 if logits.dtype == torch.float64 else torch.float32)


def cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy in nats of `logits` (tokens, vocabulary) with `labels`, and its gradient P - onehot."""
    slope = log_softmax(logits)
    rows = torch.arange(len(labels), device=labels.device)
    loss = -slope[rows, labels].sum()
    slope.exp_()[rows, labels] -= 1
    return loss, slope


def student_divergence(logits: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Summed KL(P_student || P_teacher) in nats of student `logits` and teacher log-probabilities (tokens, vocabulary).

    sum_v P_i(v) (log P_i(v) - log P_n(v)), as the paper prints it: the student's distribution is the weight. Also its
    gradient by the student's logits, P_i ((log P_i - log P_n) - KL), and P_i.
    """
    slope = log_softmax(logits)
    probabilities = slope.exp()
    slope -= teacher
    divergences = torch.einsum("tv,tv->t", probabilities, slope)
    return divergences.sum(), slope.sub_(divergences[:, None]).mul_(probabilities), probabilities
