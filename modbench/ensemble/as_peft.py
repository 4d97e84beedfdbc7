"""A model with ensembles as transformers' Trainer, accelerate and TRL see it: as a PeftModel.

By that type they tell what trains and is saved as an adapter from what is saved as a whole model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from modbench.ensemble import storage
from modbench.ensemble.anatomy import causal_lm
from modbench.ensemble.files import AdapterFiles
from modbench.ensemble.sharding import whole


class AsPeftModel(AdapterFiles):
    """What these libraries ask of a PeftModel, beyond the verbs that users call."""

    _hf_peft_config_loaded = True  # or transformers takes a quantized base for one that nothing trains on

    def get_base_model(self) -> Any:
        """The causal LM inside."""
        return causal_lm(self.model)

    @property
    def active_adapters(self) -> list[str]:
        """The active adapter's name: only one is active at a time."""
        return [self.active_adapter]

    def save_pretrained(
        self,
        path: str | Path,
        selected_adapters: Sequence[str] | None = None,
        state_dict: Mapping[str, Tensor] | None = None,
        is_main_process: bool = True,
        **kwargs: Any,
    ) -> None:
        """Writes the adapters (`AdapterFiles.save_pretrained`).

        Under FSDP its tensors are those in `state_dict`, this model's whole state dict, or are gathered, in which all
        processes have to take part; only the main one writes.
        """
        with whole(self, state_dict):
            if is_main_process:
                super().save_pretrained(path, selected_adapters)

    def load_adapter(
        self,
        path: str | Path,
        adapter_name: str,
        is_trainable: bool = False,
        subfolder: str | None = None,
        **hub_options: Any,
    ) -> None:
        """One more adapter (`AdapterFiles.load_adapter`); a Trainer's checkpoint goes back into the one it is of."""
        folder = Path(path)
        checkpoint = folder if adapter_name == storage.DEFAULT else folder.parent
        if adapter_name not in self.adapters or not (checkpoint / "trainer_state.json").exists():
            super().load_adapter(path, adapter_name, is_trainable, subfolder, **hub_options)
        elif adapter_name == self.active_adapter:  # the others did not train
            storage.load_adapter_weights(self, checkpoint)
