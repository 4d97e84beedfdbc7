"""PEFT's configuration file: what of it counts, and how a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from peft import LoraConfig
from pydantic import ValidationError

from modbench.errors import ModbenchError
from modbench.peft_file import read_peft_file
from modbench.suites import Suite, load_suite


def test_what_peft_saves_is_read_without_where_it_came_from(tmp_path: Path) -> None:
    config = LoraConfig(r=5, target_modules=["b", "a"], base_model_name_or_path="one", task_type="CAUSAL_LM")
    config.save_pretrained(str(tmp_path))
    fields = read_peft_file(tmp_path / "adapter_config.json")
    assert read_peft_file(tmp_path) == fields
    assert (fields["peft_type"], fields["r"]) == ("LORA", 5)
    assert not {"base_model_name_or_path", "inference_mode", "revision", "task_type"} & set(fields)
    config.base_model_name_or_path = "two"
    config.save_pretrained(str(tmp_path))
    assert read_peft_file(tmp_path) == fields


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no .*adapter_config.json"),
        ("{", "is no PEFT configuration"),
        ("[]", "not a JSON object"),
        ("{}", "no peft_type"),
        ('{"peft_type": 3}', "no peft_type"),
        ('{"peft_type": "LORA", "task_type": "SEQ_CLS"}', "SEQ_CLS is for other models"),
        ('{"peft_type": "LORA", "r": NaN}', "is no PEFT configuration"),
        ("[" * 100_000, "is no PEFT configuration"),
    ],
)
def test_a_wrong_file_is_one_line(text: str | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "adapter_config.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ModbenchError, match=says) as caught:
        read_peft_file(file)
    assert "\n" not in str(caught.value)


def test_a_suite_may_name_it_too() -> None:
    fields = load_suite("demo").model_dump(mode="json")
    fields["recipe"]["peft"] = {"peft_type": "IA3", "revision": "main"}
    assert Suite.model_validate(fields).recipe.peft == {"peft_type": "IA3"}
    fields["recipe"]["peft"] = {"r": 8}
    with pytest.raises(ValidationError, match="no peft_type"):
        Suite.model_validate(json.loads(json.dumps(fields)))
