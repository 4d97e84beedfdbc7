"""The digest of a base: what changes it and what does not."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LNTuningConfig, LoraConfig, PromptTuningConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from modbench import MoDConfig
from modbench.ensemble import fingerprint as module
from modbench.ensemble.fingerprint import fingerprint
from modbench.ensemble.storage import check_base
from modbench.errors import ModbenchError


class Tiny(nn.Module):
    """A head and a norm: all that a fingerprint looks at."""

    def __init__(self, rows: int, width: int = 3, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, rows, bias=True)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def get_output_embeddings(self) -> nn.Module:
        return self.head

    def resized(self, rows: int, seed: int) -> Tiny:
        """A copy of another number of rows; those that are added are noise."""
        other = Tiny(rows, self.head.in_features, seed)
        kept = min(rows, self.head.out_features)
        other.norm = self.norm
        for old, new in zip(self.head.parameters(), other.head.parameters(), strict=True):
            new.data[:kept] = old.data[:kept]
        return other


def fits(made_on: nn.Module, loaded: nn.Module) -> bool:
    """Whether an adapter that was made on one base is taken by another."""
    stored = fingerprint(made_on)
    try:
        check_base(MoDConfig(base_fingerprint=stored), fingerprint(loaded, like=stored), Path("adapter"))
    except ModbenchError as error:
        assert "load that base instead" in str(error)
        return False
    return True


def test_it_is_the_sha256_of_the_bfloat16_values() -> None:
    base = Tiny(rows=9)
    base.norm.weight.data[0] = 2**-15  # under what float16 holds exactly: counts as 0
    base.head.weight.data[0, 0] = -0.0
    digest = hashlib.sha256()
    for shape, tensor in (
        ("(4, 3)", base.head.weight[:4]),
        ("(4,)", base.head.bias[:4]),
        ("(3,)", base.norm.weight),
        ("(3,)", base.norm.bias),
    ):
        digest.update(f"{shape}\n".encode())
        bits = tensor.detach().numpy().astype("<f4").view("<u4").ravel().astype(np.uint64)
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16  # to nearest, ties to even
        floats = (rounded << 16).astype("<u4").view("<f4")
        rounded[np.abs(floats) < 2**-14] = 0
        digest.update(rounded.astype("<u2").tobytes())
    assert fingerprint(base) == f"4:{digest.hexdigest()}"


def test_it_does_not_depend_on_the_dtype_nor_on_the_slices(make_base: Callable[..., Any], monkeypatch) -> None:
    stored = make_base(torch.float32)
    found = fingerprint(stored)
    assert fingerprint(copy.deepcopy(stored).to(torch.bfloat16)) == found
    assert fingerprint(copy.deepcopy(stored).to(torch.float64)) == found
    monkeypatch.setattr(module, "SLICE", 7)
    assert fingerprint(stored) == found


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_checkpoint_stored_in_16_bits_has_one_fingerprint_in_all_dtypes(dtype: torch.dtype) -> None:
    stored = Tiny(rows=200)
    for parameter in stored.parameters():  # down to what float16 loses
        parameter.data *= torch.logspace(0, -9, parameter.numel()).view_as(parameter)
    stored = stored.to(dtype)
    loads = [copy.deepcopy(stored).to(d) for d in (torch.float16, torch.bfloat16, torch.float32)]
    assert len({fingerprint(load) for load in loads}) == 1


@pytest.mark.parametrize("name", ["lm_head.weight", "model.norm.weight", "model.layers.2.input_layernorm.weight"])
def test_one_value_of_head_or_norms_changes_it(make_base: Callable[..., Any], name: str) -> None:
    base = make_base(torch.float32)
    before = fingerprint(base)
    assert before == fingerprint(make_base(torch.float32)) != fingerprint(make_base(torch.float32, seed=1))
    base.get_parameter(name).data.view(-1)[3] += 0.5
    assert fingerprint(base) != before


@given(data=st.data())
def test_rows_that_a_resize_adds_or_cuts_do_not_count(data: st.DataObject) -> None:
    """Whichever of two sizes, less than a factor of two apart, the adapter was made on, and whatever was added."""
    rows = data.draw(st.integers(1, 260), label="rows")
    sizes = st.integers(rows // 2 + 1, 2 * rows - 1)
    base = Tiny(rows)
    one, other = (base.resized(data.draw(sizes), seed) for seed in (1, 2))
    assert fits(base, one) and fits(one, base)
    smaller, larger = sorted((one.head.out_features, other.head.out_features))
    if larger < 2 * smaller:
        assert fits(one, other) and fits(other, one)
    foreign = Tiny(one.head.out_features, seed=3)
    foreign.norm = base.norm
    assert not fits(base, foreign) and not fits(foreign, base)


@given(rows=st.integers(1, 300), data=st.data())
def test_a_value_among_the_rows_that_count_is_seen(rows: int, data: st.DataObject) -> None:
    base = Tiny(rows)
    counted = int(str(fingerprint(base)).partition(":")[0])
    assert counted == 1 or rows / 4 < counted <= rows / 2
    changed = copy.deepcopy(base)
    changed.head.weight.data[data.draw(st.integers(0, counted - 1)), data.draw(st.integers(0, 2))] += 1
    assert not fits(base, changed)


def test_another_hidden_size_is_another_base() -> None:
    wide, narrow = Tiny(64, width=4), Tiny(64, width=3)
    for base in (wide, narrow):
        for parameter in base.parameters():
            parameter.data.fill_(1.0)
    assert not fits(wide, narrow)


@pytest.mark.parametrize("tied", [False, True])
def test_the_models_own_resize_keeps_adapters_loadable(tied: bool) -> None:
    def load() -> Any:
        torch.manual_seed(0)
        sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "num_key_value_heads": 1}
        return LlamaForCausalLM(LlamaConfig(vocab_size=120, num_hidden_layers=2, tie_word_embeddings=tied, **sizes))

    def resize(seed: int, *args: Any, **kwargs: Any) -> Any:
        base = load()
        torch.manual_seed(seed)
        base.resize_token_embeddings(*args, **kwargs)
        return base

    bases = [load(), resize(1, 128), resize(2, 128), resize(3, 121, pad_to_multiple_of=64), resize(4, 100)]
    assert [base.lm_head.weight.shape[0] for base in bases] == [120, 128, 128, 128, 100]
    assert not torch.equal(bases[1].lm_head.weight, bases[2].lm_head.weight)
    assert all(fits(one, other) for one in bases for other in bases)


def test_no_fingerprint_matches_everything_and_a_broken_one_nothing(make_base: Callable[..., Any]) -> None:
    base, folder = make_base(), Path("adapter")
    check_base(MoDConfig(base_fingerprint=None), fingerprint(base), folder)
    check_base(MoDConfig(base_fingerprint=fingerprint(base)), None, folder)
    for broken in ("0" * 64, "99999999999999999999:ab", "x:y", "-1:ab"):
        with pytest.raises(ModbenchError, match="load that base instead"):
            check_base(MoDConfig(base_fingerprint=broken), fingerprint(base, like=broken), folder)


# What was done to the model -----------------------------------------------------------------------------------------

PEFTS = {
    "lora": LoraConfig(target_modules=["q_proj", "lm_head"], init_lora_weights=False),
    "dora": LoraConfig(target_modules=["lm_head"], use_dora=True),
    "modules to save": LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head", "norm", "input_layernorm"]),
    "tokens": LoraConfig(target_modules=["q_proj"], trainable_token_indices={"embed_tokens": [1], "lm_head": [1, 2]}),
    "ln tuning": LNTuningConfig(target_modules=["input_layernorm", "norm"]),
    "prompt": PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"),
}


@pytest.mark.parametrize("name", PEFTS)
def test_adapters_do_not_count(make_base: Callable[..., Any], name: str) -> None:
    plain = fingerprint(make_base(torch.float32))
    model: Any = get_peft_model(make_base(torch.float32), copy.deepcopy(PEFTS[name]))
    if name != "prompt":
        model.add_adapter("second", copy.deepcopy(PEFTS[name]))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 1
    assert fingerprint(model) == plain


class PackedLinear(nn.Module):
    """What bitsandbytes leaves of a linear layer: bytes of another shape, and a bias as it was."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        packed = torch.zeros(linear.weight.numel() // 2, 1, dtype=torch.uint8)
        self.weight = nn.Parameter(packed, requires_grad=False)


def pack(base: nn.Module, paths: list[str]) -> nn.Module:
    for path in paths:
        parent, _, name = path.rpartition(".")
        setattr(base.get_submodule(parent), name, PackedLinear(base.get_submodule(path)))
    return base


def test_quantized_layers_do_not_count(make_base: Callable[..., Any]) -> None:
    base = make_base(torch.float32)
    linear = [name for name, part in base.named_modules() if isinstance(part, nn.Linear) and name != "lm_head"]
    assert len(linear) == 35
    assert fingerprint(pack(make_base(torch.bfloat16), linear)) == fingerprint(make_base(torch.bfloat16))
    assert fingerprint(pack(base, linear)) == fingerprint(make_base(torch.float32))


def test_a_quantized_head_has_no_fingerprint(make_base: Callable[..., Any]) -> None:
    base = pack(make_base(), ["lm_head"])
    base.get_output_embeddings = lambda: base.lm_head  # transformers looks for a plain one
    assert fingerprint(base) is None


@pytest.mark.parametrize("bits", [4, 8])
def test_a_bitsandbytes_load_has_the_fingerprint_of_the_checkpoint(tmp_path: Path, bits: int) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import BitsAndBytesConfig

    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_key_value_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=128, num_hidden_layers=2, **sizes)).save_pretrained(tmp_path)
    found = fingerprint(AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32))
    for dtype in (torch.float32, torch.bfloat16):
        config = BitsAndBytesConfig(load_in_4bit=bits == 4, load_in_8bit=bits == 8)
        load = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=dtype, quantization_config=config, device_map="cpu")
        assert not load.model.layers[0].self_attn.q_proj.weight.is_floating_point()
        assert fingerprint(load) == found


# Where the weights are ----------------------------------------------------------------------------------------------


def test_offloaded_weights_are_read(make_base: Callable[..., Any], tmp_path: Path) -> None:
    make_base(torch.float32).save_pretrained(tmp_path / "base")
    places = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.layers": "disk", "model.norm": "disk"}
    base = AutoModelForCausalLM.from_pretrained(
        tmp_path / "base", device_map=places | {"lm_head": "disk"}, offload_folder=tmp_path / "offload"
    )
    assert base.lm_head.weight.is_meta
    assert fingerprint(base) == fingerprint(make_base(torch.float32))
    assert base.lm_head.weight.is_meta and base.model.norm.weight.is_meta
    with torch.no_grad():
        assert torch.isfinite(base(torch.arange(3, 9).view(1, -1)).logits).all()


def test_a_model_without_weights_has_no_fingerprint(make_base: Callable[..., Any]) -> None:
    with torch.device("meta"):
        base = LlamaForCausalLM(make_base().config)
    assert fingerprint(base) is None
    assert fingerprint(nn.Linear(2, 2)) is None


def test_sharded_weights_are_read_whole(make_base: Callable[..., Any], tmp_path: Path) -> None:
    from torch import distributed
    from torch.distributed.fsdp import fully_shard

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        base = make_base(torch.float32)
        found = fingerprint(base)
        fully_shard(base, mesh=distributed.init_device_mesh("cpu", (1,)))
        assert hasattr(base.lm_head.weight, "full_tensor")
        assert fingerprint(base) == found
    finally:
        distributed.destroy_process_group()
