"""Half-precision bases and autocast: the ensemble itself computes in float32 whatever is around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F

from modbench import MoDConfig, MoDModel, get_mod_model

from .conftest import build_base, randomize
from .reference import relative_error, trained_gradients

IDS = torch.randint(3, 31, (2, 9), generator=torch.Generator().manual_seed(1))
LABELS = IDS.clone().masked_fill(IDS < 9, -100)
BETWEEN = {torch.float16: 0.02, torch.bfloat16: 0.1}
"""How far a tiny model in a half precision may be from the same in float32, as max|a - b| / max|b|."""


class HeadInFloat32(nn.Linear):
    """A head that casts what it gets, as those do who want their logits in full precision."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input.float(), self.weight)


def with_lora(base: Any) -> Any:
    torch.manual_seed(5)
    return get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False))


def ensemble(dtype: torch.dtype, change: Callable[[Any], Any] = lambda base: base) -> MoDModel:
    return randomize(get_mod_model(change(build_base(dtype)), MoDConfig(distill_detach=False))).eval()


def train(mod: MoDModel, scale: float = 1.0) -> tuple[Any, dict[str, Tensor]]:
    """The output with labels, and the gradients by name, of the loss times `scale`."""
    mod.zero_grad()
    output = mod.train()(input_ids=IDS, labels=LABELS)
    (output.loss * scale).backward()
    mod.eval()
    return output, {name: grad.clone() for name, grad in trained_gradients(mod.mixture, mod.model).items()}


def assert_near(mod: MoDModel, exact: MoDModel, tolerance: float) -> None:
    """Logits, losses and gradients of the one are those of the other to within `tolerance`, and finite."""
    with torch.no_grad():
        assert relative_error(mod(input_ids=IDS).logits, exact(input_ids=IDS).logits) < tolerance
    (output, gradients), (expected, exact_gradients) = train(mod), train(exact)
    assert output.loss.dtype == torch.float32
    for name in ("loss", "loss_task", "loss_distill", "logits"):
        assert relative_error(output[name].detach(), expected[name].detach()) < tolerance, name
    assert gradients.keys() == exact_gradients.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == torch.float32
        assert relative_error(gradient, exact_gradients[name]) < 2 * tolerance, name


@pytest.mark.parametrize("dtype", BETWEEN, ids=str)
def test_half_precision_bases(dtype: torch.dtype) -> None:
    mod = ensemble(dtype, with_lora)
    assert next(mod.model.parameters()).dtype == dtype
    assert {p.dtype for p in mod.mixture.parameters()} == {torch.float32}
    assert_near(mod, ensemble(torch.float32, with_lora), BETWEEN[dtype])
    ids = mod.generate(input_ids=IDS, max_new_tokens=3, do_sample=False)
    assert ids.shape == (2, 12)


@pytest.mark.parametrize("dtype", BETWEEN, ids=str)
def test_a_head_in_float32_on_layers_in_half_precision(dtype: torch.dtype) -> None:
    def change(base: Any) -> Any:
        head = HeadInFloat32(16, 31, bias=False)
        head.weight = nn.Parameter(base.lm_head.weight.data.float())
        base.lm_head = head
        return with_lora(base)

    mod = ensemble(dtype, change)
    seen: list[torch.dtype] = []
    mod.get_base_model().lm_head.register_forward_hook(lambda module, args, output: seen.append(args[0].dtype))
    assert mod(input_ids=IDS).logits.dtype == torch.float32
    assert_near(mod, ensemble(torch.float32, change), BETWEEN[dtype])
    assert torch.float32 in seen  # in training the states reach such a head as they are


@pytest.mark.parametrize("base_dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("dtype", BETWEEN, ids=str)
def test_autocast_leaves_norms_scores_and_softmax_in_float32(dtype: torch.dtype, base_dtype: torch.dtype) -> None:
    mod = ensemble(base_dtype, with_lora)
    seen: dict[str, set[torch.dtype]] = {"ours": set(), "gates": set(), "layers": set()}

    def note(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            tensors = [tensor for item in outputs for tensor in (item if isinstance(item, list) else [item])]
            seen[name] |= {tensor.dtype for tensor in tensors}

        return hook

    for module in (mod.mixture, mod.mixture.router, *mod.mixture.norms):
        module.register_forward_hook(note("ours"))  # the mixture returns mix, gates and normed states
    for layer in mod.get_base_model().model.layers:
        layer.mlp.down_proj.register_forward_hook(note("layers"))
    gates = mod.mixture.gates

    def noted_gates(*args: Tensor) -> Tensor:
        found = gates(*args)
        seen["gates"].add(found.dtype)
        return found

    mod.mixture.gates = noted_gates  # type: ignore[method-assign]
    with torch.autocast("cpu", dtype=dtype):
        output, gradients = train(mod)
        with torch.no_grad():
            logits = mod(input_ids=IDS).logits
    assert seen == {"ours": {torch.float32}, "gates": {torch.float32}, "layers": {dtype}}
    assert output.loss.dtype == torch.float32
    expected, exact_gradients = train(ensemble(torch.float32, with_lora))
    tolerance = max(BETWEEN[dtype], BETWEEN.get(base_dtype, 0))
    assert relative_error(output.loss, expected.loss) < tolerance
    assert relative_error(logits.float(), expected.logits.detach()) < tolerance
    for name, gradient in gradients.items():
        assert gradient.dtype == torch.float32
        assert relative_error(gradient, exact_gradients[name]) < 2 * tolerance, name


def test_a_scaled_loss_has_scaled_gradients() -> None:
    """What torch's GradScaler does for float16."""
    mod = ensemble(torch.float32, with_lora)
    with torch.autocast("cpu", dtype=torch.float16):
        (_, plain), (_, scaled) = train(mod), train(mod, scale=2.0**12)
    for name, gradient in scaled.items():
        assert torch.isfinite(gradient).all()
        assert relative_error(gradient / 2.0**12, plain[name]) < 0.02, name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_casting_the_model_casts_the_base_alone(dtype: torch.dtype) -> None:
    """As `Trainer` does for `bf16_full_eval`."""
    mod, exact = (ensemble(torch.float32, with_lora) for _ in range(2))
    expected = {name: tensor.clone() for name, tensor in mod.mixture.state_dict().items()}
    assert mod.to(dtype) is mod
    assert {p.dtype for p in mod.get_base_model().model.norm.parameters()} == {dtype}
    assert all(torch.equal(tensor, expected[name]) for name, tensor in mod.mixture.state_dict().items())
    with torch.no_grad():
        logits = mod(input_ids=IDS).logits
        assert logits.dtype == dtype
        assert relative_error(logits, exact(input_ids=IDS).logits) < BETWEEN.get(dtype, 1e-5)
        loss, exact_loss = (model(input_ids=IDS, labels=LABELS).loss for model in (mod, exact))
        assert relative_error(loss, exact_loss) < BETWEEN.get(dtype, 1e-5)
    mod.to("meta")
    assert all(p.is_meta for p in mod.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_the_ensemble_is_in_float32_or_better(dtype: torch.dtype) -> None:
    mod = get_mod_model(build_base(dtype), MoDConfig())
    assert {p.dtype for p in mod.mixture.parameters()} == {torch.promote_types(dtype, torch.float32)}
