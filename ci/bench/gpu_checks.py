"""The checks of gpu_check.py but those of speed: that the ensemble is right on every load, in every place."""

from __future__ import annotations

import itertools
import tempfile
from typing import Any

import torch
from gpu_tools import TOLERANCE, Found, Setup, Skip, check, gradients, near, same_gradients, slow_logits, train
from ratios import measure, ratios
from torch.nn import functional as F

from modbench import MoDModel
from modbench.ensemble.anatomy import find_anatomy
from modbench.ensemble.fingerprint import fingerprint

GREEDY: dict[str, Any] = {"max_new_tokens": 24, "min_new_tokens": 24, "do_sample": False, "pad_token_id": 0}

# Loads --------------------------------------------------------------------------------------------------------------


def attach_and_train(setup: Setup, way: str) -> Found:
    """Attaching, logits against the slow way, generation, training, saving and loading, on one kind of load."""
    base = setup.load(way)
    found: Found = {"fingerprint": fingerprint(base)}
    assert found["fingerprint"] == fingerprint(setup.load("bfloat16")), "another fingerprint than the bfloat16 load's"
    mod = setup.ensemble(base)
    assert {parameter.dtype for parameter in mod.mixture.parameters()} == {torch.float32}
    assert {parameter.device.type for parameter in mod.mixture.parameters()} == {setup.device}
    batch = setup.batch(base.config.vocab_size)
    ids, tolerance = batch["input_ids"], TOLERANCE[way]
    gradients(mod, batch)
    found["losses"] = train(mod, batch)
    with torch.no_grad():
        logits, slow = mod(ids).logits, slow_logits(mod, ids)
        found["logits_error"] = near(logits, slow, tolerance, "logits")
        expected = F.cross_entropy(slow[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
        found["loss_error"] = near(mod(**batch).loss, expected, tolerance, "loss")
    generated = mod.generate(ids, attention_mask=torch.ones_like(ids), **GREEDY)
    assert generated.shape == (len(ids), ids.shape[1] + GREEDY["max_new_tokens"])
    with tempfile.TemporaryDirectory() as folder:
        mod.save_pretrained(folder)
        again = MoDModel.from_pretrained(setup.load(way), folder)
        found["reload_error"] = near(again(ids).logits, logits, tolerance, "logits after saving and loading")
    return found


@check()
def float32(setup: Setup) -> Found:
    return attach_and_train(setup, "float32")


@check()
def bfloat16(setup: Setup) -> Found:
    return attach_and_train(setup, "bfloat16")


@check()
def float16(setup: Setup) -> Found:
    return attach_and_train(setup, "float16")


@check("bitsandbytes")
def quantized_4bit(setup: Setup) -> Found:
    return attach_and_train(setup, "4bit")


@check("bitsandbytes")
def quantized_8bit(setup: Setup) -> Found:
    return attach_and_train(setup, "8bit")


# Places -------------------------------------------------------------------------------------------------------------


def device_map(base: Any, k: int, **places: str) -> dict[str, str]:
    """Where each part goes: `late` (the last k layers), `norm`, `head`, and `early` for the rest."""
    anatomy, names = find_anatomy(base), {id(module): name for name, module in base.named_modules()}
    found = {
        f"{anatomy.layers_path}.{i}": places["late" if i >= anatomy.depth - k else "early"]
        for i in range(anatomy.depth)
    }
    if anatomy.final_norm is not None:
        found[names[id(anatomy.final_norm)]] = places["norm"]
    found[names[id(anatomy.head)]] = places["head"]
    for name, module in base.named_modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own and not any(name == part or name.startswith(f"{part}.") for part in found):
            found[name] = places["early"]
    return found


def assert_same(mod: Any, exact: Any, setup: Setup, tolerance: float = 1e-3) -> Found:
    """Logits, generated text, loss and gradients of two ensembles."""
    batch = setup.batch(mod.config.vocab_size)
    ids = batch["input_ids"]
    with torch.no_grad():
        found = {"logits_error": near(mod(ids).logits, exact(ids).logits, tolerance, "logits")}
    texts = [model.generate(ids, attention_mask=torch.ones_like(ids), **GREEDY).tolist() for model in (mod, exact)]
    assert texts[0] == texts[1], "another text is generated"
    (loss, own), (expected, theirs) = gradients(mod, batch), gradients(exact, batch)
    found["loss_error"] = near(loss, expected, tolerance, "loss")
    return found | {"gradient_error": same_gradients(own, theirs, 10 * tolerance)}


@check(cuda_only=True)
def split(setup: Setup) -> Found:
    """Late layers, norm and head on the GPU and the CPU, or on two GPUs, in every combination."""
    from accelerate import dispatch_model

    plain = setup.load()
    tied = plain.get_input_embeddings().weight is plain.get_output_embeddings().weight
    exact, found = setup.ensemble(plain, lora=False), Found()
    pairs = [("cuda:0", "cpu")] + [("cuda:0", "cuda:1")] * (torch.cuda.device_count() > 1)
    for first, second in pairs:
        for late, norm, head in itertools.product((first, second), repeat=3):
            places = {"early": first, "late": late, "norm": norm, "head": head}
            if set(places.values()) == {first} or (tied and head != first):  # tied weights are in one place
                continue
            base = setup.load(device_map={"": "cpu"})
            base = dispatch_model(base, device_map(base, setup.k, **places), "cpu" if second == "cpu" else None)
            mod = setup.ensemble(base, lora=False)
            found[f"late layers on {late}, norm on {norm}, head on {head}"] = assert_same(mod, exact, setup)
    return found


@check()
def offload(setup: Setup) -> Found:
    """All weights offloaded to memory, and by a device map the early layers, norm and head."""
    from accelerate import cpu_offload

    exact = setup.ensemble(setup.load(), lora=False)
    everything = cpu_offload(setup.load(device_map={"": "cpu"}), setup.device)
    found = {"everything": assert_same(setup.ensemble(everything, lora=False), exact, setup)}
    if setup.device == "cuda":
        for name, parts in (("early layers", ["early"]), ("norm and head", ["norm", "head"])):
            places = {part: "cpu" if part in parts else "cuda:0" for part in ("early", "late", "norm", "head")}
            base = setup.load(device_map=device_map(setup.load(), setup.k, **places))
            found[name] = assert_same(setup.ensemble(base, lora=False), exact, setup)
    return found


@check(cuda_only=True)
def nothing_is_kept(setup: Setup) -> Found:
    """Bytes on the GPU after a forward pass, and the most during one over 512 tokens, with and without ensemble."""
    base = setup.load("bfloat16")
    ids = setup.batch(base.config.vocab_size, length=512)["input_ids"]
    peaks = {}
    for name, model in (("plain", base), ("ensemble", setup.ensemble(base, lora=False))):
        with torch.inference_mode():
            model(ids, logits_to_keep=1, use_cache=False)
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            model(ids, logits_to_keep=1, use_cache=False)
            peaks[name] = torch.cuda.max_memory_allocated() - before
        assert torch.cuda.memory_allocated() == before, f"{name}: memory is kept after the forward pass"
    return {"peak_bytes": peaks, "bytes_of_a_state": ids.numel() * base.config.hidden_size * 2}


# Compilation --------------------------------------------------------------------------------------------------------


@check()
def compiled_decoding(setup: Setup) -> Found:
    """A static cache and CUDA graphs: the same text, nothing compiled anew per token or call; speeds."""
    from torch._dynamo.utils import counters
    from transformers import CompileConfig

    config = CompileConfig(mode="reduce-overhead", fullgraph=True)
    config._compile_all_devices = True
    plain, mod = setup.load(), setup.ensemble(setup.load(), lora=False)
    ids = setup.batch(plain.config.vocab_size, rows=1)["input_ids"]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def generate(model: Any, **options: Any) -> Any:
        return model.generate(**inputs, **GREEDY, **options)

    static: dict[str, Any] = {"cache_implementation": "static", "compile_config": config}
    try:
        generate(plain, **static)
    except Exception as error:
        raise Skip(f"the base by itself does not compile: {error}"[:500]) from None
    expected, before = generate(mod).tolist(), counters["stats"]["unique_graphs"]
    assert generate(mod, **static).tolist() == expected, "the compiled model generates another text"
    graphs = counters["stats"]["unique_graphs"]
    assert graphs - before <= before, f"{graphs - before} graphs where the base by itself has {before}"
    assert generate(mod, **static).tolist() == expected, "the compiled model generates another text when called again"
    assert counters["stats"]["unique_graphs"] == graphs, "compiled anew"
    skipped = counters["inductor"]["cudagraph_skips"]
    assert setup.device == "cpu" or skipped == 0, f"CUDA graphs were skipped {skipped} times"
    sides = {
        "plain, compiled": lambda: generate(plain, **static),
        "ensemble, compiled": lambda: generate(mod, **static),
        "ensemble": lambda: generate(mod),
    }
    return {"speed": ratios(measure(sides, rounds=7, warmup=3), "plain, compiled")}


@check()
def compiled_training(setup: Setup) -> Found:
    """The model inside compiled as one graph: the same loss and gradients."""
    mod, exact = (setup.ensemble(setup.load()) for _ in range(2))
    batch = setup.batch(mod.config.vocab_size)
    mod.get_base_model().compile(fullgraph=True)
    (loss, own), (expected, theirs) = gradients(mod, batch), gradients(exact, batch)
    return {
        "loss_error": near(loss, expected, 1e-3, "loss"),
        "gradient_error": same_gradients(own, theirs, 1e-2),
        "losses": train(mod, batch),
    }


# Mixed precision ----------------------------------------------------------------------------------------------------


def mixed(setup: Setup, dtype: torch.dtype, scale: bool) -> Found:
    """Training under autocast: the loss falls, and norms, scores and gates are float32."""
    mod = setup.ensemble(setup.load())
    batch = setup.batch(mod.config.vocab_size)
    seen: set[torch.dtype] = set()
    mod.mixture.register_forward_hook(
        lambda module, args, output: seen.update(t.dtype for t in (*output[:2], *output[2]))
    )
    exact, _ = gradients(mod, batch)
    losses = train(mod, batch, autocast=dtype, scale=scale)
    assert seen == {torch.float32}, f"the ensemble computed in {seen}"
    near(torch.tensor(losses[0]), exact, 0.05, "loss under autocast")
    return {"losses": losses}


@check()
def autocast_bfloat16(setup: Setup) -> Found:
    return mixed(setup, torch.bfloat16, scale=False)


@check()
def autocast_float16_with_scaler(setup: Setup) -> Found:
    return mixed(setup, torch.float16, scale=True)
