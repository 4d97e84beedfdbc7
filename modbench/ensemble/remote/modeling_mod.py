"""A causal language model that answers from an ensemble of its late layers (Mixture of Depths, arXiv:2410.13077).

`modbench export` wrote this file beside the weights that it serves; it needs torch and transformers, not modbench.
The model is the class of transformers that is imported below. Each of its last k layers has a norm N_i, and a router
gives it a weight G_i for each token; the head receives one state, sum_i G_i N_i(h_i). The head is linear and the
weights sum to 1, so this is the weighted sum of the logits of all k layers, for one pass through the head.
It is made for inference: to tune further, train the adapter that it was exported from.
"""

import copy
from dataclasses import field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig as BaseConfig
from transformers import LlamaForCausalLM as BaseModel
from transformers.utils import ModelOutput


class MoDLlamaConfig(BaseConfig):
    """The base model's configuration, and in `mod` the ensemble's.

    `k` is the number of late layers, `norms` how many of them, from the first, have a norm of their own; the rest go
    by the final norm. `router` is linear, uniform or first; a linear one reads the last layer's state before (hidden)
    or after (normed) the final norm, adds `last_offset` to the last layer's score, and keeps the `top_k` highest
    scores (None: all). The others say where things are: `layers`, `norm` (None: there is none) and `decoder` are
    dotted names; `before` and `after` name what a state passes between its layer and the norm, and between the norm
    and the `output_field` of what the decoder returns.
    """

    model_type = f"mod-{BaseConfig.model_type}"
    mod: dict[str, Any] = field(default_factory=dict)


class Mixture(nn.Module):
    """Norms and router: stored, and computed, in float32 whatever the dtype of the model."""

    def __init__(self, settings: dict[str, Any], final_norm: nn.Module) -> None:
        super().__init__()
        self.settings = settings
        self.k = settings["k"]
        self.norms = nn.ModuleList(copy.deepcopy(final_norm).float() for _ in range(settings["norms"]))
        self.router: nn.Linear | None = None
        if settings["router"] == "linear":
            self.router = nn.Linear(settings["width"], self.k, bias=False, dtype=torch.float32)

    def _apply(self, change: Any, recurse: bool = True) -> "Mixture":
        # Casting the model takes norms and router along to its device, but leaves them their precision.
        def keep(tensor: Tensor) -> Tensor:
            changed: Tensor = change(tensor)
            return changed if changed.dtype == tensor.dtype else tensor.to(changed.device)

        return super()._apply(keep, recurse)

    def gates(self, last: Tensor, normed_last: Tensor) -> Tensor:
        """The weights of the k layers: (..., k), with `top_k` all but that many exactly 0."""
        if self.router is None:
            gates = torch.zeros(self.k, device=normed_last.device, dtype=torch.float32)
            if self.settings["router"] == "uniform":
                gates += 1 / self.k
            else:
                gates[0] = 1
            return gates.expand(*normed_last.shape[:-1], self.k)
        scores = self.router(normed_last if self.settings["router_input"] == "normed" else last.float())
        if self.settings["last_offset"]:
            scores = scores + scores.new_tensor([0.0] * (self.k - 1) + [self.settings["last_offset"]])
        top_k = self.settings["top_k"]
        if top_k is not None and top_k < self.k:
            # A stable sort of the reversed scores: ties go to the later layer.
            order = scores.flip(-1).sort(dim=-1, descending=True, stable=True).indices[..., top_k:]
            scores = scores.scatter(-1, self.k - 1 - order, float("-inf"))
        return scores.softmax(dim=-1)

    def forward(self, states: list[Tensor], normed_last: Tensor) -> Tensor:
        """The mixed state (..., d) of k states h_i (..., d), earliest first, and the final norm of the last one."""
        kind = normed_last.device.type
        if torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self(states, normed_last)
        states, normed_last = [state.to(normed_last.device) for state in states], normed_last.float()
        gates = self.gates(states[-1], normed_last)
        normed = [norm(state.float()) for norm, state in zip(self.norms, states, strict=False)]
        normed += [normed_last] * (self.k - len(normed))
        shares = gates.unsqueeze(-1).unbind(-2)
        mixed = shares[0] * normed[0]
        for share, state in zip(shares[1:], normed[1:], strict=True):
            mixed = torch.addcmul(mixed, share, state)
        return mixed


class MoDLlamaForCausalLM(BaseModel):
    """The base model with hooks that keep the late layers' states and put the mixed one into the decoder's output."""

    config_class = MoDLlamaConfig

    def __init__(self, config: MoDLlamaConfig) -> None:
        super().__init__(config)
        self.settings = settings = config.mod
        self._keep_in_fp32_modules = {*(self._keep_in_fp32_modules or ()), r"^mod\."}
        self._keep_in_fp32_modules_strict = {*(self._keep_in_fp32_modules_strict or ()), r"^mod\."}
        layers = list(self.get_submodule(settings["layers"]).children())[-settings["k"] :]
        norm = None if settings["norm"] is None else self.get_submodule(settings["norm"])
        self.mod = Mixture(settings, norm or nn.Identity())
        # One slot for each late layer's state, and one for the last state after the final norm.
        self._states: list[Tensor | None] = [None] * (settings["k"] + 1)
        for slot, layer in enumerate(layers):
            layer.register_forward_hook(partial(self._keep, slot))
        if settings["after"]:  # otherwise the decoder returns the normed state itself
            norm = norm or [*layers, *map(self.get_submodule, settings["before"])][-1]
            norm.register_forward_hook(partial(self._keep, settings["k"]))
        self.get_submodule(settings["decoder"]).register_forward_hook(self._mix)

    @classmethod
    def is_custom_code(cls) -> bool:
        """False: what is no weight, such as falcon_h1's multipliers, is set up by transformers' own code."""
        return False

    def _keep(self, slot: int, module: nn.Module, args: Any, output: Any) -> None:
        self._states[slot] = output[0] if isinstance(output, tuple | list) else output

    def _mix(self, module: nn.Module, args: Any, output: Any) -> Any:
        place = self.settings["output_field"]
        if isinstance(output, ModelOutput):
            place = place if isinstance(place, str) else next(iter(output))
        else:
            place = place if isinstance(place, int) else 0
        held = output[place]
        *states, normed_last = self._states
        self._states = [None] * len(self._states)
        for slot in range(1, len(states)):
            if states[slot] is None:  # a layer that the model skips hands on the state before it
                states[slot] = states[slot - 1]
        for name in self.settings["before"]:
            states = [self.get_submodule(name)(state) for state in states]
        state = self.mod(states, held if normed_last is None else normed_last)
        for name in self.settings["after"]:
            part = self.get_submodule(name)
            state = part(state.to(next(part.parameters(), state).dtype))
        state = state.to(held.device, held.dtype).view(held.shape)
        if isinstance(output, ModelOutput):
            output[place] = state
            return output
        return tuple(state if value is held else value for value in output)
