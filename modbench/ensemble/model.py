"""`MoDModel`: a causal LM, plain or inside a PeftModel, with ensembles attached by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import InitVar, dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers.utils import ModelOutput

from modbench.ensemble.anatomy import causal_lm, find_anatomy, original
from modbench.ensemble.as_peft import AsPeftModel
from modbench.ensemble.attachment import Attachment, is_attached
from modbench.ensemble.config import MoDConfig
from modbench.ensemble.fingerprint import fingerprint
from modbench.ensemble.losses import objective
from modbench.ensemble.mixture import Mixture
from modbench.ensemble.rollback import evaluating
from modbench.ensemble.tokens import token_output
from modbench.errors import ModbenchError


@dataclass
class MoDOutput(ModelOutput):
    """What `MoDModel.forward` returns when labels are given: losses in nats per label token.

    `loss` is L_task + lambda L_distill in training mode and L_task alone in eval mode; `loss_task` and
    `loss_distill` are its detached parts. `logits` (batch, seq, vocabulary) are computed when they are asked for;
    what copies the output (autocast by accelerate, DDP) leaves them behind unless they were (`output_logits`).
    """

    loss: Tensor | None = None
    loss_task: Tensor | None = None
    loss_distill: Tensor | None = None
    logits: InitVar[Tensor | None] = None  # no field: DDP and FSDP look at all of those

    def __post_init__(self, logits: Tensor | None) -> None:
        super().__post_init__()
        if logits is not None:
            self["logits"] = logits

    @classmethod
    def of(cls, total: Tensor, task: Tensor, distill: Tensor, logits: Callable[[], Tensor]) -> MoDOutput:
        """The output with these losses, and `logits` to be called for the logits."""
        output = cls(loss=total, loss_task=task, loss_distill=distill)
        output.__dict__["_compute_logits"] = logits
        return output

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name == "logits" and value is None and "_compute_logits" in self.__dict__:
            value = self["logits"] = self._compute_logits()
        return value

    def __getitem__(self, key: Any) -> Any:
        return self.logits if key == "logits" else super().__getitem__(key)


class MoDModel(AsPeftModel, PeftModel):  # type: ignore[misc]
    """The model with its ensemble; made by `get_mod_model` or `MoDModel.from_pretrained`.

    Several adapters may stand on one base, each with an ensemble of its own, one of them active; `mixture` and
    `mod_config` are the active one's. What is not found here is looked up on the model itself. A PeftModel by type
    (see `AsPeftModel`), whether or not there is one inside.
    """

    accepts_loss_kwargs = True

    def __init__(self, model: nn.Module, config: MoDConfig, seed: int = 0, adapter_name: str = "default") -> None:
        nn.Module.__init__(self)  # not PeftModel's, which would attach a tuner
        self.anatomy = find_anatomy(model)
        self.anatomy.late_layers(config.k)
        if is_attached(self.anatomy):
            raise ModbenchError("this model has an ensemble already: unload() it first, or add_adapter() to it")
        if config.base_fingerprint is None:
            config = config.replace(base_fingerprint=fingerprint(model))
        mixture = self._new_mixture(config, seed)
        self.model: Any = model
        self.mixtures = nn.ModuleDict()
        self.active_adapter = adapter_name
        self._disabled = 0
        self._merged = self._unloaded = False
        plain = causal_lm(model) is model
        self._frozen = [p for p in model.parameters() if p.requires_grad] if plain else []
        for parameter in self._frozen:
            parameter.requires_grad_(False)
        self._attachment: Attachment | None = None
        self._add_mixture(adapter_name, mixture)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "model":
                raise
            return getattr(self.model, name)

    def _new_mixture(self, config: MoDConfig, seed: int) -> Mixture:
        anatomy = self.anatomy
        reference = next(module for module in (anatomy.final_norm, anatomy.layers[-1]) if module is not None)
        return Mixture(
            config,
            None if anatomy.final_norm is None else original(anatomy.final_norm),
            anatomy.hidden_width,
            anatomy.normed_width,
            next(anatomy.causal_lm.parameters()).dtype,
            _execution_device(reference, anatomy.layers[-1]),
            seed,
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_logits: bool = False,
        fused_lm_head: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The model's own forward with the ensemble; with `labels` (batch, seq; -100 ignored) a `MoDOutput`.

        Losses are means over the label tokens, or sums divided by `num_items_in_batch` where that is given: the
        label tokens of the whole optimizer step, so that gradient accumulation changes nothing. `output_logits` has
        the logits computed at once. `fused_lm_head` is how TRL's trainers ask for a `TokenOutput` instead.
        """
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
        }
        inputs = {name: value for name, value in inputs.items() if value is not None} | kwargs
        if self._unloaded:
            raise ModbenchError("this ensemble was unloaded: call the model that unload() returned")
        given = (
            input_ids.shape if input_ids is not None else inputs_embeds.shape[:2] if inputs_embeds is not None else ()
        )
        if labels is not None and labels.shape != given:
            raise ModbenchError(
                f"labels have the shape {tuple(labels.shape)}, the input has {tuple(given)}: make them equal"
            )
        mixture, attachment = self.active_mixture, self._attachment
        if labels is None or self._disabled or mixture is None or attachment is None:
            if labels is not None:
                inputs["labels"] = labels
            return self.model(**inputs, **{"fused_lm_head": True} if fused_lm_head else {})
        states, normed_last = attachment.late_states(self.model, **{"use_cache": False} | inputs)

        def logits() -> Tensor:
            return attachment.logits_of(mixture(states, normed_last)[0])

        # Virtual tokens that PEFT put in front have no labels.
        length = labels.shape[1]
        targets = labels[:, 1:].to(normed_last.device)
        keep = targets != -100
        late = [state[:, -length:-1].to(keep.device)[keep] for state in states]
        mixed, _, normed = mixture(late, normed_last[:, -length:-1][keep])
        config = mixture.config
        total, task, distill = objective(
            attachment.logits_of,
            self.anatomy.vocabulary,
            mixed,
            normed,
            targets[keep],
            config.distill_weight if self.training and mixture.mixes else 0.0,
            config.distill_detach,
            [p for p in self.anatomy.tail_parameters() if p.requires_grad],
        )
        if fused_lm_head:
            return token_output(attachment.logits_of, self.anatomy.vocabulary, mixed, targets, keep, total)
        count = keep.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        if isinstance(count, Tensor):
            count = count.to(total.device)
        output = MoDOutput.of(total / count, task / count, distill / count, logits)
        if output_logits:
            output["logits"] = logits()
        return output

    def late_states(self, **inputs: Any) -> tuple[list[Tensor], Tensor]:
        """The k late states (batch, seq, d), earliest first, and the final norm of the last one, for `inputs`."""
        attachment = self._attachment
        assert attachment is not None and self.mixture is not None
        return attachment.late_states(self.model, **inputs)

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own `generate`, with the ensemble."""
        return self.model.generate(*args, **kwargs)

    @torch.no_grad()
    def mean_gates(self, batches: Iterable[dict[str, Tensor]]) -> list[float]:
        """Mean gate per late layer over the label tokens of `batches` (dicts with `labels`), in eval mode."""
        mixture, attachment = self.mixture, self._attachment
        assert attachment is not None
        total, count = torch.zeros(mixture.config.k, dtype=torch.float64), 0
        with evaluating(self):
            for batch in batches:
                inputs = {name: value for name, value in batch.items() if name != "labels"}
                states, normed_last = attachment.late_states(self.model, **inputs)
                keep = batch["labels"][:, 1:] != -100
                length = batch["labels"].shape[1]
                last, normed = (t[:, -length:-1][keep].to(mixture.dtype) for t in (states[-1], normed_last))
                total += mixture.gates(last, normed).double().sum(0).cpu()
                count += int(keep.sum())
        return (total / max(count, 1)).tolist()


def get_mod_model(
    model: nn.Module, config: MoDConfig | None = None, seed: int = 0, adapter_name: str | None = None
) -> MoDModel:
    """`model` (any causal LM of transformers, plain or already a PeftModel) with a new ensemble.

    The base is frozen; only norms, router and what PEFT trains get gradients. `seed` feeds the router's own generator.
    Of a PeftModel the active adapter's name is the ensemble's, unless `adapter_name` says otherwise.
    Raises ModbenchError, before anything is changed, if k does not fit the model or its parts cannot be found.
    """
    config = config or MoDConfig()
    name = getattr(getattr(model, "config", None), "_name_or_path", "") or None
    if adapter_name is None:
        adapter_name = model.active_adapter if isinstance(model, PeftModel) else "default"
    return MoDModel(
        model, config.replace(base_model_name_or_path=config.base_model_name_or_path or name), seed, adapter_name
    )


def _execution_device(module: nn.Module, layer: nn.Module) -> torch.device:
    """Where `module` computes: its own device, or the one to which accelerate brings it."""
    hook = getattr(module, "_hf_hook", None)
    device = getattr(hook, "execution_device", None)
    if device is not None:
        return torch.device(device)
    parameter = next(module.parameters(), None)
    return next(layer.parameters()).device if parameter is None else parameter.device
