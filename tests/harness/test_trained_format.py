"""Warnings where an adapter is asked otherwise than it was trained: every mismatch, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from modbench.data.prompts import PROMPTS
from modbench.harness.evaluate import evaluate_task, open_model
from modbench.harness.trained_format import TrainedFormat
from modbench.prompt_file import PromptFile, write_prompt_file

from ..chat_models import TEMPLATES, chat_model, chat_tokenizer

TASKS = ("modbench_demo_one_step", "modbench_demo_choice")
NAME = "eos ends a turn"


def trained(prompt: str, chat: bool) -> PromptFile:
    return PromptFile(prompt=prompt, apply_chat_template=chat, chat_template=TEMPLATES[NAME] if chat else None)


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("modbench: warning: ")]


@pytest.fixture(scope="module")
def lm(mod_adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model that chats, with an adapter that says it was trained to."""
    adapter = tmp_path_factory.mktemp("adapters") / "trained"
    shutil.copytree(mod_adapter, adapter)
    write_prompt_file(adapter, trained("qa", chat=True))
    opened = open_model(chat_model(tmp_path_factory.mktemp("models") / "chat"), adapter, "float32", 4)
    assert opened.trained.stored == trained("qa", chat=True)
    return opened


@pytest.fixture
def ask(lm: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Asks, twice, an adapter that was trained in one format in another; the warnings."""

    def asked(file: PromptFile, prompt: str, chat: bool, shots: int = 0) -> list[str]:
        lm.trained = TrainedFormat(file, lm.tokenizer)
        how: Any = {"chat": chat, "num_fewshot": shots, "generation": {"max_gen_toks": 1}}
        for number, task in enumerate((*TASKS, TASKS[0])):
            evaluate_task(lm, task, 2, tmp_path / f"{file.prompt}-{prompt}-{chat}-{shots}-{number}", prompt, **how)
        return warnings(capsys)

    return asked


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("shots", [0, 2])
def test_asked_as_it_was_trained_there_is_no_warning(ask: Any, chat: bool, shots: int) -> None:
    for prompt in ("qa", "llm_adapters"):
        assert ask(trained(prompt, chat), prompt, chat, shots) == []


def test_each_mismatch_is_one_line_that_names_the_remedy(ask: Any) -> None:
    (line,) = ask(trained("qa", chat=False), "qa", chat=True)
    assert "without a chat template: leave --apply_chat_template" in line
    (line,) = ask(trained("qa", chat=True), "qa", chat=False, shots=1)
    assert "with a chat template: add --apply_chat_template --fewshot_as_multiturn" in line
    (line,) = ask(trained("alpaca", chat=False), "qa", chat=False, shots=1)
    assert "with the prompt alpaca, and is asked in other words" in line
    assert """--metadata '{"prompt": "alpaca"}'""" in line and "--prompt alpaca" in line
    (line,) = ask(trained("alpaca", chat=True), "llm_adapters", chat=True)
    assert "the prompt alpaca" in line


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_adapters_chat_template_replaces_the_tokenizers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = chat_tokenizer(name)
    TrainedFormat(trained("qa", chat=True), tokenizer)
    assert tokenizer.chat_template == TEMPLATES[NAME]
    assert len(warnings(capsys)) == (name != NAME)
    tokenizer.chat_template = None
    TrainedFormat(trained("qa", chat=True), tokenizer)
    assert tokenizer.chat_template == TEMPLATES[NAME] and warnings(capsys) == []
    tokenizer.chat_template = TEMPLATES[name]
    TrainedFormat(trained("qa", chat=False), tokenizer)
    assert tokenizer.chat_template == TEMPLATES[name] and warnings(capsys) == []


def test_a_prompt_of_a_later_modbench_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    asked = TrainedFormat(trained("of_tomorrow", chat=False), chat_tokenizer(NAME))
    asked.check([PROMPTS["qa"].render("Why?")])
    asked.check([])
    assert warnings(capsys) == []
