"""One forward pass of a causal LM, watched: which modules were called, with what, in which order.

The pass runs on a twin on the meta device: the modules are copied, the weights are not, and nothing is computed. Of
every layer list only the last layer takes part, then all of them; where neither works (shapes that depend on values,
kernels of their own), two tokens go through the model itself.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from modbench.ensemble.rollback import evaluating
from modbench.errors import ModbenchError, reason


@dataclass(frozen=True)
class Call:
    """One call of a module in a forward pass: its name, the tensor that it was given first, what it returned."""

    name: str
    argument: Tensor | None
    output: Any

    @property
    def state(self) -> Tensor | None:
        """The state that the module returned: the tensor itself, or the first of several."""
        return first_tensor(self.output)


def first_tensor(output: Any) -> Tensor | None:
    """The state in what a module returned: a tensor, or the first of a tuple or a list."""
    if isinstance(output, list | tuple) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def probe(base: Any, lists: Sequence[str]) -> tuple[list[Call], Tensor]:
    """The calls, in the order in which they ended, of all modules outside layers and of the layers, and the logits.

    `lists` are the paths of the layer lists. Nothing of `base` is changed. Raises ModbenchError if it cannot be run.
    """
    for cut in (True, False):
        with suppress(Exception):  # the next way will tell
            twin = _twin(base, lists if cut else ())
            with _Ones():
                return _watch(twin, lists, torch.device("meta"))
    weight = base.get_input_embeddings().weight
    try:
        return _watch(base, lists, torch.device("cpu") if weight.is_meta else weight.device)  # meta: it is offloaded
    except Exception as error:
        raise ModbenchError(
            f"{type(base).__name__} does not run on two tokens of text ({reason(error)}): "
            "the ensemble serves text-only causal language models"
        ) from None


class _Ones(TorchDispatchMode):
    """Answers 1 to code that asks the meta device for a value: whether all of a mask is 1, say.

    RuntimeError after a thousand answers, for a loop may wait for another one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left = 1000

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            self._left -= 1
            if self._left < 0:
                raise RuntimeError("asked for too many values")
            return torch.ones((), dtype=args[0].dtype).item()
        return func(*args, **(kwargs or {}))


def without_weights(model: nn.Module) -> dict[int, Any]:
    """A memo for `copy.deepcopy` by which the copy has its parameters, frozen, and its buffers on the meta device."""
    memo: dict[int, Any] = {
        id(parameter): nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
        for parameter in model.parameters()
    }
    return memo | {id(buffer): torch.empty_like(buffer, device="meta") for buffer in model.buffers()}


def _twin(base: nn.Module, cut: Sequence[str]) -> nn.Module:
    """A copy of the modules of `base` on the meta device, with only the last layer of each list in `cut`."""
    memo: dict[int, Any] = {}
    for path in cut:
        for layer in list(base.get_submodule(path).children())[:-1]:
            memo[id(layer)] = nn.Identity()
    memo |= without_weights(base)
    for module in base.modules():
        if isinstance(module, nn.Linear) and not module.weight.is_floating_point():
            # Quantized weights work on their own device only, and some are packed anew when they do.
            dtype: Any = base.dtype
            plain = nn.Linear(module.in_features, module.out_features, module.bias is not None, "meta", dtype)
            memo[id(module)] = plain
    hooked = [module._hf_hook for module in base.modules() if hasattr(module, "_hf_hook")]
    if hooked:  # accelerate's hooks hold the offloaded weights: they stay behind
        from accelerate.hooks import ModelHook

        memo.update((id(hook), ModelHook()) for hook in hooked)
    twin = copy.deepcopy(base, memo)
    if hooked:
        from accelerate.hooks import remove_hook_from_module

        remove_hook_from_module(twin, recurse=True)
    for module in twin.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    for path in cut:
        modules = twin.get_submodule(path)._modules
        for name in list(modules)[:-1]:
            del modules[name]
    # The other implementations look at values: of the mask, of the choice of experts.
    twin.config._attn_implementation = "eager"  # type: ignore[union-attr]
    twin.config._experts_implementation = "batched_mm"  # type: ignore[union-attr]
    return twin


def _watch(model: Any, lists: Sequence[str], device: torch.device) -> tuple[list[Call], Tensor]:
    calls: list[Call] = []

    def note(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
            calls.append(Call(name, next(tensors, None), output))

        return hook

    with ExitStack() as undo, torch.no_grad():
        undo.enter_context(evaluating(model))
        for name, module in model.named_modules():
            # What happens inside a layer is its own affair.
            if not any(name.startswith(path + ".") and "." in name[len(path) + 1 :] for path in lists):
                undo.callback(module.register_forward_hook(note(name), with_kwargs=True).remove)
        ids = torch.zeros(1, 2, dtype=torch.long, device=device)
        # With a mask given nobody has to look into the positions, which the meta device could not answer.
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, return_dict=True)
    return calls, output.logits
