"""Bases in 4 and 8 bits (bitsandbytes, which works on a CPU too): attached to, trained on, saved, taken off."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

from modbench import MoDConfig, MoDModel, get_mod_model

from .conftest import randomize
from .reference import relative_error, trained_gradients

bitsandbytes = pytest.importorskip("bitsandbytes")

IDS = torch.randint(3, 128, (2, 7), generator=torch.Generator().manual_seed(1))
LABELS = IDS.clone().masked_fill(IDS < 30, -100)
WAYS: dict[str, dict[str, Any]] = {
    "4 bits": {"load_in_4bit": True},
    "4 bits, nf4 twice": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
    "8 bits": {"load_in_8bit": True},
}
HEADS: dict[str, dict[str, Any]] = {"head spared": {}, "head quantized": {"llm_int8_skip_modules": []}}

Load = Callable[..., Any]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=128, num_hidden_layers=4, num_key_value_heads=1, **sizes))
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data += 0.3 * torch.randn_like(parameter)
    model.to(torch.bfloat16).save_pretrained(path)
    return path


@pytest.fixture
def load(checkpoint: Path) -> Load:
    """The checkpoint in float32, quantized if asked to."""

    def load(**options: Any) -> Any:
        config = {"quantization_config": BitsAndBytesConfig(**options), "device_map": "cpu"} if options else {}
        return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32, **config).eval()

    return load


def dequantized(base: Any) -> Any:
    """A plain float32 model with the values of the quantized weights."""
    from transformers.integrations.bitsandbytes import dequantize_bnb_weight

    plain = LlamaForCausalLM(base.config).float().eval()
    for name, module in base.named_modules():
        if isinstance(module, nn.Linear):
            values = module.weight
            if not values.is_floating_point():
                values = dequantize_bnb_weight(values, getattr(module, "state", None))
            plain.get_submodule(name).weight.data = values.detach().float().clone()
    for name, parameter in base.named_parameters():
        if "norm" in name or "embed" in name:
            plain.get_parameter(name).data = parameter.detach().float().clone()
    return plain


def ensemble(model: Any) -> MoDModel:
    return randomize(get_mod_model(model, MoDConfig(distill_detach=False))).eval()


def train(mod: MoDModel) -> tuple[Any, dict[str, Tensor]]:
    output = mod.train()(input_ids=IDS, labels=LABELS)
    output.loss.backward()
    found = {name: gradient.clone() for name, gradient in trained_gradients(mod.mixture, mod.model).items()}
    mod.zero_grad()
    mod.eval()
    return output, found


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("way", WAYS)
def test_it_is_the_ensemble_on_the_dequantized_model(way: str, head: str, load: Load) -> None:
    """Loss and gradients as on the values that the weights stand for; bitsandbytes' kernels round more."""
    base = load(**WAYS[way], **HEADS[head])
    assert base.lm_head.weight.is_floating_point() == (head == "head spared")
    runs: list[int] = []
    counted = base.register_forward_hook(lambda *_: runs.append(1))
    mod = ensemble(base)
    counted.remove()
    assert runs == []  # found without a pass of its own
    plain = ensemble(dequantized(load(**WAYS[way], **HEADS[head])))
    output, gradients = train(mod)
    expected, exact = train(plain)
    tolerance = 0.05 if "8 bits" in way else 1e-4
    for name in ("loss", "loss_task", "loss_distill", "logits"):
        assert torch.isfinite(output[name]).all()
        assert relative_error(output[name].detach(), expected[name].detach()) < tolerance, name
    assert set(gradients) == {"norms.0.weight", "norms.1.weight", "router.weight"}
    for name, gradient in gradients.items():
        assert relative_error(gradient, exact[name]) < tolerance, name
    with torch.no_grad():  # for inference some processors' kernels are in bfloat16
        assert relative_error(mod(input_ids=IDS).logits, plain(input_ids=IDS).logits) < 0.05
    assert mod.generate(input_ids=IDS, max_new_tokens=3, do_sample=False).shape == (2, 10)


@pytest.mark.parametrize("way", WAYS)
def test_lora_under_it(way: str, load: Load, tmp_path: Path) -> None:
    torch.manual_seed(5)
    lora = LoraConfig(r=2, target_modules=["q_proj", "down_proj", "lm_head"], init_lora_weights=False)
    adapted: list[Any] = []
    for base in (load(**WAYS[way]), dequantized(load(**WAYS[way]))):
        if not adapted:
            base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
        adapted.append(get_peft_model(base, copy.deepcopy(lora)))
    state = {name: tensor for name, tensor in adapted[0].state_dict().items() if "lora_" in name}
    adapted[1].load_state_dict(state, strict=False)
    mod, plain = (ensemble(model) for model in adapted)
    (output, gradients), (expected, exact) = train(mod), train(plain)
    tolerance = 0.1 if "8 bits" in way else 1e-3
    assert relative_error(output.loss.detach(), expected.loss.detach()) < tolerance
    assert len(gradients) == 3 + 2 * (2 * 4 + 1)
    for name, gradient in gradients.items():
        assert float(gradient.abs().max()) > 0, name
        assert relative_error(gradient, exact[name]) < tolerance, name
    mod.save_pretrained(tmp_path)
    for file in tmp_path.glob("*.safetensors"):
        assert {tensor.dtype for tensor in load_file(file).values()} == {torch.float32}
    assert mod.mod_config.base_fingerprint == plain.mod_config.base_fingerprint
    with torch.no_grad():
        again = MoDModel.from_pretrained(load(**WAYS[way]), tmp_path)
        assert relative_error(again(input_ids=IDS).logits, plain(input_ids=IDS).logits) < 0.1
        full = MoDModel.from_pretrained(load(), tmp_path)  # trained on quantized weights, used on the checkpoint's
        assert torch.isfinite(full(input_ids=IDS).logits).all()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("way", WAYS)
def test_attaching_and_taking_off_leaves_the_packed_weights(way: str, head: str, load: Load) -> None:
    base = load(**WAYS[way], **HEADS[head])
    before = {name: (type(p), p.dtype, p.detach().clone()) for name, p in base.named_parameters()}
    modules = {name: (id(module), list(vars(module))) for name, module in base.named_modules()}
    mod = ensemble(base)
    train(mod)
    assert mod.unload() is base
    assert {name: (id(module), list(vars(module))) for name, module in base.named_modules()} == modules
    for name, parameter in base.named_parameters():
        kind, dtype, values = before[name]
        assert (type(parameter), parameter.dtype) == (kind, dtype)
        assert torch.equal(parameter, values)


@pytest.mark.parametrize("way", WAYS)
def test_the_loss_goes_through_the_quantized_head(way: str, load: Load) -> None:
    mod = ensemble(load(**WAYS[way], **HEADS["head quantized"]))
    called: list[tuple[int, ...]] = []
    mod.get_base_model().lm_head.register_forward_hook(lambda module, args, output: called.append(tuple(output.shape)))
    output, _ = train(mod)
    tokens = int((LABELS[:, 1:] != -100).sum())
    assert called[1:] == [(tokens, 128)] * 4  # after the one position of the model's own forward
    states, last = mod.late_states(input_ids=IDS)
    keep = LABELS[:, 1:] != -100
    mixed = mod.mixture([state[:, :-1][keep] for state in states], last[:, :-1][keep])[0]
    task = F.cross_entropy(mod.train().get_base_model().lm_head(mixed), LABELS[:, 1:][keep])
    assert relative_error(output.loss_task, task.detach()) < 1e-3
