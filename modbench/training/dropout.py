"""Dropout that methods of one seed share."""

from __future__ import annotations

from random import Random
from typing import Any

from transformers import TrainerCallback


class SharedMasks(TrainerCallback):
    """Seeds torch's generator before every batch, from the training's seed, the step and the batch within it.

    Dropout draws from that one generator, layer after layer. Seeded once, a method with more adapters would leave it
    elsewhere after the first batch; seeded per batch, all methods of a seed drop the same inputs in the layers that
    they share. (Processes of one training differ.)
    """

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.batch = 0
        self._seed(args, state)

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.batch += 1
        self._seed(args, state)

    def _seed(self, args: Any, state: Any) -> None:
        import torch

        draw = Random(f"{args.seed} {state.global_step} {self.batch} {args.process_index}")
        torch.manual_seed(draw.getrandbits(63))
