"""`MoDModel`: a causal LM, plain or inside a PeftModel, with the ensemble attached by hooks.

Nothing of the model is replaced: a forward hook on each late layer keeps its state in a slot, and a forward hook on
the final norm gives the head the mixed state in place of the last layer's. Scaling, capping, slicing and caching
that the model does for itself come along.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from modbench.ensemble import storage
from modbench.ensemble.anatomy import causal_lm, find_anatomy
from modbench.ensemble.config import MoDConfig
from modbench.ensemble.fingerprint import fingerprint
from modbench.ensemble.losses import objective
from modbench.ensemble.mixture import Mixture
from modbench.errors import ModbenchError


@dataclass
class MoDOutput(ModelOutput):
    """What `MoDModel.forward` returns when labels are given: losses in nats per label token.

    `loss` is L_task + lambda L_distill in training mode and L_task alone in eval mode; `loss_task` and
    `loss_distill` are its detached parts. Logits are not formed: call without labels for them.
    """

    loss: Tensor | None = None
    loss_task: Tensor | None = None
    loss_distill: Tensor | None = None
    logits: Tensor | None = None


class MoDModel(nn.Module):
    """The model with its ensemble; made by `get_mod_model` or `MoDModel.from_pretrained`."""

    accepts_loss_kwargs = True

    def __init__(self, model: nn.Module, config: MoDConfig, seed: int = 0) -> None:
        super().__init__()
        anatomy = find_anatomy(model)
        self.late_layers = anatomy.late_layers(config.k)
        if config.base_fingerprint is None:
            config = config.replace(base_fingerprint=fingerprint(model))
        self.mod_config = config
        self.mixture = Mixture(config, anatomy.final_norm, anatomy.head.get_parameter("weight").shape[1], seed)
        self.model: Any = model
        self._head = [anatomy.head]  # in a list: the head stays a module of the base alone
        self._states: list[Tensor | None] = [None] * config.k
        self._normed_last: Tensor | None = None
        self._disabled = 0
        self._collecting = False
        self._merged = False
        self._head_is_last: bool | None = None
        self._frozen = (
            [p for p in causal_lm(model).parameters() if p.requires_grad] if model is causal_lm(model) else []
        )
        for parameter in self._frozen:
            parameter.requires_grad_(False)
        self._hooks = [
            anatomy.layers[layer].register_forward_hook(self._keep_state(slot))
            for slot, layer in enumerate(self.late_layers)
        ]
        self._hooks.append(anatomy.final_norm.register_forward_hook(self._mix))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "model":
                raise
            return getattr(self.model, name)

    # Hooks -----------------------------------------------------------------------------------------------------

    def _keep_state(self, slot: int) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            self._states[slot] = output[0] if isinstance(output, tuple) else output

        return keep

    def _mix(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        # Some models run their norm in other places too: only the last layer's state counts.
        if self._disabled or not args or args[0] is not self._states[-1]:
            return None
        if self._collecting:
            self._normed_last = output
            return None
        if self.mod_config.router == "last" and not self.mod_config.train_last_norm:
            return None
        mixed, _, _ = self.mixture(self._states, output)
        return mixed.to(output.dtype)

    # Forward ---------------------------------------------------------------------------------------------------

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> Any:
        """The model's own forward with the ensemble; with `labels` (batch, seq; -100 ignored) a `MoDOutput`.

        Losses are means over the label tokens, or sums divided by `num_items_in_batch` where that is given.
        """
        if labels is None or self._disabled:
            if labels is not None:
                kwargs["labels"] = labels
            return self.model(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
        states, normed_last = self.late_states(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
        targets = labels[:, 1:]
        keep = targets != -100
        mixed, _, normed = self.mixture([state[:, :-1][keep] for state in states], normed_last[:, :-1][keep])
        config = self.mod_config
        weight = config.distill_weight if self.training and config.router != "last" and config.k > 1 else 0.0
        total, task, distill = objective(self._logits, mixed, normed, targets[keep], weight, config.distill_detach)
        count = keep.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        return MoDOutput(loss=total / count, loss_task=task / count, loss_distill=distill / count)

    def late_states(self, **inputs: Any) -> tuple[list[Tensor], Tensor]:
        """The k late states (batch, seq, d), earliest first, and the final norm of the last one, for `inputs`."""
        self._collecting = True
        try:
            output = self.model(**inputs, logits_to_keep=1, use_cache=False)
            states, normed_last = self._states, self._normed_last
        finally:
            self._collecting = False
            self._states, self._normed_last = [None] * self.mod_config.k, None
        if normed_last is None or any(state is None for state in states):
            raise ModbenchError(f"{type(causal_lm(self.model)).__name__} did not pass its last layer to its final norm")
        self._check_head(normed_last, output.logits)
        return states, normed_last  # type: ignore[return-value]

    def _check_head(self, normed_last: Tensor, logits: Tensor) -> None:
        """Once per model: the loss calls the head alone, so the model must not change logits after it."""
        if self._head_is_last is None:
            with torch.no_grad():
                ours, theirs = self._logits(normed_last[:, -1]), logits[:, -1].to(self.mixture.dtype)
                self._head_is_last = bool(
                    torch.allclose(ours, theirs, rtol=2e-2, atol=2e-2 * float(theirs.abs().max()))
                )
        if not self._head_is_last:
            name = type(causal_lm(self.model)).__name__
            raise ModbenchError(f"{name} scales or caps its logits after the head: training it is not supported yet")

    def _logits(self, state: Tensor) -> Tensor:
        head = self._head[0]
        return head(state.to(head.get_parameter("weight").dtype)).to(self.mixture.dtype)

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own `generate`, with the ensemble."""
        return self.model.generate(*args, **kwargs)

    @torch.no_grad()
    def mean_gates(self, batches: Any) -> list[float]:
        """Mean gate per late layer over the label tokens of `batches` (dicts with `labels`), in eval mode."""
        total, count = torch.zeros(self.mod_config.k, dtype=torch.float64), 0
        was_training = self.training
        self.eval()
        for batch in batches:
            inputs = {name: value for name, value in batch.items() if name != "labels"}
            states, normed_last = self.late_states(**inputs)
            keep = batch["labels"][:, 1:] != -100
            gates = self.mixture.gates([s[:, :-1][keep] for s in states], normed_last[:, :-1][keep])
            total += gates.double().sum(0).cpu()
            count += int(keep.sum())
        self.train(was_training)
        return (total / max(count, 1)).tolist()

    # PEFT's verbs ----------------------------------------------------------------------------------------------

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters by part: lora (all that PEFT trains), norms, router."""
        parts = {"lora": self.model, "norms": self.mixture.norms, "router": self.mixture.router}
        return {
            name: sum(p.numel() for p in part.parameters() if p.requires_grad) if part is not None else 0
            for name, part in parts.items()
        }

    def print_trainable_parameters(self) -> None:
        """Prints the trainable parameters and their share, as PEFT does."""
        counts = self.parameter_counts()
        trainable, everything = sum(counts.values()), sum(p.numel() for p in self.parameters())
        parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        share = 100 * trainable / everything
        print(f"trainable params: {trainable:,} ({parts}) || all params: {everything:,} || trainable%: {share:.4f}")

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Switches the ensemble and the PEFT adapter off within the block; nests."""
        with contextlib.ExitStack() as stack:
            if hasattr(self.model, "peft_config"):
                stack.enter_context(self.model.disable_adapter())
            self._disabled += 1
            stack.callback(self._enable)
            yield

    def _enable(self) -> None:
        self._disabled -= 1

    def merge_and_unload(self) -> MoDModel:
        """Merges LoRA into the base and keeps the ensemble: this MoDModel, on the merged base."""
        if hasattr(self.model, "peft_config"):
            self.model = self.model.merge_and_unload()
            self._merged = True
        return self

    def remove_hooks(self) -> None:
        """Detaches the ensemble from the model and gives the base its gradients back."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        for parameter in self._frozen:
            parameter.requires_grad_(True)

    def unload(self) -> nn.Module:
        """Removes ensemble and PEFT adapter and returns the base, bit for bit as it was."""
        if self._merged:
            raise ModbenchError("the adapter was merged into the base: load the base again instead of unload()")
        self.remove_hooks()
        return self.model.unload() if hasattr(self.model, "peft_config") else self.model

    def save_pretrained(self, path: str | Path) -> None:
        """Writes `mod_config.json` and `mod_model.safetensors`, and PEFT's own two files if there is an adapter."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        if hasattr(self.model, "peft_config"):
            storage.save_peft(self.model, folder)
        storage.save_mixture(self.mixture, folder)
        self.mod_config.save(folder)

    @classmethod
    def from_pretrained(cls, base_model: nn.Module, path: str | Path) -> MoDModel:
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


def get_mod_model(model: nn.Module, config: MoDConfig | None = None, seed: int = 0) -> MoDModel:
    """`model` (any causal LM of transformers, plain or already a PeftModel) with a new ensemble.

    The base is frozen; only norms, router and what PEFT trains get gradients. `seed` feeds the router's own generator.
    Raises ModbenchError, before anything is changed, if k does not fit the model or its parts cannot be found.
    """
    config = config or MoDConfig()
    name = getattr(getattr(model, "config", None), "_name_or_path", "") or None
    return MoDModel(model, config.replace(base_model_name_or_path=config.base_model_name_or_path or name), seed)
