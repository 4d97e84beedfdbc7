"""transformers' Trainer for a MoDModel: checkpoints hold the adapter, never the base."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback

from modbench.atomic import write_json
from modbench.ensemble import MoDModel, storage
from modbench.ensemble.sharding import whole
from modbench.errors import ModbenchError
from modbench.records.log import append_log

_SECONDS = "seconds.json"


class MoDTrainer(Trainer):
    """transformers' Trainer for a MoDModel, with all that it can do.

    Checkpoints and `save_model` hold the adapter, as `MoDModel.save_pretrained` writes it, under FSDP too. `eval_loss`
    is the cross-entropy alone; logits are computed for `compute_metrics` only. Beside `loss` the log has `loss_task`
    and `loss_distill`. `ensemble_learning_rate` is the rate for norms and router; None is that of `args`.

    Raises ModbenchError for another kind of model, for label smoothing, for several GPUs in one process, and for FSDP
    that saves in shards.
    """

    def __init__(self, *args: Any, ensemble_learning_rate: float | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._check()
        self.ensemble_learning_rate = ensemble_learning_rate
        # Trainer would look at the base for these, where a few architectures say otherwise.
        self.model_accepts_loss_kwargs = self._loss_shifts_labels = True
        self._losses = torch.zeros(2)

    def _check(self) -> None:
        if not isinstance(self.model, MoDModel):
            kind = type(self.model).__name__
            raise ModbenchError(f"MoDTrainer trains a MoDModel, not a {kind}: get_mod_model(model) makes one")
        if self.args.label_smoothing_factor:
            raise ModbenchError("label smoothing is not part of the ensemble's objective: set it to 0")
        if self.args.n_gpu > 1:
            raise ModbenchError(
                "one process cannot train on several GPUs: use accelerate launch, or CUDA_VISIBLE_DEVICES=0 for one"
            )
        if self.is_fsdp_enabled and "FULL" not in str(self.accelerator.state.fsdp_plugin.state_dict_type):
            raise ModbenchError("an adapter is saved whole: set fsdp_config's state_dict_type to FULL_STATE_DICT")

    def _build_accelerator_args(self, **kwargs: Any) -> Any:
        if self.args.ddp_find_unused_parameters is None and self.args.activation_checkpointing:
            self.args.ddp_find_unused_parameters = False  # as Trainer does for models of transformers' own
        return super()._build_accelerator_args(**kwargs)

    # What is learned at which rate -----------------------------------------------------------------------------------

    def create_optimizer(self, model: Any = None) -> Any:
        """transformers' optimizer, its groups split where norms and router learn at a rate of their own."""
        trained: Any = model or self.model
        if not any(p.requires_grad for p in trained.parameters()):
            raise ModbenchError("this adapter is frozen: load it with is_trainable=True to train on")
        given = self.optimizer is not None
        optimizer = super().create_optimizer(model)
        if self.ensemble_learning_rate is None or given:
            return optimizer
        ours = {id(p) for p in self.accelerator.unwrap_model(trained).mixtures.parameters()}
        for group in list(optimizer.param_groups):
            members = [p for p in group["params"] if id(p) in ours]
            if members:
                group["params"] = [p for p in group["params"] if id(p) not in ours]
                optimizer.add_param_group(group | {"params": members, "lr": self.ensemble_learning_rate})
        return optimizer

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """transformers' choice, which knows norms by names that those of the late layers do not have."""
        return [name for name in super().get_decay_parameter_names(model) if ".norms." not in name]

    # Losses ----------------------------------------------------------------------------------------------------------

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The objective as the model computes it; keeps its parts for the log."""
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training and "loss_task" in outputs:
            scale = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
            parts = torch.stack((outputs["loss_task"], outputs["loss_distill"])).float()
            self._losses = self._losses.to(parts.device) + scale * parts
        return (loss, outputs) if return_outputs else loss

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        self._logged_before = self._globalstep_last_logged
        super()._maybe_log_save_evaluate(*args, **kwargs)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds `loss_task` and `loss_distill`, means over the steps since the last entry, as `loss` is."""
        if "loss" in logs:
            means = self.accelerator.reduce(self._losses, "mean") / (self.state.global_step - self._logged_before)
            logs |= dict(zip(("loss_task", "loss_distill"), means.tolist(), strict=True))
            self._losses = torch.zeros_like(self._losses)
        super().log(logs, *args, **kwargs)

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> Any:
        """Loss, logits and labels of a batch; no logits are formed where the loss alone is wanted."""
        ignore = ["past_key_values"] if ignore_keys is None else ignore_keys
        ignore = [*ignore, "loss_task", "loss_distill"]
        inputs = {**inputs, "output_logits": not prediction_loss_only}
        return super().prediction_step(model, inputs, prediction_loss_only, ignore)

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Writes the adapter; under FSDP it alone is gathered, where Trainer would gather the base too."""
        if not self.is_fsdp_enabled:
            return super().save_model(output_dir, _internal_call)
        assert self.model is not None
        with whole(self.model):
            self._save(output_dir)
        if self.args.push_to_hub and not _internal_call:
            self.push_to_hub(commit_message="Model save", revision=self.args.hub_revision)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:  # from the trained tensors that Trainer wrote for itself
            return super()._load_from_checkpoint(resume_from_checkpoint, model)
        storage.load_adapter_weights(self.accelerator.unwrap_model(self.model), Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            return super()._load_best_model()
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))


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
