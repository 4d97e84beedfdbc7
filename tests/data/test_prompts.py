from __future__ import annotations

import pytest

from modbench.data.prompts import PROMPTS, get_prompt
from modbench.errors import ModbenchError


def test_alpaca_is_the_clean_form_character_by_character() -> None:
    assert get_prompt("alpaca").render("Add 1 and 2.") == (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nAdd 1 and 2.\n\n### Response:\n"
    )
    assert get_prompt("alpaca").separator == ""


def test_qa() -> None:
    assert get_prompt("qa").render("Who?") + get_prompt("qa").separator + "Ann." == "Question: Who?\nAnswer: Ann."


@pytest.mark.parametrize("name", PROMPTS)
def test_an_instruction_is_put_in_as_it_is(name: str) -> None:
    instruction = " Is {x} or {instruction} or {{0}} or %s \n a set? "
    before, after = get_prompt(name).render("@").split("@")
    assert get_prompt(name).render(instruction) == before + instruction + after


def test_unknown_prompt() -> None:
    with pytest.raises(ModbenchError, match="unknown prompt 'alpacca': did you mean alpaca"):
        get_prompt("alpacca")
