"""PEFT's verbs for a model with ensembles: naming, switching, counting, saving, loading and taking off adapters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from torch import nn

from modbench.ensemble import storage
from modbench.ensemble.anatomy import Anatomy, find_anatomy
from modbench.ensemble.attachment import Attachment
from modbench.ensemble.config import MoDConfig
from modbench.ensemble.fingerprint import fingerprint
from modbench.ensemble.mixture import Mixture
from modbench.errors import ModbenchError, unknown

class AdapterVerbs(nn.Module):
    """What `MoDModel` does with its adapters. An adapter has a PEFT part, an ensemble, or both, under one name."""

    model: Any
    mixtures: nn.ModuleDict
    active_adapter: str
    anatomy: Anatomy
    _attachment: Attachment | None
    _disabled: int
    _merged: bool
    _frozen: list[nn.Parameter]

    def _new_mixture(self, config: MoDConfig, seed: int) -> Mixture:
        raise NotImplementedError

    # Which adapter -------------------------------------------------------------------------------------------------

    @property
    def active_mixture(self) -> Mixture | None:
        """The active adapter's ensemble, None if it has none."""
        name = self.active_adapter
        return self.mixtures[name] if name in self.mixtures else None  # type: ignore[return-value]

    @property
    def mixture(self) -> Mixture:
        """The active adapter's ensemble; ModbenchError if it has none."""
        mixture = self.active_mixture
        if mixture is None:
            raise ModbenchError(f"adapter {self.active_adapter!r} has no ensemble: set_adapter() to one that has")
        return mixture

    @property
    def mod_config(self) -> MoDConfig:
        """The active ensemble's configuration."""
        return self.mixture.config

    @property
    def late_layers(self) -> list[int]:
        """Indices, from 0, of the active ensemble's late layers."""
        return self.anatomy.late_layers(self.mod_config.k)

    @property
    def adapters(self) -> list[str]:
        """The names of all adapters."""
        return list(dict.fromkeys([*self.mixtures, *getattr(self.model, "peft_config", {})]))

    def add_adapter(self, adapter_name: str, config: MoDConfig, seed: int = 0) -> None:
        """A new ensemble under `adapter_name`, beside the PEFT adapter of that name if there is one; not activated."""
        if adapter_name in self.mixtures:
            raise ModbenchError(f"there is an ensemble named {adapter_name!r} already: choose another name")
        self.anatomy.late_layers(config.k)
        first = next(iter(self.mixtures.values()), None)
        known = first.config.base_fingerprint if isinstance(first, Mixture) else None
        self._add_mixture(adapter_name, self._new_mixture(config.replace(base_fingerprint=known), seed))

    def _add_mixture(self, name: str, mixture: Mixture) -> None:
        self.mixtures[name] = mixture
        self._attach()

    def _attach(self) -> None:
        """Hooks on the late layers of the active ensemble."""
        if self._attachment is not None:
            self._attachment.remove()
        mixture = self.active_mixture
        self._attachment = None if mixture is None else Attachment(self.anatomy, mixture.config.k)
        self._switch(0)

    def set_adapter(self, adapter_name: str) -> None:
        """Makes one adapter the active one: its PEFT part, if it has one, and its ensemble, if it has one."""
        if adapter_name not in self.adapters:
            raise unknown("adapter", adapter_name, self.adapters)
        if hasattr(self.model, "peft_config"):
            if adapter_name in self.model.peft_config:
                self.model.base_model.enable_adapter_layers()
                self.model.set_adapter(adapter_name)
            else:
                self.model.base_model.disable_adapter_layers()
        self.active_adapter = adapter_name
        for name, mixture in self.mixtures.items():
            trains = mixture.config.train_norms or mixture.config.train_last_norm  # type: ignore[union-attr]
            mixture.requires_grad_(name == adapter_name)
            if not trains:
                mixture.norms.requires_grad_(False)  # type: ignore[union-attr]
        self._attach()

    def delete_adapter(self, adapter_name: str) -> None:
        """Removes an adapter that is not active."""
        if adapter_name not in self.adapters:
            raise unknown("adapter", adapter_name, self.adapters)
        if adapter_name == self.active_adapter:
            raise ModbenchError(f"adapter {adapter_name!r} is active: set_adapter() to another one first")
        if adapter_name in getattr(self.model, "peft_config", {}):
            self.model.delete_adapter(adapter_name)
        if adapter_name in self.mixtures:
            del self.mixtures[adapter_name]
        self._attach()

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Switches the ensemble and the PEFT adapter off within the block; nests, and restores what was."""
        with contextlib.ExitStack() as stack:
            if hasattr(self.model, "peft_config"):
                stack.enter_context(self.model.disable_adapter())
            self._switch(+1)
            stack.callback(self._switch, -1)
            yield

    def _switch(self, step: int) -> None:
        self._disabled += step
        if self._attachment is not None:
            mixture = self.active_mixture
            self._attachment.mixture = None if self._disabled or mixture is None or not mixture.mixes else mixture

    # Files -----------------------------------------------------------------------------------------------------------

    def save_pretrained(self, path: str | Path) -> None:
        """Writes `mod_config.json` and `mod_model.safetensors`, and PEFT's own two files if there is an adapter."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        if hasattr(self.model, "peft_config"):
            storage.save_peft(self.model, folder)
        storage.save_mixture(self.mixture, folder)
        self.mod_config.save(folder)

    @classmethod
    def from_pretrained(cls, base_model: nn.Module, path: str | Path) -> Self:
        """The adapter that `save_pretrained` wrote into a folder or hub repository, on `base_model`.

        Raises ModbenchError, with the base as it was, if a file is missing, broken, not safetensors, or was made for
        another base (compared by fingerprint).
        """
        folder = storage.resolve(path)
        config = MoDConfig.load(folder)
        storage.check_base(config, fingerprint(base_model), folder)
        tensors = storage.read_mixture(folder)
        model: Any = storage.attach_peft(base_model, folder) if storage.has_peft(folder) else base_model
        with contextlib.ExitStack() as undo:
            if model is not base_model:
                undo.callback(model.unload)
            mod = cls(model, config)
            undo.callback(mod.remove_hooks)
            storage.load_mixture(mod.mixture, tensors, folder)
            undo.pop_all()
        return mod

    # What is trained -------------------------------------------------------------------------------------------------

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters by part: lora (all that PEFT trains), norms, router."""
        mixture = self.active_mixture
        norms, router = (None, None) if mixture is None else (mixture.norms, mixture.router)
        parts = {"lora": self.model, "norms": norms, "router": router}
        return {
            name: sum(p.numel() for p in part.parameters() if p.requires_grad) if part is not None else 0
            for name, part in parts.items()
        }

    def get_nb_trainable_parameters(self) -> tuple[int, int]:
        """Trainable parameters and all parameters, as PEFT's method of that name counts them."""
        from peft import PeftModel

        plain = (self.parameter_counts()["lora"], sum(p.numel() for p in self.model.parameters()))
        trainable, everything = (
            self.model.get_nb_trainable_parameters() if isinstance(self.model, PeftModel) else plain
        )
        ours = list(self.mixtures.parameters())
        return trainable + sum(p.numel() for p in ours if p.requires_grad), everything + sum(p.numel() for p in ours)

    def print_trainable_parameters(self) -> None:
        """Prints the trainable parameters and their share, as PEFT does."""
        trainable, everything = self.get_nb_trainable_parameters()
        parts = ", ".join(f"{name} {count:,}" for name, count in self.parameter_counts().items())
        share = 100 * trainable / everything
        print(f"trainable params: {trainable:,} ({parts}) || all params: {everything:,} || trainable%: {share:.4f}")

    # Taking off ------------------------------------------------------------------------------------------------------

    def merge_and_unload(self) -> Self:
        """Merges the active PEFT adapter into the base and keeps its ensemble: this model, on the merged base."""
        if hasattr(self.model, "peft_config"):
            for name in [name for name in self.mixtures if name != self.active_adapter]:
                del self.mixtures[name]
            self.model = self.model.merge_and_unload()
            self._merged = True
            self._refresh()
        return self

    def _refresh(self) -> None:
        """After PEFT has replaced modules: hooks where the parts are now."""
        self.remove_hooks()
        self.anatomy = find_anatomy(self.model)
        self._attach()

    def remove_hooks(self) -> None:
        """Detaches the ensembles from the model and gives the base its gradients back."""
        if self._attachment is not None:
            self._attachment.remove()
            self._attachment = None
        for parameter in self._frozen:
            parameter.requires_grad_(True)

    def unload(self) -> nn.Module:
        """Removes ensembles and PEFT adapters and returns the base, bit for bit as it was.

        Raises ModbenchError after a merge, which cannot be taken back.
        """
        if self._merged:
            raise ModbenchError("the adapter was merged into the base: load the base again instead of unload()")
        self.remove_hooks()
        return self.model.unload() if hasattr(self.model, "peft_config") else self.model
