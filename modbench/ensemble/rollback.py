"""A model put back as it was: modules, parameters, hooks, flags."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


def snapshot(model: nn.Module) -> Callable[[], None]:
    """A function that gives `model` back the attributes that it and all its modules have now.

    That is the module tree, parameters, buffers, hooks, and what is in their dicts, lists and sets. The weights are
    kept by reference: a tensor that was replaced comes back, one that was written into keeps what was written.
    """
    containers, tensors = [], []
    for module in model.modules():
        attributes = vars(module)
        containers += [
            (value, copy.copy(value))
            for value in (attributes, *attributes.values())
            if isinstance(value, dict | list | set)
        ]
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        tensors.append((tensor, tensor.data, tensor.requires_grad))

    def restore() -> None:
        for container, content in containers:
            container.clear()
            container.extend(content) if isinstance(container, list) else container.update(content)
        for tensor, data, requires_grad in tensors:
            tensor.data = data
            tensor.requires_grad_(requires_grad)

    return restore


@contextmanager
def unchanged_on_error(model: nn.Module) -> Iterator[None]:
    """Puts `model` back as it was (`snapshot`) if the block raises."""
    restore = snapshot(model)
    try:
        yield
    except BaseException:
        restore()
        raise


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """`model` in eval mode within the block; afterwards each module is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
