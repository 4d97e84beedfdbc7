"""The ensemble the slow way: the model's own code runs once per late layer, on whole logits, under plain autograd.

Written from the definitions and from the models' own source; the only thing it shares with what it checks are the
trained tensors. Layers and norms are found by name, and what stands between the last layer and the logits is run by
putting a state into a pass of the model: at the last layer's output, or at the final norm's.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_LISTS = [
    *("model.H_module.layers", "model.decoder.layers", "model.layers", "transformer.h", "transformer.blocks"),
    *("backbone.layers", "backbone.blocks", "biogpt.layers", "gpt_neox.layers", "gpt_neox_japanese.layers"),
    "rwkv.blocks",
]
FINAL_NORMS = [
    *("model.H_module.final_norm", "model.hyper_connection_mixer", "model.decoder.final_layer_norm", "model.norm"),
    *("model.final_layernorm", "model.final_norm", "model.embedding_norm", "model.layer_norm", "model.norm_f"),
    *("transformer.ln_f", "transformer.layernorm", "transformer.norm_f", "backbone.norm_f", "backbone.out_norm"),
    *("biogpt.layer_norm", "gpt_neox.final_layer_norm", "gpt_neox_japanese.final_layer_norm", "rwkv.ln_out"),
]
NONLINEAR = [
    *("beam", "gemma2", "gemma3_text", "gemma4_text", "gemma4_unified_text", "modernbert-decoder", "nanochat"),
    *("recurrent_gemma", "vaultgemma", "xlstm"),
]
"""The model types that cap their logits or put a non-linear module into their head."""


@contextmanager
def float64_throughout() -> Iterator[None]:
    """Within it float64 tensors stay float64 where a model's code asks for float32, as most norms and softmaxes do."""

    def kept(function: Any) -> Any:
        def call(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            if tensor.dtype == torch.float64:
                args = tuple(torch.float64 if value is torch.float32 else value for value in args)
                kwargs = {name: torch.float64 if value is torch.float32 else value for name, value in kwargs.items()}
            return function(tensor, *args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "float", lambda tensor: tensor.to(torch.float32))
        for owner in (Tensor, torch, F):
            for name in ("to", "type", "softmax", "log_softmax", "sum", "mean", "cumsum"):
                if hasattr(owner, name):
                    patch.setattr(owner, name, kept(getattr(owner, name)))
        yield


@dataclass
class Slow:
    """What one pass gives: `logits` (batch, seq, vocabulary), `layers` (one such per late layer), `gates` (.., k)."""

    logits: Tensor
    layers: list[Tensor]
    gates: Tensor
    output: Any
    """What the model itself returned."""


class Reference(nn.Module):
    """The ensemble with settings `config` and trained `tensors` (`norms.<i>.<name>`, `router.weight`) on `model`.

    `model` is a copy of its own of the base, plain or inside a PeftModel. Norms and router compute in float64 beside a
    float64 model and in float32 beside others.
    """

    def __init__(self, model: Any, config: Any, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.model, self.config = model, config
        self.dtype = torch.float64 if self.base.dtype == torch.float64 else torch.float32
        self.layers, self.norm = list(_first(self.base, LAYER_LISTS)), _first(self.base, FINAL_NORMS)
        # With the same parameters, for passes that must leave no trace: recurrent_gemma keeps its cache in its modules.
        self.stand_in = copy.deepcopy(self.base, {id(parameter): parameter for parameter in self.base.parameters()})
        self.last_layer = list(_first(self.stand_in, LAYER_LISTS))[-1]
        self.stand_in_norm = _first(self.stand_in, FINAL_NORMS)
        own = 0 if config.router == "last" or self.norm is None else config.k - 1 + config.train_last_norm
        self.norms = nn.ModuleList(copy.deepcopy(self.norm).to(self.dtype) for _ in range(own))
        for i, norm in enumerate(self.norms):
            start = f"norms.{i}."
            norm.load_state_dict({name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)})
        self.router: Any = nn.Module()
        if config.router == "linear":
            self.router.weight = nn.Parameter(tensors["router.weight"].clone())
        for parameter in self.base.parameters() if model is self.base else ():
            parameter.requires_grad_(False)
        self.norms.requires_grad_(config.train_norms)
        if config.train_last_norm and own:
            self.norms[-1].requires_grad_(True)

    def forward(self, **inputs: Any) -> Slow:
        """The ensemble's logits, per-layer logits and gates for the inputs of the model's own forward."""
        output, states = self._late_states(inputs)
        last = states[-1] if self.norm is None else self.norm(states[-1])
        normed = [state.to(self.dtype) for state in states]
        normed = [norm(state) for norm, state in zip(self.norms, normed, strict=False)] + normed[len(self.norms) :]
        if not self.config.train_last_norm:
            normed[-1] = last.to(self.dtype)
        gates = self._gates(states[-1] if self.config.router_input == "hidden" else last)
        layers = [self._tail(state.to(last.dtype)) for state in normed]
        if self.base.config.model_type in NONLINEAR:
            logits = self._tail(_weighted_sum(gates, normed).to(last.dtype))
        else:
            logits = _weighted_sum(gates, layers)
        return Slow(logits, layers, gates, output)

    def losses(self, labels: Tensor, count: int | None = None, **inputs: Any) -> tuple[Tensor, Tensor]:
        """L_task and L_distill in nats per label token (or summed and divided by `count`) for `labels` (batch, seq)."""
        return self.losses_of(self(**inputs), labels, count)

    def losses_of(self, slow: Slow, labels: Tensor, count: int | None = None) -> tuple[Tensor, Tensor]:
        """The losses of a pass that was run."""
        keep = labels[:, 1:] != -100
        count = max(1, int(keep.sum())) if count is None else count

        def at_labels(logits: Tensor) -> Tensor:
            return logits[:, -labels.shape[1] : -1][keep].to(self.dtype)

        task = F.cross_entropy(at_labels(slow.logits), labels[:, 1:][keep], reduction="sum")
        teacher = at_labels(slow.layers[-1]).log_softmax(-1)
        if self.config.distill_detach:
            teacher = teacher.detach()
        distill = torch.zeros((), dtype=self.dtype)
        if self.config.router != "last":
            for layer in slow.layers[:-1]:
                student = at_labels(layer).log_softmax(-1)
                distill = distill + (student.exp() * (student - teacher)).sum()
        return task / count, distill / count

    def gradients(self, labels: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """The gradient of L_task + lambda L_distill by parameter name: norms, router, and the model's trained ones."""
        task, distill = self.losses(labels, **inputs)
        (task + self.config.distill_weight * distill).backward()
        return trained_gradients(self, self.model)

    @torch.no_grad()
    def generate(self, **inputs: Any) -> Any:
        """The model's own `generate`, in which every forward returns the reference's logits."""
        model, base, forward = self.model, self.base, self.base.forward

        @functools.wraps(forward)
        def slow(**inputs: Any) -> Any:
            base.forward = forward
            try:
                found = self(**inputs)
            finally:
                base.forward = slow
            found.output["logits"] = found.logits
            return found.output

        base.forward = slow
        self.model = base  # what a PeftModel adds to the inputs it adds before generation
        try:
            return model.generate(**inputs)
        finally:
            self.model = model
            del base.forward

    # How the pieces are computed -----------------------------------------------------------------------------------

    def _late_states(self, inputs: dict[str, Any]) -> tuple[Any, list[Tensor]]:
        """What the model returns, and its last k layers' states as they would reach the final norm, earliest first."""
        found: dict[int, Tensor] = {}
        depth, k = len(self.layers), self.config.k
        with _watching(self.layers, self.norm, found):
            output = self.model(**inputs)
        last = found[max(index for index in found if index < depth)]
        if self.norm is None:
            found[depth] = last
        states = []
        for index in range(depth - k, depth):  # a layer that the model skips hands on the state before it
            states.append(next(found[i] for i in range(index, -1, -1) if i in found))
        if found[depth] is last:
            return output, states
        return output, [self._collapsed(state) for state in states]

    def _collapsed(self, state: Tensor) -> Tensor:
        """What the model gives its final norm when its last layer has returned `state`, of several streams."""
        found: dict[int, Tensor] = {}
        with _watching([], self.stand_in_norm, found):
            self._pass_with(self.last_layer, state)
        return found[0]

    def _tail(self, normed: Tensor) -> Tensor:
        """The model's logits when its final norm (without one: its last layer) has returned `normed`."""
        return self._pass_with(self.stand_in_norm or self.last_layer, normed).logits

    def _pass_with(self, module: nn.Module, state: Tensor) -> Any:
        """A pass over arbitrary tokens in which `module` returns `state`."""
        handle = module.register_forward_hook(lambda module, args, output: _with_first(output, state))
        try:
            return self.stand_in(input_ids=torch.ones(state.shape[:2], dtype=torch.long), use_cache=False)
        finally:
            handle.remove()

    def _gates(self, state: Tensor) -> Tensor:
        """Routing weights (.., k), row by row: the softmax of the scores that are kept, ties to the later layer."""
        k, config = self.config.k, self.config
        if config.router != "linear":
            shares = {"uniform": [1 / k] * k, "first": [1.0] + [0.0] * (k - 1), "last": [0.0] * (k - 1) + [1.0]}
            return torch.tensor(shares[config.router], dtype=self.dtype).expand(*state.shape[:-1], k)
        offset = torch.tensor([0.0] * (k - 1) + [3.0 if config.router_init == "last" else 0.0], dtype=self.dtype)
        rows = []
        for x in state.to(self.dtype).flatten(0, -2):
            scores = (self.router.weight * x).sum(-1) + offset
            order = sorted(range(k), key=lambda i: (scores[i].item(), i), reverse=True)
            sparse = config.top_k is not None and (config.train_top_k or not self.training)
            kept = order[: config.top_k] if sparse else order
            powers = [(scores[i] - scores[order[0]]).exp() if i in kept else scores[i] * 0 for i in range(k)]
            rows.append(torch.stack(powers) / sum(powers))
        return torch.stack(rows).view(*state.shape[:-1], k)


def trained_gradients(ensemble: nn.Module, model: nn.Module) -> dict[str, Tensor]:
    """Gradients by name of what is trained: norms and router in `ensemble`, PEFT's parameters in `model`."""
    ours = {name: p for name, p in ensemble.named_parameters() if name.startswith(("norms.", "router."))}
    theirs = {f"model.{name}": p for name, p in model.named_parameters()}
    trained = {name: p for name, p in (ours | theirs).items() if p.requires_grad}
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in trained.items()}


def relative_error(a: Tensor, b: Tensor) -> float:
    """max|a - b| / max|b|, or max|a| where b is 0; infinite where one is not finite."""
    assert a.shape == b.shape, f"{tuple(a.shape)} is not {tuple(b.shape)}"
    a, b = a.detach().double(), b.detach().double()
    difference, scale = (a - b).abs().max(), b.abs().max()
    error = float(difference / scale) if scale > 0 else float(difference)
    return error if math.isfinite(error) else math.inf


def _weighted_sum(gates: Tensor, parts: Sequence[Tensor]) -> Tensor:
    total = gates[..., :1] * parts[0]
    for i in range(1, len(parts)):
        total = total + gates[..., i : i + 1] * parts[i]
    return total


def _first(model: nn.Module, paths: Sequence[str]) -> Any:
    """The first of `paths` that `model` has, None if it has none."""
    found = dict(model.named_modules())
    return next((found[path] for path in paths if path in found), None)


@contextmanager
def _watching(layers: Sequence[nn.Module], norm: Any, found: dict[int, Tensor]) -> Iterator[None]:
    """Keeps in `found`, by index, what each of `layers` returned in its last call, and after them what `norm` got."""

    def keep(index: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            found[index] = output if isinstance(output, Tensor) else output[0]

        return hook

    handles = [layer.register_forward_hook(keep(index)) for index, layer in enumerate(layers)]
    if norm is not None:
        handles.append(norm.register_forward_pre_hook(lambda module, args: found.update({len(layers): args[0]})))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _with_first(output: Any, state: Tensor) -> Any:
    """`output` with `state` for the tensor, or for the first of several, that it is."""
    return state if isinstance(output, Tensor) else type(output)([state, *output[1:]])
