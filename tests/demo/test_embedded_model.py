"""What the embedded model and its adapter must be like, so that methods can differ on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from modbench import resources
from modbench.data.prompts import get_prompt
from modbench.demo.problems import KINDS, draw_set
from modbench.ensemble.anatomy import find_anatomy
from modbench.harness.evaluate import evaluate_task, open_model
from modbench.harness.samples import task_result
from modbench.training.encoding import encode_pair

TASKS = {kind: f"modbench_demo_{kind}" for kind in KINDS}
CHANCE = {"one_step": 0.0, "two_step": 0.0, "choice": 0.25}


@pytest.fixture(scope="module")
def tuned() -> Any:
    return open_model(resources.folder("demo"), resources.folder("demo-adapter"), "float32", 64)


@pytest.fixture(scope="module")
def untuned() -> Any:
    return open_model(resources.folder("demo"), None, "float32", 64)


def accuracy(lm: Any, kind: str, folder: Path) -> float:
    return task_result(evaluate_task(lm, TASKS[kind], None, folder / kind)).accuracy


def answer_tokens(tokenizer: Any, kind: str) -> Iterator[tuple[torch.Tensor, slice]]:
    """Prompt and solution as one row of ids, and the positions whose next token belongs to the solution."""
    prompt = get_prompt("qa")
    for problem in draw_set(kind, 40, seed=1, held_out=True):
        asked, solution = encode_pair(tokenizer, prompt.render(problem.text), prompt.separator + problem.solution)
        yield torch.tensor([asked + solution]), slice(len(asked) - 1, len(asked) + len(solution) - 1)


def test_it_is_a_llama_of_at_least_ten_layers_stored_as_float16() -> None:
    from safetensors import safe_open
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(resources.folder("demo"))
    assert config.model_type == "llama" and config.num_hidden_layers >= 10
    with safe_open(resources.folder("demo") / "model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_untuned_it_is_at_most_5_points_above_chance(untuned, kind: str, tmp_path: Path) -> None:
    assert accuracy(untuned, kind, tmp_path) <= CHANCE[kind] + 0.05


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_adapter_solves_40_to_95_percent(tuned, kind: str, tmp_path: Path) -> None:
    assert 0.40 <= accuracy(tuned, kind, tmp_path) <= 0.95


def test_the_lens_of_the_layer_before_the_last_agrees_on_50_to_95_percent_of_answer_tokens(tuned) -> None:
    anatomy = find_anatomy(tuned.model)
    layer = anatomy.layers[anatomy.depth - 2]
    states: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda module, args, output: states.append(output))
    agree = total = 0
    try:
        with torch.no_grad():
            for kind in KINDS:
                for ids, answer in answer_tokens(tuned.tokenizer, kind):
                    said = tuned.model(ids).logits[0, answer].argmax(-1)
                    with tuned.mod.disable_adapter():
                        lens = anatomy.head(anatomy.final_norm(states.pop())[0, answer]).argmax(-1)
                    agree += int((said == lens).sum())
                    total += len(said)
    finally:
        handle.remove()
    assert 0.50 <= agree / total <= 0.95, f"{agree / total:.3f}"
