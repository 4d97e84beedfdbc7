"""What an ensemble is, apart from its weights: a frozen dataclass, stored as `mod_config.json`."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modbench.atomic import write_json
from modbench.errors import ModbenchError, unknown

CONFIG_NAME = "mod_config.json"
ROUTERS = ("linear", "uniform", "last", "first")
ROUTER_INITS = ("zeros", "normal", "last")
ROUTER_INPUTS = ("normed", "hidden")
LAST_OFFSET = 3.0
"""With `router_init="last"` routing starts with e^3 : 1 for the last layer: 0.91 of the weight at k = 3."""

PAPER: dict[str, Any] = {
    "distill_weight": 0.1,
    "distill_detach": True,
    "train_last_norm": False,
    "router": "linear",
    "router_init": "zeros",
    "router_input": "normed",
}
"""The paper-literal setting: the plainest reading of arXiv:2410.13077 where it leaves something open."""


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class MoDConfig:
    """A Mixture-of-Depths ensemble over the last `k` layers.

    Raises ModbenchError, naming every faulty field, if a value is out of its range.
    """

    k: int = 3
    """Number of late layers, the last layer included."""
    top_k: int | None = None
    """How many late layers keep a weight per token; None is dense routing."""
    train_top_k: bool = False
    """Whether `top_k` holds in training too; otherwise training is dense and only evaluation is sparse."""
    distill_weight: float = 0.01
    """lambda: the weight of the distillation loss beside the task loss (chosen by docs/defaults.md)."""
    distill_detach: bool = True
    """Whether the last layer, the teacher, is shielded from the distillation gradient."""
    train_norms: bool = True
    """Whether the norms of the k - 1 earlier late layers are trained (they start as copies of the final norm)."""
    train_last_norm: bool = False
    """Whether the last layer too gets a trained norm of its own instead of the model's frozen one."""
    router: str = "linear"
    """`linear`: softmax(x W_g); `uniform`: weight 1/k each; `last`: weight 1 on the last layer (no ensemble);
    `first`: weight 1 on the earliest late layer (early exit)."""
    router_init: str = "zeros"
    """How routing starts: `zeros` (W_g = 0, uniform weights), `normal` (W_g of standard deviation 0.02) or `last`
    (W_g = 0 and a constant LAST_OFFSET on the last layer's score)."""
    router_input: str = "normed"
    """What the router reads: the last layer's state after (`normed`) or before (`hidden`) the final norm."""
    base_model_name_or_path: str | None = None
    """Where the base came from: a hint for the reader, never a check."""
    base_fingerprint: str | None = None
    """Digest of the base (modbench.ensemble.fingerprint): the check."""

    def __post_init__(self) -> None:
        faults = []
        if not _whole(self.k) or self.k < 1:
            faults.append(f"k must be a whole number of at least 1, not {self.k!r}")
        elif self.top_k is not None and not (_whole(self.top_k) and 1 <= self.top_k <= self.k):
            faults.append(f"top_k must be a whole number between 1 and k = {self.k}, or None, not {self.top_k!r}")
        weight = self.distill_weight
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            faults.append(f"distill_weight must be a number of at least 0, not {weight!r}")
        for field in ("train_top_k", "distill_detach", "train_norms", "train_last_norm"):
            if not isinstance(getattr(self, field), bool):
                faults.append(f"{field} must be true or false, not {getattr(self, field)!r}")
        for field in ("base_model_name_or_path", "base_fingerprint"):
            if not isinstance(getattr(self, field), str | None):
                faults.append(f"{field} must be text or null, not {getattr(self, field)!r}")
        for field, known in (("router", ROUTERS), ("router_init", ROUTER_INITS), ("router_input", ROUTER_INPUTS)):
            if getattr(self, field) not in known:
                faults.append(str(unknown(field, str(getattr(self, field)), known)))
        if faults:
            raise ModbenchError("MoDConfig: " + "; ".join(faults))

    def replace(self, **changes: Any) -> MoDConfig:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @classmethod
    def paper(cls, **fields: Any) -> MoDConfig:
        """The paper-literal setting of what it leaves open, whatever the defaults are, with `fields` on top."""
        return cls(**PAPER | fields)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def save(self, folder: Path) -> None:
        """Writes `mod_config.json` into `folder`."""
        write_json(folder / CONFIG_NAME, self.to_dict())

    @classmethod
    def load(cls, folder: Path) -> MoDConfig:
        """Reads `mod_config.json` from `folder`; ModbenchError if it is absent, broken or has unknown fields."""
        path = folder / CONFIG_NAME
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModbenchError(f"{path} is not a readable {CONFIG_NAME} ({error}): write the adapter again") from None
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(fields, dict):
            raise ModbenchError(f"{path} is not a JSON object: write the adapter again")
        for name in fields:
            if name not in names:
                raise ModbenchError(f"{path}: {unknown('field', name, names)}")
        if "k" not in fields:
            raise ModbenchError(f"{path} does not say k, the number of late layers: write the adapter again")
        try:
            return cls(**fields)
        except TypeError as error:
            raise ModbenchError(f"{path}: a field has the wrong type ({error})") from None
