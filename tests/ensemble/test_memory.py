"""What is kept of a forward pass: k late states while it runs, nothing afterwards, nothing after a failure."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modbench import MoDConfig, MoDModel, get_mod_model

from .conftest import LAYERS
from .reference import relative_error

IDS = torch.arange(3, 12).view(1, -1)
WAYS: dict[str, Callable[[MoDModel], Any]] = {
    "a forward": lambda mod: mod(input_ids=IDS).logits,
    "the states": lambda mod: mod.late_states(input_ids=IDS) and None,
    "a loss": lambda mod: mod(input_ids=IDS, labels=IDS).loss.item(),
    "a generation": lambda mod: mod.generate(input_ids=IDS, max_new_tokens=3, do_sample=False),
}


@pytest.fixture
def states(request: pytest.FixtureRequest, make_base: Callable[..., Any]) -> Iterator[tuple[Any, list[Any]]]:
    """A base and, as it runs, weak references to what its layers returned."""
    base, found = make_base(), []

    def keep(module: nn.Module, args: Any, output: Tensor) -> None:
        found.append(weakref.ref(output))

    hooks = [layer.register_forward_hook(keep) for layer in base.model.layers]
    yield base, found
    for hook in hooks:
        hook.remove()


def alive(states: list[Any]) -> list[int]:
    """Which of the layer outputs still exist, by their number."""
    if any(state() is not None for state in states):
        gc.collect()  # slow: only where something is left
    return [number for number, state in enumerate(states) if state() is not None]


@pytest.mark.parametrize("k", [1, 3, LAYERS])
@torch.no_grad()
def test_k_states_exist_where_the_decoder_ends_and_none_afterwards(k: int, states: tuple[Any, list[Any]]) -> None:
    base, found = states
    at_the_end: list[list[int]] = []
    base.model.norm.register_forward_hook(lambda *_: at_the_end.append(alive(found)))
    mod = get_mod_model(base, MoDConfig(k=k, train_last_norm=k == 1))
    mod(input_ids=IDS)
    assert at_the_end == [list(range(LAYERS - k, LAYERS))]
    assert alive(found) == []


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_kept(way: str, grad: bool, states: tuple[Any, list[Any]]) -> None:
    base, found = states
    mod = get_mod_model(base, MoDConfig())
    with torch.set_grad_enabled(grad):
        WAYS[way](mod)
        assert len(found) >= LAYERS and alive(found) == []
        with mod.disable_adapter():
            mod(input_ids=IDS)
    assert alive(found) == []


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["model.layers.3", "model.layers.4", "model.norm", "lm_head"])
def test_nothing_is_left_of_a_forward_that_fails(
    place: str, way: str, grad: bool, states: tuple[Any, list[Any]]
) -> None:
    base, found = states
    mod = get_mod_model(base, MoDConfig())
    with torch.set_grad_enabled(grad):
        expected = mod(input_ids=IDS).logits
        hooks = len(base.lm_head._forward_pre_hooks)

        def fail(*args: Any) -> None:
            raise torch.OutOfMemoryError("simulated")

        failing = base.get_submodule(place).register_forward_pre_hook(fail)
        found.clear()
        with pytest.raises(torch.OutOfMemoryError):
            WAYS[way](mod)
        assert len(found) >= 3 and alive(found) == []
        failing.remove()
        assert len(base.lm_head._forward_pre_hooks) == hooks
        assert torch.equal(mod(input_ids=IDS[:, :4]).logits, mod(input_ids=IDS[:, :4]).logits)
        assert relative_error(mod(input_ids=IDS).logits, expected) == 0
    found.clear()
    del expected
    assert alive(found) == []
