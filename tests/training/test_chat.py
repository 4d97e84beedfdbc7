"""The chat format: training ids against what lm-evaluation-harness itself sends, with chat and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from modbench.data.examples import Example
from modbench.data.prompts import PROMPTS
from modbench.errors import ModbenchError
from modbench.harness.evaluate import evaluate_task
from modbench.harness.mod_hf import ModHF
from modbench.harness.tasks import demo_documents, examples
from modbench.training.chat import around_answer, before_answer, render_question
from modbench.training.encoding import IGNORED, encode_examples

from ..chat_models import TEMPLATES, chat_model, chat_tokenizer

TASK, LIMIT = "modbench_demo_one_step", 3


class Eavesdropper(ModHF):
    """Keeps the ids of every prompt that it is to continue, without padding."""

    heard: list[list[int]]

    def _model_generate(self, context: Any, max_length: int, stop: Any, **generation: Any) -> Any:
        mask = generation["attention_mask"].bool()
        self.heard += [row[kept].tolist() for row, kept in zip(context, mask, strict=True)]
        return torch.cat([context, torch.full_like(context[:, :1], self.eot_token_id)], dim=1)


@pytest.fixture(scope="module", params=TEMPLATES)
def lm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Eavesdropper:
    folder = chat_model(tmp_path_factory.mktemp("models") / "chat", request.param)
    return Eavesdropper(pretrained=str(folder), dtype="float32", batch_size=2, device="cpu")


def sent(lm: Eavesdropper, cache: Path, **how: Any) -> set[tuple[int, ...]]:
    """What the harness sends for the first documents of the task."""
    lm.heard = []
    evaluate_task(lm, TASK, LIMIT, cache / "cache", **how)
    assert len(lm.heard) == LIMIT
    return set(map(tuple, lm.heard))


def encoded(lm: Eavesdropper, prompt: str, chat: bool, of: list[Example]) -> list[tuple[tuple[int, ...], list[int]]]:
    """The ids of the examples before the response, and those of the response."""
    features = encode_examples(lm.tokenizer, PROMPTS[prompt], of, 4096, chat).features
    starts = [sum(label == IGNORED for label in feature["labels"]) for feature in features]
    return [(tuple(f["input_ids"][:n]), f["input_ids"][n:]) for f, n in zip(features, starts, strict=True)]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("chat", [False, True])
def test_training_begins_with_the_ids_that_the_harness_sends(
    lm: Eavesdropper, prompt: str, chat: bool, tmp_path: Path
) -> None:
    documents = list(demo_documents("one_step")["test"])[:LIMIT]
    trained = encoded(lm, prompt, chat, [Example(doc["instruction"], "4 + 3 = 7.", "test") for doc in documents])
    if PROMPTS[prompt].training_template is None:  # else training asks in other words, as upstream's does
        assert {before for before, _ in trained} == sent(lm, tmp_path, prompt=prompt, chat=chat)
    for before, response in trained:
        assert before.count(lm.tokenizer.bos_token_id) == 1
        assert response.count(lm.tokenizer.eos_token_id) == 1 and response[-1] == lm.tokenizer.eos_token_id
        said = lm.tokenizer.decode(response[:-1])
        left, right = around_answer(lm.tokenizer) if chat else (PROMPTS[prompt].separator, "")
        assert said == f"{left}4 + 3 = 7.{right}"


@pytest.mark.parametrize("prompt", ["qa", "alpaca"])
def test_an_example_shown_in_a_chat_is_the_training_text(lm: Eavesdropper, prompt: str, tmp_path: Path) -> None:
    shots = [Example(shot["instruction"], shot["response"], "pool") for shot in examples("demo/one_step", False)]
    trained = {before + tuple(response) for before, response in encoded(lm, prompt, True, shots)}
    if around_answer(lm.tokenizer)[1]:  # the template ends a turn by another token: EOS is no part of a conversation
        trained = {ids[:-1] for ids in trained}
    for context in sent(lm, tmp_path, prompt=prompt, chat=True, num_fewshot=1):
        assert any(context[: len(ids)] == ids for ids in trained)


def test_what_a_template_puts_around_messages() -> None:
    expected = {
        "eos ends a turn": ("<s><|user|>\nHi</s>\n<|assistant|>\n", "</s>\n<|assistant|>\n", ("", "")),
        "another token ends a turn": ("<s><user>Hi<pad><assistant>", "<pad><assistant>", ("", "<pad>")),
        "a default system message": ("[system]Be brief.</s>[user]Hi</s>[assistant]", "</s>[assistant]", ("", "")),
        "nothing before an answer but a mark": ("<s>[INST] Hi [/INST]", " [/INST]", (" ", "")),
    }
    for name in TEMPLATES:
        tokenizer = chat_tokenizer(name)
        found = render_question(tokenizer, "Hi"), before_answer(tokenizer), around_answer(tokenizer)
        assert found == expected[name]


def test_a_tokenizer_without_a_template_is_one_clear_error() -> None:
    tokenizer = chat_tokenizer("eos ends a turn")
    tokenizer.chat_template = None
    with pytest.raises(ModbenchError, match=r"no chat template.*leave --apply-chat-template out"):
        encode_examples(tokenizer, PROMPTS["qa"], [Example("a", "b", "test")], 100, chat=True)


@pytest.mark.parametrize("template", ["{{ nothing.at.all }}", "{% if %}", "{{ raise_exception('no') }}", "{{ 1 / 0 }}"])
def test_a_template_that_fails_is_one_clear_error(template: str) -> None:
    tokenizer = chat_tokenizer("eos ends a turn")
    tokenizer.chat_template = template
    with pytest.raises(ModbenchError, match="the chat template cannot write a conversation") as error:
        render_question(tokenizer, "Hi")
    assert "\n" not in str(error.value)


def test_a_template_without_an_assistant_is_one_clear_error() -> None:
    tokenizer = chat_tokenizer("eos ends a turn")
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(ModbenchError, match="leaves out what an assistant says"):
        around_answer(tokenizer)
