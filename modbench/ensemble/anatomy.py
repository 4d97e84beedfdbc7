"""The parts of a causal LM that the ensemble touches, found by structure: layers, final norm, decoder, head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from modbench.ensemble.probe import Call, probe
from modbench.errors import ModbenchError


@dataclass(frozen=True)
class Anatomy:
    """How a causal LM gets from its layers to its logits.

    The last layer's state passes `before` (modules that collapse several streams; most models have none), the
    `final_norm` (None: the model has none) and `after` (a projection; most have none), and is then the
    `output_field` of what `decoder` returns; the causal LM turns that into logits with `head`.
    """

    causal_lm: Any
    layers: list[Any]
    layers_path: str
    """Dotted name of the layer list inside the causal LM, such as `model.layers`."""
    before: tuple[Any, ...]
    final_norm: Any | None
    after: tuple[Any, ...]
    decoder: Any
    output_type: type
    output_field: str | int
    output_length: int
    """How many values `decoder` returns where it returns a tuple."""
    head: Any
    hidden_width: int
    """Width of a state that the final norm reads."""
    normed_width: int
    """Width of a state that has been through the final norm: what the router reads and the ensemble mixes."""
    vocabulary: int
    """Number of logits per token."""
    logits_are_the_heads: bool
    """Whether the logits are the head's output on the decoder's output, with nothing before or after."""

    @property
    def depth(self) -> int:
        """N, the number of layers."""
        return len(self.layers)

    def tail_parameters(self) -> list[nn.Parameter]:
        """The parameters that turn a mixed state into logits: the head's, and of what stands around it."""
        decoder = {id(parameter) for parameter in self.decoder.parameters()}
        around = [parameter for parameter in self.causal_lm.parameters() if id(parameter) not in decoder]
        own = [parameter for module in (*self.after, self.head) for parameter in module.parameters()]
        return list({id(parameter): parameter for parameter in own + around}.values())

    def late_layers(self, k: int) -> list[int]:
        """Indices, from 0, of the last `k` layers; ModbenchError unless 1 <= k <= N."""
        if not 1 <= k <= self.depth:
            raise ModbenchError(f"k = {k} is not between 1 and {self.depth}, the number of layers of this model")
        return list(range(self.depth - k, self.depth))


def causal_lm(model: nn.Module) -> Any:
    """The Hugging Face causal LM inside `model`, which may be a PeftModel around it."""
    get_base_model = getattr(model, "get_base_model", None)
    return get_base_model() if callable(get_base_model) else model


def find_anatomy(model: nn.Module) -> Anatomy:
    """The anatomy of `model` (a causal LM, plain or inside a PeftModel), read off one forward pass of a twin.

    Found by structure, not by class names: the layer list is the largest ModuleList whose last module's output
    reaches, from module to module, what the decoder returns. Nothing of `model` is changed.
    Raises ModbenchError if the model has no head, no such layers, or no single state that leads from them to it.
    """
    base = causal_lm(model)
    kind = type(base).__name__
    if getattr(getattr(base, "config", None), "is_encoder_decoder", False):
        raise ModbenchError(f"{kind} is an encoder-decoder: the ensemble serves decoders, causal language models")
    get_head = getattr(base, "get_output_embeddings", None)
    head = get_head() if callable(get_head) else None
    if head is None:
        raise ModbenchError(f"{kind} has no output head: the ensemble needs a causal language model")
    if not base.can_generate():
        raise ModbenchError(f"{kind} cannot generate text: the ensemble needs a causal language model")
    lists = _layer_lists(base)
    if not lists:
        raise ModbenchError(f"{kind} has no list of decoder layers that the ensemble could read")
    calls, logits = probe(base, lists)
    for path in lists:
        anatomy = _follow(base, head, path, calls, logits)
        if anatomy is not None:
            return anatomy
    raise ModbenchError(
        f"{kind}: no single state leads from its last layer to its head (layers {', '.join(lists)}): "
        "the ensemble cannot serve this architecture"
    )


def _layer_lists(base: Any) -> list[str]:
    """Paths of the outermost ModuleLists of at least two modules, the one with the most parameters first."""
    paths: list[str] = []
    for path, module in base.named_modules():
        inside = any(path.startswith(outer + ".") for outer in paths)
        if isinstance(module, nn.ModuleList) and len(module) > 1 and not inside:
            paths.append(path)
    sizes = {path: sum(p.numel() for p in base.get_submodule(path).parameters()) for path in paths}
    return sorted(paths, key=lambda path: -sizes[path])


def _follow(base: Any, head: Any, path: str, calls: Sequence[Call], logits: Tensor) -> Anatomy | None:
    """The way from the last layer of the list at `path` to the head, through calls; None if there is none."""
    layers = list(base.get_submodule(path))
    last = f"{path}.{len(layers) - 1}"
    start = next((i for i in reversed(range(len(calls))) if calls[i].name == last), None)
    if start is None or calls[start].state is None:
        return None
    state: Any = calls[start].state
    chain: list[tuple[str, Any, Any]] = []  # name, state in, state out
    rest = list(calls[start + 1 :])
    while True:
        decoder = next((call for call in reversed(rest) if _field(call.output, state) is not None and call.name), None)
        if decoder is not None and path.startswith(decoder.name + "."):
            if state.shape[:-1] != logits.shape[:-1]:  # virtual tokens of the model's own
                return None
            break
        # Calls are listed as they end: of nested modules that read this state the outermost is the last.
        step = next((i for i in reversed(range(len(rest))) if same(rest[i].argument, state)), None)
        if step is None or rest[step].state is None or base.get_submodule(rest[step].name) is head:
            return None
        chain.append((rest[step].name, state, rest[step].state))
        state, rest = rest[step].state, rest[step + 1 :]
    names = [name for name, _, _ in chain]
    place = _norm_place(base, names)
    into: Any = calls[start].state if place is None else chain[place][1]
    out: Any = into if place is None else chain[place][2]
    modules = [base.get_submodule(name) for name in names]
    heads = [call for call in calls if base.get_submodule(call.name) is head]
    return Anatomy(
        causal_lm=base,
        layers=layers,
        layers_path=path,
        before=tuple(modules[:place] if place is not None else ()),
        final_norm=None if place is None else modules[place],
        after=tuple(modules if place is None else modules[place + 1 :]),
        decoder=base.get_submodule(decoder.name),
        output_type=type(decoder.output),
        output_field=_field(decoder.output, state) or 0,
        output_length=len(decoder.output),
        head=head,
        hidden_width=into.shape[-1],
        normed_width=out.shape[-1],
        vocabulary=logits.shape[-1],
        logits_are_the_heads=bool(heads) and heads[-1].output is logits and same(heads[-1].argument, state),
    )


def _field(output: Any, state: Tensor) -> str | int | None:
    """Where `state` lies in what a decoder returned: the name of a ModelOutput's field, the index in a tuple."""
    from transformers.utils import ModelOutput

    if isinstance(output, ModelOutput):
        return next((name for name, value in output.items() if same(value, state)), None)
    if isinstance(output, tuple | list):
        return next((index for index, value in enumerate(output) if same(value, state)), None)
    return None


def _norm_place(base: Any, names: Sequence[str]) -> int | None:
    """Which module of the chain is the final norm: the last one called so, else the first that is not a projection."""
    kinds = [type(original(base.get_submodule(name))).__name__.lower() for name in names]
    norms = [place for place, kind in enumerate(kinds) if "norm" in kind]
    others = [place for place, kind in enumerate(kinds) if "linear" not in kind]
    return norms[-1] if norms else others[0] if others else None


def original(module: Any) -> Any:
    """The model's own module inside PEFT's wrappers (`modules_to_save`, an adapted layer)."""
    while True:
        inner = getattr(module, "original_module", None) or getattr(module, "base_layer", None)
        if inner is None:
            return module
        module = inner


def same(value: Any, state: Tensor) -> bool:
    """Whether `value` is the tensor `state`, or a view of all of it in its shape."""
    return value is state or (getattr(value, "_base", None) is state and value.shape == state.shape)
