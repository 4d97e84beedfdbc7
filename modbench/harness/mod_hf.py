"""The `mod-hf` model type of lm-evaluation-harness: a Hugging Face causal LM with a modbench or PEFT adapter.

`lm_eval --model mod-hf --model_args pretrained=MODEL,peft=ADAPTER --tasks gsm8k`. Without arguments it is the
embedded model with its shipped `mod_k` adapter. All arguments of the harness's own `hf` keep working.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM

from modbench import resources
from modbench.checkpoints import DEMO
from modbench.ensemble import MoDModel, storage
from modbench.errors import ModbenchError
from modbench.training.tuned import base_name


def _report_in_one_line(previous: Callable[..., Any]) -> Callable[..., Any]:
    """An excepthook under which an uncaught ModbenchError is one line and exit code 2, in the stock script too."""

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if not isinstance(error, ModbenchError):
            previous(kind, error, traceback)
            return
        sys.stderr.write(f"modbench: {error}\n")
        raise SystemExit(2)

    return hook


sys.excepthook = _report_in_one_line(sys.excepthook)


class ModHF(HFLM):
    """`hf` with an adapter that may carry an ensemble.

    `pretrained`: a folder, a hub id or `demo`; by default the base that the adapter names. `peft` (or `adapter`): a
    folder or hub id that modbench or PEFT wrote. With neither, the embedded model and its adapter.
    """

    mod: MoDModel | None = None
    _model: Any

    def __init__(
        self, pretrained: Any = None, peft: str | None = None, adapter: str | None = None, **kwargs: Any
    ) -> None:
        if peft and adapter and peft != adapter:
            raise ModbenchError(f"peft={peft} and adapter={adapter} name two adapters: give one")
        peft = peft or adapter
        if pretrained is None:
            if peft is None:
                pretrained, peft = DEMO, str(resources.folder("demo-adapter"))
            else:
                pretrained = _base_of(peft)
        if peft and not isinstance(pretrained, str):  # the harness would take the model as it is
            raise ModbenchError("pretrained is a loaded model: attach the adapter to it first, and leave peft out")
        self._adapter = peft
        if pretrained == DEMO:
            pretrained = str(resources.folder("demo"))
            kwargs.setdefault("dtype", "float32")  # as its suite runs it: float16 is only how it is stored
        # The harness's own default is "cuda", also where there is none.
        kwargs["device"] = kwargs.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
        super().__init__(pretrained=pretrained, **kwargs)

    def _create_model(self, *args: Any, **kwargs: Any) -> None:
        kwargs["peft"] = None  # ours is attached below, whoever wrote it
        super()._create_model(*args, **kwargs)
        if self._adapter is None:
            return
        folder = storage.resolve(self._adapter)
        if storage.has_mixture(folder):
            self.mod = MoDModel.from_pretrained(self._model, folder)
            self._model = self.mod.model
        else:
            self._model = storage.attach_peft(self._model, folder)

    def get_model_info(self) -> dict[str, Any]:
        """The harness's facts about the model, with the adapter and its ensemble."""
        info = super().get_model_info()
        return info | {"peft": self._adapter, "mod_config": self.mod.mod_config.to_dict() if self.mod else None}


def _base_of(adapter: str) -> str:
    name = base_name(storage.resolve(adapter))
    if name is None:
        raise ModbenchError(f"the adapter at {adapter} does not say which base it is for: add pretrained=MODEL")
    return name
