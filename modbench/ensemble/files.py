"""PEFT's verbs for adapter files: saving, uploading, loading the first adapter and further ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from torch import nn

from modbench.ensemble import hub, storage
from modbench.ensemble.anatomy import find_anatomy
from modbench.ensemble.config import MoDConfig
from modbench.ensemble.fingerprint import fingerprint
from modbench.ensemble.rollback import unchanged_on_error
from modbench.ensemble.verbs import AdapterVerbs
from modbench.errors import ModbenchError, unknown


class AdapterFiles(AdapterVerbs):
    """The way of a `MoDModel`'s adapters to disk and hub, and back."""

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
            mod.mixture.set_trainable(False)
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
