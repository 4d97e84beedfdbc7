"""What TRL's SFTTrainer asks of a forward pass: values per label token, which it sums up itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.utils import ModelOutput

from modbench.ensemble import losses
from modbench.errors import ModbenchError


@dataclass
class TokenOutput(ModelOutput):
    """Values (batch, seq - 1) of the next-token predictions, 0 where `label_mask` is not set.

    `log_probs` are the ensemble's log-probabilities of the labels, all moved by one number so that their negative sum
    is the whole objective, distillation included; so is the gradient of that sum.
    """

    log_probs: Tensor | None = None
    entropy: Tensor | None = None
    is_top1: Tensor | None = None
    label_mask: Tensor | None = None


def token_output(
    logits_of: losses.Logits, vocabulary: int, mixed: Tensor, labels: Tensor, mask: Tensor, total: Tensor
) -> TokenOutput:
    """The output for the mixed states (tokens, d) of the tokens of `labels` (batch, seq - 1) that are in `mask`.

    `total` is the objective, summed over these tokens. Costs one more pass through the head, without gradients.
    """
    log_probs, entropy, is_top1 = _statistics(logits_of, vocabulary, mixed, labels[mask])
    shares = log_probs - (log_probs.sum() + total) / max(len(log_probs), 1)
    if shares.requires_grad:
        shares.register_hook(_refuse_weights)
    nothing = torch.zeros_like(mask, dtype=total.dtype)
    return TokenOutput(
        # Without a label token, too, the result is part of the graph.
        log_probs=(nothing + 0 * total).masked_scatter(mask, shares),
        entropy=nothing.masked_scatter(mask, entropy),
        is_top1=torch.zeros_like(mask).masked_scatter(mask, is_top1),
        label_mask=mask,
    )


@torch.no_grad()
def _statistics(
    logits_of: losses.Logits, vocabulary: int, mixed: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probability of the label, entropy in nats, and whether the label is the likeliest, of each token."""
    log_probs, entropy = mixed.new_zeros(len(labels)), mixed.new_zeros(len(labels))
    is_top1 = torch.zeros_like(labels, dtype=torch.bool)
    for part in losses.chunks(len(labels), vocabulary):
        scores = losses.log_softmax(logits_of(mixed[part]))
        log_probs[part] = scores.gather(-1, labels[part, None]).squeeze(-1)
        entropy[part] = -(scores.exp() * scores).sum(-1)
        is_top1[part] = scores.argmax(-1) == labels[part]
    return log_probs, entropy, is_top1


def _refuse_weights(gradient: Tensor) -> None:
    if gradient.min() != gradient.max():
        raise ModbenchError(
            "a loss that weighs label tokens one by one (TRL's loss_type='dft') cannot train an ensemble, whose "
            "objective is a mean over label tokens: use loss_type='nll'"
        )
