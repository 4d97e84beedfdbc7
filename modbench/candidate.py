"""A model that is to be evaluated: a base, perhaps with an adapter, as files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from modbench import resources
from modbench.checkpoints import DEMO, layer_count, model_info, resolve_model
from modbench.data.sources import sha256
from modbench.errors import ModbenchError
from modbench.prompt_file import PromptFile, read_prompt_file
from modbench.records import ModelInfo, Parameters


@dataclass(frozen=True)
class Candidate:
    """A base model, called `model` (on the hub at `revision`), whose files lie in `folder`, and the folder of its
    adapter, if any."""

    model: str
    folder: Path
    adapter: Path | None
    revision: str | None = None

    @classmethod
    def find(cls, model: str | None, adapter: str | None, revision: str | None = None) -> Candidate:
        """The model of that name, by default the one that the adapter names; with neither, the embedded one with its.

        `adapter` is a folder or hub id that modbench or PEFT wrote, or `demo` for the embedded model's; `revision` is
        the model's. Raises ModbenchError if one of them cannot be had.
        """
        if adapter is None and model is not None:
            return cls(model, resolve_model(model, revision), None, revision)
        adapter = adapter or DEMO
        from modbench.training.tuned import base_name, resolve_adapter

        folder = resources.folder("demo-adapter") if adapter == DEMO else resolve_adapter(adapter)
        model = model or base_name(folder)
        if model is None:
            raise ModbenchError(f"the adapter at {adapter} does not say which base it is for: add --model")
        return cls(model, resolve_model(model, revision), folder, revision)

    @property
    def name(self) -> str:
        """What stands for the method in a record: `base`, or how the folder of the adapter is called."""
        if self.adapter is None:
            return "base"
        folder = self.adapter.resolve()
        if folder.parent.name == "snapshots":  # of the hub's cache: models--<owner>--<name>/snapshots/<commit>
            return folder.parents[1].name.removeprefix("models--")
        if folder.name == "adapter":  # of a run: <method>/seed-<n>/adapter
            return f"{folder.parents[1].name}-{folder.parent.name}".lstrip(".-") or folder.name
        return folder.name.lstrip(".") or "adapter"

    @cached_property
    def info(self) -> ModelInfo:
        """The base, with the SHA-256 of its weights."""
        return model_info(self.model, self.folder, self.revision)

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it from every other: the SHA-256 of its files."""
        adapter = self.adapter
        files = [*adapter.glob("*.safetensors"), *adapter.glob("*.json")] if adapter else []
        return {"model": self.info.sha256, "adapter": {file.name: sha256(file) for file in files} or None}

    def prompt_file(self) -> PromptFile | None:
        """How the adapter was trained to be asked, if it says so."""
        return read_prompt_file(self.adapter) if self.adapter else None

    def late_layers(self) -> list[int]:
        """The layers, from 0, that the adapter mixes."""
        from modbench.ensemble import MoDConfig, storage

        depth = layer_count(self.folder)
        if self.adapter is None or depth is None or not storage.has_mixture(self.adapter):
            return []
        return list(range(depth - MoDConfig.load(self.adapter).k, depth))

    def parameters(self) -> Parameters:
        """How many parameters the adapter's files hold, by part."""
        counts = {"lora": 0, "norms": 0, "router": 0}
        if self.adapter is not None:
            from modbench.ensemble.storage import MIXTURE_NAME, PEFT_WEIGHTS

            counts["lora"] = sum(_sizes(self.adapter / PEFT_WEIGHTS).values())
            for name, size in _sizes(self.adapter / MIXTURE_NAME).items():
                counts["norms" if name.startswith("norms.") else "router"] += size
        return Parameters(**counts, total=sum(counts.values()), overhead_percent=None)


def _sizes(path: Path) -> dict[str, int]:
    """How many numbers each tensor of a safetensors file has, whose data are not read; none if there is no such file.

    Raises ModbenchError if it is another kind of file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return {}
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: math.prod(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise ModbenchError(f"{path} is not a whole safetensors file ({error}): copy or train it again") from None
