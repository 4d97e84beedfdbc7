"""PEFT's own configuration file (`adapter_config.json`), read and checked without PEFT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from modbench.errors import ModbenchError
from modbench.records.schema import canonical_json

FILE_NAME = "adapter_config.json"
ORIGIN = (
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision", "runtime_config"),
    "task_type",
)
"""What such a file says about where it came from and for what: no part of what is trained here."""


def _without_origin(fields: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(fields.get("peft_type"), str):
        raise ValueError("no peft_type: it should be as PEFT saves it, such as {peft_type: LORA, r: 8}")
    if fields.get("task_type") not in (None, "CAUSAL_LM"):
        raise ValueError(f"task_type {fields['task_type']} is for other models: only CAUSAL_LM is tuned here")
    return json.loads(canonical_json({name: value for name, value in fields.items() if name not in ORIGIN}))


PeftFields = Annotated[dict[str, Any], AfterValidator(_without_origin)]
"""The fields of a PEFT configuration, those of ORIGIN left out."""


def read_peft_file(path: Path) -> dict[str, Any]:
    """The fields of the configuration file `path`, or of the adapter folder `path`, those of ORIGIN left out.

    Raises ModbenchError if it is absent, not a JSON object, or has no `peft_type`. Which types and fields there are
    only PEFT knows (modbench.training.adapters).
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(fields, dict):
            raise ValueError("not a JSON object")
        return _without_origin(fields)
    except FileNotFoundError:
        raise ModbenchError(f"there is no {file}: give the {FILE_NAME} that PEFT saves") from None
    except (ValueError, RecursionError) as error:
        raise ModbenchError(f"{file} is no PEFT configuration ({error})") from None
