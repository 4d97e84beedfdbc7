"""transformers' Trainer for a MoDModel: checkpoints hold the adapter, never the base."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback

from modbench.atomic import write_json
from modbench.ensemble import storage
from modbench.records.log import append_log

_SECONDS = "seconds.json"


class MoDTrainer(Trainer):
    """A Trainer whose checkpoints are adapter folders beside the optimizer's and the random state.

    `ensemble_learning_rate` is the rate for norms and router; None is the one of `args`.
    """

    def __init__(self, *args: Any, ensemble_learning_rate: float | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ensemble_learning_rate = ensemble_learning_rate

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """transformers' optimizer, its groups split where norms and router learn at a rate of their own."""
        optimizer = super().create_optimizer(*args, **kwargs)
        if self.ensemble_learning_rate is not None:
            ours = {id(p) for p in self.accelerator.unwrap_model(self.model).mixture.parameters()}
            for group in list(optimizer.param_groups):
                members = [p for p in group["params"] if id(p) in ours]
                if members:
                    group["params"] = [p for p in group["params"] if id(p) not in ours]
                    optimizer.add_param_group(group | {"params": members, "lr": self.ensemble_learning_rate})
        return optimizer

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = output_dir or self.args.output_dir
        self.accelerator.unwrap_model(self.model).save_pretrained(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        mod = self.accelerator.unwrap_model(model or self.model)
        storage.load_adapter_weights(mod, Path(resume_from_checkpoint))


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint under `folder`: `trainer_state.json` and our own file are written last."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]), reverse=True):
        try:
            for file in ("trainer_state.json", _SECONDS):
                json.loads((checkpoint / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return str(checkpoint)
    return None


class Progress(TrainerCallback):
    """A progress bar named after the run, one line per logged step in `log.jsonl`, and the time that training took.

    `seconds` counts the work that is in the adapter: all parts of a training that was cut, without what was lost.
    """

    def __init__(self, title: str, folder: Path, checkpoint: str | None) -> None:
        self.title, self.folder, self.earlier = title, folder, 0.0
        if checkpoint is not None:
            self.earlier = float(json.loads((Path(checkpoint) / _SECONDS).read_text(encoding="utf-8")))
        self.start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self.earlier + time.perf_counter() - self.start

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        from tqdm.auto import tqdm

        self.bar = tqdm(
            total=state.max_steps, initial=state.global_step, desc=self.title, unit="step", dynamic_ncols=True
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self.bar.set_postfix(loss=f"{float(logs['loss']):.3f}")
            append_log(self.folder, {"step": state.global_step, **logs})

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        write_json(Path(args.output_dir) / f"checkpoint-{state.global_step}" / _SECONDS, self.seconds)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()
