"""Hooks on a causal LM: late states are kept in slots, and the decoder's output becomes the mixed state.

Nothing of the model is replaced. What the model does after its decoder (slicing, scaling, capping) comes along, at
inference because it is the model that does it, in training because `logits_of` lets the model do it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from modbench.ensemble.anatomy import Anatomy
from modbench.ensemble.mixture import Mixture
from modbench.ensemble.probe import first_tensor
from modbench.errors import ModbenchError


class Attachment:
    """An ensemble on a causal LM until `remove` is called.

    `mixture` is what is mixed in, None for the model as it is. Each forward overwrites the slots, and empties them at
    its end; what a checkpointed layer computes again in the backward pass is not kept.
    """

    def __init__(self, anatomy: Anatomy, k: int) -> None:
        self.anatomy = anatomy
        self.mixture: Mixture | None = None
        self._slots: list[Tensor | None] = [None] * k
        self._normed_last: Tensor | None = None
        self._collected: tuple[list[Tensor], Tensor] | None = None
        self._collecting = self._bypassed = False
        layers = anatomy.layers[-k:]
        self._hooks = [layer.register_forward_hook(self._keeper(slot)) for slot, layer in enumerate(layers)]
        if anatomy.after:  # otherwise the decoder returns the normed state itself
            norm = anatomy.final_norm or (anatomy.before or tuple(layers))[-1]
            self._hooks.append(norm.register_forward_hook(self._keep_normed))
        self._hooks.append(anatomy.decoder.register_forward_hook(self._finish, always_call=True))

    def remove(self) -> None:
        """Takes the hooks off: nothing of the ensemble remains on the model."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    # Hooks -------------------------------------------------------------------------------------------------------

    def _keeper(self, slot: int) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            if not _in_backward():
                self._slots[slot] = first_tensor(output)

        return keep

    def _keep_normed(self, module: nn.Module, args: Any, output: Any) -> None:
        if not _in_backward():
            self._normed_last = first_tensor(output)

    def _finish(self, module: nn.Module, args: Any, output: Any) -> Any:
        if self._bypassed:
            return None
        if output is None or (not self._collecting and self.mixture is None):  # None: the decoder failed
            self._slots, self._normed_last = [None] * len(self._slots), None
            return None
        states, normed_last = self._take()
        held = self._held(output)
        normed_last = held if normed_last is None else normed_last
        if self._collecting:
            self._collected = states, normed_last
            return None
        assert self.mixture is not None
        mix = self.mixture if torch.is_grad_enabled() else self.mixture.mix
        mixed = mix(states, normed_last)
        mixed = self._after(mixed if isinstance(mixed, Tensor) else mixed[0])
        mixed = mixed.to(held.device, held.dtype)
        if mixed.shape != held.shape:
            mixed = mixed.view(held.shape)
        if isinstance(output, ModelOutput):
            setattr(output, self._field(output), mixed)
            return output
        return mixed if output is held else type(output)(mixed if value is held else value for value in output)

    def _field(self, output: ModelOutput) -> str:
        field = self.anatomy.output_field
        return field if isinstance(field, str) else next(iter(output))

    def _held(self, output: Any) -> Tensor:
        """The state in what the decoder returned, in whichever form it was asked to."""
        if isinstance(output, ModelOutput):
            return getattr(output, self._field(output))
        place = self.anatomy.output_field if isinstance(self.anatomy.output_field, int) else 0
        return output if isinstance(output, Tensor) else output[place]

    def _take(self) -> tuple[list[Tensor], Tensor | None]:
        """The late states, earliest first, collapsed to one stream, and the normed last one; the slots are empty."""
        states, normed_last = list(self._slots), self._normed_last
        self._slots, self._normed_last = [None] * len(states), None
        for slot in range(1, len(states)):
            if states[slot] is None:  # a layer that the model skips hands on the state before it
                states[slot] = states[slot - 1]
        if states[0] is None:
            kind = type(self.anatomy.causal_lm).__name__
            raise ModbenchError(f"{kind} skips the first of its last {len(states)} layers: choose another k")
        for module in self.anatomy.before:
            states = [module(state) for state in states]
        return states, normed_last  # type: ignore[return-value]

    def _after(self, mixed: Tensor) -> Tensor:
        for module in self.anatomy.after:
            mixed = module(mixed.to(next(module.parameters(), mixed).dtype))
        return mixed

    # Training ----------------------------------------------------------------------------------------------------

    def late_states(self, model: nn.Module, **inputs: Any) -> tuple[list[Tensor], Tensor]:
        """The k late states (batch, seq, d), earliest first, and the final norm of the last one, for `inputs`.

        `model` is the causal LM or a PeftModel around it; its head sees one position only.
        """
        self._collecting = True
        head = self._head.register_forward_pre_hook(_first_position)
        try:
            model(**inputs)
            collected = self._collected
        finally:
            head.remove()
            self._collecting, self._collected = False, None
        assert collected is not None
        return collected

    @property
    def _head(self) -> Any:
        """The head as it is now: resizing the embeddings puts another in its place."""
        return self.anatomy.causal_lm.get_output_embeddings()

    def logits_of(self, mixed: Tensor) -> Tensor:
        """The model's logits for mixed states (tokens, normed_width) or (batch, seq, normed_width).

        The head module itself is called, so that adapters on it, quantization and offloading work; where the model
        scales or caps its logits, the causal LM's own forward runs on the given states in place of its decoder's.
        """
        anatomy, head, state = self.anatomy, self._head, self._after(mixed)
        state = state.to(_compute_dtype(head, state))
        if anatomy.logits_are_the_heads:
            return head(state).to(mixed.device)  # where a device map puts the head elsewhere
        whole = state if state.dim() == 3 else state.unsqueeze(0)
        with self._standing_in(whole):
            ids = torch.zeros(whole.shape[:2], dtype=torch.long, device=whole.device)
            logits = anatomy.causal_lm(input_ids=ids, use_cache=False, return_dict=True).logits
        return logits if state.dim() == 3 else logits.squeeze(0)

    @contextlib.contextmanager
    def _standing_in(self, state: Tensor) -> Iterator[None]:
        """Lets the decoder answer `state` within the block; the instance's `forward`, if any, is put back."""
        decoder, field = self.anatomy.decoder, self.anatomy.output_field
        earlier = decoder.__dict__.get("forward")

        def answer(*args: Any, **kwargs: Any) -> Any:
            if isinstance(field, str):
                return self.anatomy.output_type(**{field: state})
            return tuple(state if i == field else None for i in range(self.anatomy.output_length))

        self._bypassed = True
        decoder.forward = answer
        try:
            yield
        finally:
            self._bypassed = False
            if earlier is None:
                del decoder.forward
            else:
                decoder.forward = earlier


def is_attached(anatomy: Anatomy) -> bool:
    """Whether an ensemble's hooks stand on this model."""
    hooks = anatomy.decoder._forward_hooks.values()
    return any(isinstance(getattr(hook, "__self__", None), Attachment) for hook in hooks)


def _in_backward() -> bool:
    if torch.compiler.is_compiling():  # what is compiled is computed again without its hooks
        return False
    return torch.is_grad_enabled() and torch._C._current_graph_task_id() != -1


def _first_position(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (args[0][..., :1, :], *args[1:])


def _compute_dtype(head: nn.Module, state: Tensor) -> torch.dtype:
    """The floating-point dtype of the head's weights; that of `state` where they are quantized."""
    weights = (parameter.dtype for parameter in head.parameters() if parameter.dtype.is_floating_point)
    return next(weights, state.dtype)
