"""Methods assembled: what is shared between them, what each trains, what each computes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from modbench import MoDModel
from modbench.errors import ModbenchError
from modbench.methods import METHODS, get_method
from modbench.suites import PAPER_RECIPE, Lora, Recipe
from modbench.training.assembly import assemble

from ..ensemble.conftest import LAYERS, build_base, randomize

LORA = Lora(r=4, alpha=8, dropout=0.0, targets=["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"])
TUNED = [name for name, method in METHODS.items() if method.tuned and method.adapter != "peft"]
TUNED += ["lora_exit_0", "lora_exit_2", "mod_k_top1", "mod_k_top2"]


def recipe(**peft: Any) -> Recipe:
    return PAPER_RECIPE.model_copy(update={"lora": LORA, "peft": peft or None})


def tokens(rows: int = 4, length: int = 10) -> torch.Tensor:
    return torch.randint(3, 31, (rows, length), generator=torch.Generator().manual_seed(0))


def train(mod: MoDModel, steps: int = 3, learning_rate: float = 1e-2) -> MoDModel:
    """`mod` after some AdamW steps, without dropout."""
    mod.train()
    optimizer = torch.optim.AdamW([p for p in mod.parameters() if p.requires_grad], lr=learning_rate, weight_decay=0.0)
    for _ in range(steps):
        mod(tokens(), labels=tokens()).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return mod.eval()


def logits(mod: MoDModel) -> torch.Tensor:
    with torch.no_grad():
        return mod.model(input_ids=tokens()).logits


def adapter_layers(mod: MoDModel) -> set[int]:
    """The layers in which PEFT trains something."""
    found = (re.search(r"\.layers\.(\d+)\.", n) for n, p in mod.model.named_parameters() if p.requires_grad)
    return {int(match[1]) for match in found if match}


@pytest.mark.parametrize("name", TUNED)
def test_after_20_steps_every_trainable_tensor_has_changed_beside_a_bfloat16_base(name: str) -> None:
    mod = assemble(build_base(torch.bfloat16), get_method(name), recipe(), seed=0)
    before = {key: tensor.detach().clone() for key, tensor in mod.named_parameters()}
    trainable = [key for key, parameter in mod.named_parameters() if parameter.requires_grad]
    assert {parameter.dtype for parameter in mod.parameters() if parameter.requires_grad} == {torch.float32}
    train(mod, 20, 3e-4)
    for key, parameter in mod.named_parameters():
        assert torch.equal(parameter, before[key]) != (key in trainable), key


def test_methods_of_a_seed_share_their_lora_initialization() -> None:
    mods = {name: assemble(build_base(), get_method(name), recipe(), seed=3) for name in TUNED}
    reference = {k: v for k, v in mods["lora_all"].model.state_dict().items() if "lora_A" in k}
    assert len(reference) == LAYERS * len(LORA.targets)
    for name, mod in mods.items():
        mine = {k: v for k, v in mod.model.state_dict().items() if "lora_A" in k}
        assert all(torch.equal(value, reference[key]) for key, value in mine.items()), name
        assert len(mine) == len(LORA.targets) * len(get_method(name).tuned_layers(LAYERS)), name
    other = assemble(build_base(), get_method("lora_all"), recipe(), seed=4).model.state_dict()
    assert not any(torch.equal(other[key], value) for key, value in reference.items())


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("lora_not_k", (2, 0, 0)),
        ("lora_all", (5, 0, 0)),
        ("mod_k", (2, 2, 3)),
        ("lora_all_mod_k", (5, 2, 3)),
        ("mod_k_no_distill", (2, 2, 3)),
        ("mod_k_no_norm", (2, 0, 3)),
        ("mod_k_uniform", (2, 2, 0)),
        ("mod_k_last", (2, 0, 0)),
        ("mod_k_top1", (2, 2, 3)),
        ("lora_exit_1", (4, 0, 0)),
        ("mod_k@5", (0, 4, 5)),
    ],
)
def test_what_each_trains(name: str, trained: tuple[int, int, int]) -> None:
    """Layers with LoRA, norms, and columns of the router, of a width of 16."""
    layers, norms, columns = trained
    one_layer = 4 * ((16 + 16) + 2 * (16 + 8) + 2 * (16 + 24))
    mod = assemble(build_base(), get_method(name), recipe(), seed=0)
    assert mod.parameter_counts() == {"lora": layers * one_layer, "norms": 16 * norms, "router": 16 * columns}


def test_weight_one_on_the_last_layer_is_lora_not_k() -> None:
    one, other = (train(assemble(build_base(), get_method(n), recipe(), seed=0)) for n in ("mod_k_last", "lora_not_k"))
    assert torch.equal(logits(one), logits(other))
    assert not torch.equal(logits(one), build_base()(tokens()).logits)


@pytest.mark.parametrize("j", range(LAYERS))
def test_an_early_exit_is_that_layer_through_final_norm_and_head(j: int) -> None:
    mod = train(assemble(build_base(), get_method(f"lora_exit_{j}"), recipe(), seed=0))
    assert adapter_layers(mod) == set(range(LAYERS - j))
    base = mod.model.get_base_model()
    with torch.no_grad(), mod_disabled_ensemble(mod):
        hidden = base(tokens(), output_hidden_states=True).hidden_states
        # hidden_states[layer + 1] is the layer's output; the last entry has been through the final norm.
        state = hidden[-1] if j == 0 else base.model.norm(hidden[LAYERS - j])
        expected = base.lm_head(state)
    assert torch.allclose(logits(mod), expected, rtol=0, atol=1e-12)
    loss = torch.nn.functional.cross_entropy(expected[:, :-1].flatten(0, 1), tokens()[:, 1:].flatten())
    assert mod(tokens(), labels=tokens()).loss.item() == pytest.approx(loss.item(), rel=1e-10)


def mod_disabled_ensemble(mod: MoDModel) -> Any:
    """A block in which the adapter works and the ensemble does not."""
    import contextlib

    @contextlib.contextmanager
    def block() -> Any:
        with mod.disable_adapter():
            mod.model.base_model.enable_adapter_layers()
            yield

    return block()


def test_top_k_is_trained_dense_and_evaluated_sparse() -> None:
    sparse, dense = (assemble(build_base(), get_method(name), recipe(), seed=0) for name in ("mod_k_top1", "mod_k"))
    assert train(sparse).mixture.router.weight.equal(train(dense).mixture.router.weight)
    randomize(sparse)
    randomize(dense)
    assert not torch.allclose(logits(sparse), logits(dense))


def test_faulty_targets_and_too_large_a_k_are_named() -> None:
    wrong = recipe().model_copy(update={"lora": LORA.model_copy(update={"targets": ["q_proj", "c_attn"]})})
    with pytest.raises(ModbenchError, match="c_attn"):
        assemble(build_base(), get_method("mod_k"), wrong, seed=0)
    with pytest.raises(ModbenchError, match="k = 6"):
        assemble(build_base(), get_method("mod_k@6"), recipe(), seed=0)
    with pytest.raises(ModbenchError, match="nothing to train"):
        assemble(build_base(), get_method("lora_not_k@5"), recipe(), seed=0)
