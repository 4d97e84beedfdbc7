"""`prompt.json`: written and read back, refused if it is anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modbench.errors import ModbenchError
from modbench.prompt_file import FILE_NAME, LARGEST, PromptFile, read_prompt_file, write_prompt_file

PLAIN = {"schema_version": 1, "prompt": "alpaca", "apply_chat_template": False, "chat_template": None}
CHAT = PLAIN | {"apply_chat_template": True, "chat_template": "{{ messages[0]['content'] }}"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=st.text(), template=st.none() | st.text())
def test_what_is_written_is_read(tmp_path: Path, prompt: str, template: str | None) -> None:
    content = PromptFile(prompt=prompt, apply_chat_template=template is not None, chat_template=template)
    if prompt.isprintable() and (template or "").isprintable():  # a lone surrogate has no place in a file
        write_prompt_file(tmp_path, content)
        assert read_prompt_file(tmp_path) == content


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    write_prompt_file(tmp_path, PromptFile(prompt="alpaca", apply_chat_template=False, chat_template=None))
    assert json.loads((tmp_path / FILE_NAME).read_text()) == PLAIN


def test_an_adapter_without_it(tmp_path: Path) -> None:
    assert read_prompt_file(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        PLAIN | {"schema_version": 2},
        PLAIN | {"prompt": 3},
        PLAIN | {"apply_chat_template": 0},
        PLAIN | {"apply_chat_template": True},
        CHAT | {"apply_chat_template": False},
        CHAT | {"chat_template": ["a"]},
        CHAT | {"code": "x"},
        CHAT | {"chat_template": "x" * LARGEST},
        {key: value for key, value in CHAT.items() if key != "prompt"},
    ],
    ids=lambda content: str(content)[:60],
)
def test_anything_else_is_refused_in_one_line(content: Any, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ModbenchError, match=FILE_NAME) as error:
        read_prompt_file(tmp_path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
