"""PEFT's verbs for a model with ensembles: naming, switching, counting and taking off adapters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Self

from torch import nn

from modbench.ensemble.anatomy import Anatomy, find_anatomy
from modbench.ensemble.attachment import Attachment
from modbench.ensemble.config import MoDConfig
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
    _unloaded: bool
    _frozen: list[nn.Parameter]

    def _new_mixture(self, config: MoDConfig, seed: int) -> Mixture:
        raise NotImplementedError

    # Which adapter -------------------------------------------------------------------------------------------------

    @property
    def active_mixture(self) -> Mixture | None:
        """The active adapter's ensemble, None if it has none."""
        return dict(self.mixtures.items()).get(self.active_adapter)  # type: ignore[return-value]

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
        return list(dict.fromkeys([*self.mixtures, *self._peft_adapters]))

    @property
    def _peft_adapters(self) -> dict[str, Any]:
        return getattr(self.model, "peft_config", {})

    def add_adapter(self, adapter_name: str, config: MoDConfig, seed: int = 0) -> None:
        """A new ensemble under `adapter_name`, beside the PEFT adapter of that name if there is one; not activated."""
        if adapter_name in self.mixtures:
            raise ModbenchError(f"there is an ensemble named {adapter_name!r} already: choose another name")
        self.anatomy.late_layers(config.k)
        first = next(iter(self.mixtures.values()), None)
        known = first.config.base_fingerprint if isinstance(first, Mixture) else None
        self._add_mixture(adapter_name, self._new_mixture(config.replace(base_fingerprint=known), seed))

    def _add_mixture(self, name: str, mixture: Mixture) -> None:
        mixture.set_trainable(name == self.active_adapter)
        self.mixtures[name] = mixture
        self._attach()

    def _attach(self) -> None:
        """Hooks on the late layers of the active ensemble."""
        if self._unloaded:
            raise ModbenchError("this ensemble was unloaded: get_mod_model() or from_pretrained() makes another")
        self._detach()
        mixture = self.active_mixture
        self._attachment = None if mixture is None else Attachment(self.anatomy, mixture.config.k)
        self._switch(0)

    def set_adapter(self, adapter_name: str) -> None:
        """Makes one adapter the active one: its PEFT part, if it has one, and its ensemble, if it has one."""
        if adapter_name not in self.adapters:
            raise unknown("adapter", adapter_name, self.adapters)
        if adapter_name in self._peft_adapters:
            self.model.set_adapter(adapter_name)
        self.active_adapter = adapter_name
        mixture: Any
        for name, mixture in self.mixtures.items():
            mixture.set_trainable(name == adapter_name)
        self._switch_peft()
        self._attach()

    def _switch_peft(self) -> None:
        """PEFT's layers on if the active adapter has a PEFT part, off if it has none; untouched while disabled."""
        if not self._peft_adapters or self._disabled:
            return
        layers = self.model.base_model
        if self.active_adapter in self._peft_adapters:
            if hasattr(layers, "enable_adapter_layers"):
                layers.enable_adapter_layers()
        elif hasattr(layers, "disable_adapter_layers"):
            layers.disable_adapter_layers()
        else:
            raise ModbenchError("virtual tokens of a PEFT adapter cannot be left out for another: load it by itself")

    def delete_adapter(self, adapter_name: str) -> None:
        """Removes an adapter that is not active."""
        if adapter_name not in self.adapters:
            raise unknown("adapter", adapter_name, self.adapters)
        if adapter_name == self.active_adapter:
            raise ModbenchError(f"adapter {adapter_name!r} is active: set_adapter() to another one first")
        if adapter_name in self._peft_adapters:
            self.model.delete_adapter(adapter_name)
        if adapter_name in self.mixtures:
            del self.mixtures[adapter_name]
        self._attach()

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Switches the ensemble and the PEFT adapter off within the block; nests, and restores what was."""
        active = self.active_adapter
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: None if self.active_adapter == active else self._switch_peft())
            if self._peft_adapters:
                stack.enter_context(self.model.disable_adapter())
            self._switch(+1)
            stack.callback(self._switch, -1)
            yield

    def _switch(self, step: int) -> None:
        self._disabled += step
        if self._attachment is not None:
            mixture = self.active_mixture
            self._attachment.mixture = None if self._disabled or mixture is None or not mixture.mixes else mixture

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
        trainable, everything = self.model.get_nb_trainable_parameters() if isinstance(self.model, PeftModel) else plain
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
        if self._peft_adapters:
            for name in [name for name in self.mixtures if name != self.active_adapter]:
                del self.mixtures[name]
            self._detach()
            self.model = self.model.merge_and_unload()
            self._merged = True
            self.anatomy = find_anatomy(self.model)
            self._attach()
        return self

    def _detach(self) -> None:
        if self._attachment is not None:
            self._attachment.remove()
            self._attachment = None

    def remove_hooks(self) -> None:
        """Detaches the ensembles from the model and gives the base its gradients back."""
        self._detach()
        for parameter in self._frozen:
            parameter.requires_grad_(True)

    def unload(self) -> nn.Module:
        """Removes ensembles and PEFT adapters and returns the base, bit for bit as it was.

        Raises ModbenchError after a merge, which cannot be taken back.
        """
        if self._merged:
            raise ModbenchError("the adapter was merged into the base: load the base again instead of unload()")
        self.remove_hooks()
        self._unloaded = True
        if not self._peft_adapters:
            return self.model
        from peft.utils import ModulesToSaveWrapper

        for module in self.model.modules():
            if isinstance(module, ModulesToSaveWrapper):
                module._active_adapter = []  # or PEFT would leave the trained copy in the original's place
        return self.model.unload()
