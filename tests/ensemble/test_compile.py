"""torch.compile and caches of fixed shape: the same results, in one graph, traced once and not per token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch._dynamo.utils import counters
from transformers import CompileConfig, StaticCache

from modbench import MoDConfig, MoDModel, get_mod_model

from .conftest import build_base, randomize
from .reference import relative_error, trained_gradients
from .zoo import build

IDS = torch.randint(3, 31, (2, 9), generator=torch.Generator().manual_seed(1))
LABELS = IDS.clone().masked_fill(IDS < 9, -100)
GREEDY: dict[str, Any] = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
SETTINGS = [
    pytest.param({}, id="dense"),
    pytest.param({"top_k": 2, "router_input": "hidden"}, id="top 2", marks=pytest.mark.long),
    pytest.param({"train_last_norm": True}, id="last norm trained", marks=pytest.mark.long),
]
EXACT = 1e-5


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


COMPILER = [pytest.mark.long, pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs g++")]


@pytest.fixture(params=["eager", pytest.param("inductor", marks=COMPILER)])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def small() -> Any:
    """A base of three layers: tracing takes its time."""
    base = build_base(torch.float32)
    base.model.layers = base.model.layers[:3]
    base.config.num_hidden_layers = 3
    return base


def ensemble(**config: Any) -> MoDModel:
    return randomize(get_mod_model(small(), MoDConfig(**config))).eval()


def adapted() -> MoDModel:
    torch.manual_seed(5)
    lora = LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    return randomize(get_mod_model(get_peft_model(small(), lora), MoDConfig(distill_detach=False)))


def graphs() -> int:
    return counters["stats"]["unique_graphs"]


@pytest.mark.long
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("compiled", ["the model inside", "the whole"])
@torch.no_grad()
def test_a_forward_is_one_graph(compiled: str, setting: dict[str, Any], backend: str) -> None:
    mod, eager = ensemble(**setting), ensemble(**setting)
    forward: Any = torch.compile(mod if compiled == "the whole" else mod.model, backend=backend, fullgraph=True)
    assert relative_error(forward(input_ids=IDS).logits, eager(input_ids=IDS).logits) < EXACT
    assert graphs() == 1
    with mod.disable_adapter():  # seen by what is compiled
        assert relative_error(forward(input_ids=IDS).logits, small()(input_ids=IDS).logits) < EXACT


@pytest.mark.parametrize("setting", SETTINGS)
@torch.no_grad()
def test_decoding_is_not_compiled_anew_per_token(setting: dict[str, Any], backend: str) -> None:
    mod = ensemble(**setting)
    steps: list[Any] = [mod.model, torch.compile(mod.model, backend=backend, fullgraph=True)]
    caches = [StaticCache(mod.model.config, max_cache_len=32) for _ in steps]
    ids, start, seen = IDS, 0, []
    for _ in range(6):
        places = torch.arange(start, start + ids.shape[1])[None]
        inputs = {"input_ids": ids, "position_ids": places, "use_cache": True}
        expected, found = (
            step(past_key_values=cache, **inputs).logits[:, -1:] for step, cache in zip(steps, caches, strict=True)
        )
        assert relative_error(found, expected) < EXACT
        start, ids = start + ids.shape[1], expected.argmax(-1)
        seen.append(graphs())
    assert seen == [1, 2, 2, 2, 2, 2]  # one for the prompt, one for all tokens


@pytest.mark.parametrize("setting", SETTINGS)
def test_generation_with_a_static_cache(setting: dict[str, Any], backend: str) -> None:
    """As transformers does it on a GPU: the prompt as it is, the decoding step compiled."""
    mod = ensemble(**setting)
    expected = mod.generate(input_ids=IDS, **GREEDY).tolist()
    config = CompileConfig(backend=backend, mode=None, fullgraph=True)
    config._compile_all_devices = True
    ways: dict[str, Any] = {"cache_implementation": "static", "compile_config": config}
    assert mod.generate(input_ids=IDS, **GREEDY, **ways).tolist() == expected
    assert graphs() == 1
    assert mod.generate(input_ids=IDS, **GREEDY, **ways).tolist() == expected
    assert graphs() == 1
    with mod.disable_adapter():
        plain = small().generate(input_ids=IDS, **GREEDY).tolist()
        assert mod.generate(input_ids=IDS, **GREEDY, **ways).tolist() == plain
    base = mod.unload()
    assert base.generate(input_ids=IDS, **GREEDY, **ways).tolist() == plain


@pytest.mark.long
@torch.no_grad()
def test_what_is_compiled_follows_the_verbs(backend: str) -> None:
    mod = ensemble()
    mod.add_adapter("second", MoDConfig(k=2), seed=1)
    mod.mixtures["second"].router.weight.data += 0.5 * torch.randn(2, 16, generator=torch.Generator().manual_seed(9))
    forward: Any = torch.compile(mod.model, backend=backend, fullgraph=True)
    seen = []
    for name in ("default", "second", "default"):
        mod.set_adapter(name)
        seen.append(forward(input_ids=IDS).logits)
        assert relative_error(seen[-1], mod(input_ids=IDS).logits) < EXACT
    assert relative_error(seen[0], seen[1]) > 1e-2
    base = mod.unload()
    assert relative_error(forward(input_ids=IDS).logits, small()(input_ids=IDS).logits) < EXACT
    other = randomize(get_mod_model(base, MoDConfig()), seed=3).eval()
    assert relative_error(forward(input_ids=IDS).logits, other(input_ids=IDS).logits) < EXACT


def train(mod: MoDModel, call: Any) -> tuple[Any, dict[str, Tensor]]:
    mod.train()
    output = call(input_ids=IDS, labels=LABELS)
    output.loss.backward()
    return output, trained_gradients(mod.mixture, mod.model)


@pytest.mark.parametrize("checkpointing", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "compiled",
    ["the layers", *(pytest.param(name, marks=pytest.mark.long) for name in ("the model inside", "the whole"))],
)
def test_a_training_step(compiled: str, checkpointing: bool, backend: str) -> None:
    mod, eager = adapted(), adapted()
    if checkpointing:
        mod.model.gradient_checkpointing_enable({"use_reentrant": False})
        mod.model.enable_input_require_grads()
    call: Any = mod
    if compiled == "the whole":
        call = torch.compile(mod, backend=backend)
    elif compiled == "the layers":
        for layer in mod.anatomy.layers:
            layer.compile(backend=backend)
    else:
        mod.model.get_base_model().compile(backend=backend, fullgraph=not checkpointing)
    output, gradients = train(mod, call)
    expected, exact_gradients = train(eager, eager)
    for name in ("loss", "loss_task", "loss_distill"):
        assert relative_error(output[name].detach(), expected[name].detach()) < EXACT, name
    assert gradients.keys() == exact_gradients.keys()
    for name, gradient in gradients.items():
        assert relative_error(gradient, exact_gradients[name]) < 10 * EXACT, name
    before = graphs()
    assert before > 0
    mod.zero_grad()
    train(mod, call)
    assert graphs() == before


# Other caches -------------------------------------------------------------------------------------------------------


def sliding(name: str) -> Any:
    """A model of a type whose attention sees the last 4 tokens only, in all layers or in every other one."""
    model: Any = build(name, dtype=torch.float32)
    model.config.sliding_window = 4
    for layer in model.model.layers:
        if getattr(layer.self_attn, "sliding_window", None) is not None or name == "mistral":
            layer.self_attn.sliding_window = 4
    return model


@pytest.mark.parametrize("ways", [{"cache_implementation": "static"}, {"cache_implementation": "dynamic"}, {}], ids=str)
@pytest.mark.parametrize("name", ["mistral", "gemma2", "qwen2"])
def test_sliding_windows(name: str, ways: dict[str, Any]) -> None:
    mod = randomize(get_mod_model(sliding(name), MoDConfig())).eval()
    expected = mod.generate(input_ids=IDS, **GREEDY, use_cache=False).tolist()
    assert mod.generate(input_ids=IDS, **GREEDY, **ways).tolist() == expected
    with mod.disable_adapter():
        assert mod.generate(input_ids=IDS, **GREEDY).tolist() != expected


def test_assisted_generation() -> None:
    """A draft model proposes and the ensemble decides; and the ensemble as the draft of its own base."""
    mod = ensemble()
    expected = mod.generate(input_ids=IDS[:1], **GREEDY).tolist()
    draft = build_base(torch.float32, seed=3)
    assert mod.generate(input_ids=IDS[:1], **GREEDY, assistant_model=draft).tolist() == expected
    assert mod.generate(input_ids=IDS[:1], **GREEDY, prompt_lookup_num_tokens=2).tolist() == expected
    plain = small().generate(input_ids=IDS[:1], **GREEDY).tolist()
    assert plain != expected
    base = small()
    assert base.generate(input_ids=IDS[:1], **GREEDY, assistant_model=mod.get_base_model()).tolist() == plain
