from __future__ import annotations

import pytest

from modbench.data.prompts import PROMPTS, get_prompt
from modbench.errors import ModbenchError

BLANKS = "                "


def test_alpaca_is_the_clean_form_character_by_character() -> None:
    assert get_prompt("alpaca").render("Add 1 and 2.") == (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nAdd 1 and 2.\n\n### Response:\n"
    )
    assert get_prompt("alpaca").separator == ""


def test_llm_adapters_is_upstreams_byte_by_byte() -> None:
    """As `generate_prompt` of evaluate.py, commonsense_evaluate.py and finetune.py writes it, output left empty."""
    instruction, data_point = "Add 1 and 2.", {"instruction": "Add 1 and 2.", "output": ""}
    evaluation = f"""Below is an instruction that describes a task. Write a response that appropriately completes the request.{BLANKS[:1]}

                ### Instruction:
                {instruction}

                ### Response:
{BLANKS}"""  # noqa: E501
    training = f"""Below is an instruction that describes a task. Write a response that appropriately completes the request.{BLANKS[:2]}

                ### Instruction:
                {data_point["instruction"]}
{BLANKS}
                ### Response:
                {data_point["output"]}"""  # noqa: E501
    prompt = get_prompt("llm_adapters")
    assert prompt.render(instruction).encode() == evaluation.encode()
    assert prompt.render_training(instruction).encode() == training.encode()
    assert prompt.separator == ""


def test_plain_is_the_instruction() -> None:
    assert get_prompt("plain").render("Add 1 and 2.\n") == "Add 1 and 2.\n"


def test_qa() -> None:
    assert get_prompt("qa").render("Who?") + get_prompt("qa").separator + "Ann." == "Question: Who?\nAnswer: Ann."


@pytest.mark.parametrize("name", [name for name in PROMPTS if name != "llm_adapters"])
def test_training_asks_as_evaluation_does(name: str) -> None:
    prompt = get_prompt(name)
    assert prompt.render_training("Who?") == prompt.render("Who?")


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize("form", ["render", "render_training"])
def test_an_instruction_is_put_in_as_it_is(name: str, form: str) -> None:
    instruction = " Is {x} or {instruction} or {{0}} or %s \n a set? "
    render = getattr(get_prompt(name), form)
    before, after = render("@").split("@")
    assert render(instruction) == before + instruction + after


@pytest.mark.parametrize("name", PROMPTS)
def test_where_a_prompt_ends_in_no_blank_its_separator_is_one(name: str) -> None:
    prompt = get_prompt(name)
    for text in (prompt.render("Who?"), prompt.render_training("Who?")):
        assert prompt.separator == ("" if text[-1].isspace() else " ")


def test_unknown_prompt() -> None:
    with pytest.raises(ModbenchError, match="unknown prompt 'alpacca': did you mean alpaca"):
        get_prompt("alpacca")
