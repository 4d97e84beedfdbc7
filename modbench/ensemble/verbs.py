"""PEFT's verbs for a model with ensembles: naming, switching, counting, saving, loading and taking off adapters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from torch import nn

from modbench.ensemble import hub, storage
from modbench.ensemble.anatomy import Anatomy, find_anatomy
from modbench.ensemble.attachment import Attachment
from modbench.ensemble.config import MoDConfig
from modbench.ensemble.fingerprint import fingerprint
from modbench.ensemble.mixture import Mixture
from modbench.ensemble.rollback import unchanged_on_error
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

    # Files -----------------------------------------------------------------------------------------------------------

    def save_pretrained(self, path: str | Path, selected_adapters: Sequence[str] | None = None) -> None:
        """Writes adapters, all or the selected ones: `default` into the folder `path`, others into `path/<name>`.

        An ensemble is `mod_config.json` and `mod_model.safetensors`, a PEFT part PEFT's own two files beside them.
        """
        if self._merged:
            raise ModbenchError("the adapter was merged into the base: save it before, or export() the merged model")
        for name in self.adapters if selected_adapters is None else selected_adapters:
            if name not in self.adapters:
                raise unknown("adapter", name, self.adapters)
            folder = storage.adapter_folder(Path(path), name)
            folder.mkdir(parents=True, exist_ok=True)
            if name in self._peft_adapters:
                storage.save_peft(self.model, Path(path), name)
            if name in self.mixtures:
                mixture: Any = self.mixtures[name]
                storage.save_mixture(mixture, folder)
                mixture.config.save(folder)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Uploads what `save_pretrained` writes to a hub repository, made if there is none; the commit's address.

        `options` are those of `modbench.ensemble.hub.upload`: `private`, `commit_message`, `token`, `revision`,
        `create_pr`. Raises ModbenchError if the hub refuses or cannot be reached.
        """
        return hub.upload(self.save_pretrained, repo_id, **options)

    @classmethod
    def from_pretrained(
        cls,
        base_model: nn.Module,
        path: str | Path,
        adapter_name: str = "default",
        is_trainable: bool = False,
        subfolder: str | None = None,
        **hub_options: Any,
    ) -> Self:
        """The adapter that `save_pretrained` wrote into a folder or hub repository, on `base_model`.

        It is frozen and in eval mode unless `is_trainable`, as PEFT's is. `hub_options` are `revision`, `token`,
        `cache_dir` and `local_files_only`. Raises ModbenchError, with the base as it was, if a file is missing,
        broken, not safetensors, or was made for another base (compared by fingerprint).
        """
        folder = storage.resolve(path, subfolder, **hub_options)
        if not storage.has_mixture(folder):
            raise ModbenchError(
                f"{folder} is a PEFT adapter without an ensemble: load it with PEFT, then get_mod_model()"
            )
        config = MoDConfig.load(folder)
        storage.check_base(config, fingerprint(base_model, like=config.base_fingerprint), folder)
        tensors = storage.read_mixture(folder)
        with unchanged_on_error(base_model):
            model: Any = base_model
            if storage.has_peft(folder):
                model = storage.attach_peft(base_model, folder, adapter_name, is_trainable)
            mod = cls(model, config, adapter_name=adapter_name)
            storage.load_mixture(mod.mixture, tensors, folder)
        if not is_trainable:
            mod.mixture.requires_grad_(False)
            mod.eval()
        return mod

    def load_adapter(
        self,
        path: str | Path,
        adapter_name: str,
        is_trainable: bool = False,
        subfolder: str | None = None,
        **hub_options: Any,
    ) -> None:
        """One more adapter, beside those that are there: what modbench or PEFT wrote. `set_adapter` makes it active.

        Raises ModbenchError, with everything as it was, as `from_pretrained` does.
        """
        if adapter_name in self.adapters:
            raise ModbenchError(f"there is an adapter named {adapter_name!r} already: choose another name")
        folder = storage.resolve(path, subfolder, **hub_options)
        config = MoDConfig.load(folder) if storage.has_mixture(folder) else None
        if config is not None:
            storage.check_base(config, fingerprint(self.model, like=config.base_fingerprint), folder)
        model = self.model
        with unchanged_on_error(self):
            if storage.has_peft(folder):
                model = storage.attach_peft(self.model, folder, adapter_name, is_trainable)
            if config is not None:
                mixture = self._new_mixture(config, seed=0)
                storage.load_mixture(mixture, storage.read_mixture(folder), folder)
                mixture.set_trainable(False)
                self.mixtures[adapter_name] = mixture
        self.model = model
        self._detach()
        self.anatomy = find_anatomy(model)
        if self.active_adapter not in self._peft_adapters:  # switching on would also let them train
            self._switch_peft()
        self._attach()
        if not is_trainable:
            self.eval()

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
