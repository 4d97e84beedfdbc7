"""`prompt.json`: how the model of an adapter was asked in training, kept beside the adapter's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import ValidationError, model_validator

from modbench.atomic import write_json
from modbench.errors import ModbenchError
from modbench.records.files import read_json
from modbench.records.schema import Model

FILE_NAME = "prompt.json"
LARGEST = 2**18
"""Bytes; the longest chat templates in use have a tenth of them."""


class PromptFile(Model):
    """The prompt by name, and the chat template as text where the model was trained to chat (else null)."""

    schema_version: Literal[1] = 1
    prompt: str
    apply_chat_template: bool
    chat_template: str | None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.apply_chat_template != (self.chat_template is not None):
            raise ValueError("chat_template is there if, and only if, apply_chat_template is true")
        return self


def write_prompt_file(folder: Path, content: PromptFile) -> None:
    """Writes `content` into the adapter `folder`, whole or not at all."""
    write_json(folder / FILE_NAME, content.model_dump())


def read_prompt_file(folder: Path) -> PromptFile | None:
    """What the adapter in `folder` says; None if it has no such file. ModbenchError if the file is not ours."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    remedy = "delete it, or train or copy the adapter again"
    if path.stat().st_size > LARGEST:
        raise ModbenchError(f"{path} has more than {LARGEST} bytes: {remedy}")
    try:
        return PromptFile.model_validate(read_json(path, remedy), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, message = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise ModbenchError(f"{path} is not what modbench wrote ({place or 'it'}: {message}): {remedy}") from None
