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
from modbench.harness.trained_format import TrainedFormat
from modbench.prompt_file import read_prompt_file
from modbench.training.tuned import base_name, resolve_adapter


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
    trained: TrainedFormat | None = None
    """How the adapter was trained to be asked, if it says so."""
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
        folder = resolve_adapter(self._adapter)
        if storage.has_mixture(folder):
            self.mod = MoDModel.from_pretrained(self._model, folder)
            self._model = self.mod.model
        else:
            self._model = storage.attach_peft(self._model, folder)
        if (prompt_file := read_prompt_file(folder)) is not None:
            self.trained = TrainedFormat(prompt_file, self.tokenizer)

    # Asked as it was trained? ----------------------------------------------------------------------------------------

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The harness's; warns once if the adapter was trained without."""
        if self.trained and self.rank == 0:
            self.trained.chat_is_asked()
        return super().apply_chat_template(chat_history, add_generation_prompt)

    def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """The harness's; warns once if the requests are not in the words that the adapter was trained on."""
        self._check(requests)
        return super().loglikelihood(requests, disable_tqdm)

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        """The harness's; warns once if the requests are not in the words that the adapter was trained on."""
        self._check(requests)
        return super().generate_until(requests, disable_tqdm)

    def _check(self, requests: Any) -> None:
        if self.trained and self.rank == 0:
            self.trained.check(request.args[0] for request in requests)

    def _model_generate(self, context: Any, max_length: int, stop: list[str], **generation: Any) -> Any:
        # The harness's stopping rule counts rows, and takes the first of one problem's beams for the first problem;
        # beams end by EOS and length alone, and the answers are cut at `stop` all the same.
        beams = generation.get("num_beams", 1) > 1
        return super()._model_generate(context, max_length, [] if beams else stop, **generation)

    # -----------------------------------------------------------------------------------------------------------------

    def get_model_info(self) -> dict[str, Any]:
        """The harness's facts about the model, with the adapter and its ensemble."""
        info = super().get_model_info()
        return info | {"peft": self._adapter, "mod_config": self.mod.mod_config.to_dict() if self.mod else None}


def _base_of(adapter: str) -> str:
    name = base_name(resolve_adapter(adapter))
    if name is None:
        raise ModbenchError(f"the adapter at {adapter} does not say which base it is for: add pretrained=MODEL")
    return name
