"""The named methods: which layers get LoRA and which ensemble stands on top (arXiv:2410.13077, section 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from modbench.errors import ModbenchError, unknown

if TYPE_CHECKING:
    from modbench.ensemble import MoDConfig

DEFAULT_K = 3


@dataclass(frozen=True)
class Method:
    """One way to tune: `lora` says which layers get LoRA, `ensemble` the fields of MoDConfig by which
    the last `k` layers are mixed (None: they are not)."""

    name: str
    lora: Literal["none", "not_k", "all"]
    ensemble: dict[str, Any] | None
    trains: str
    k: int = DEFAULT_K

    @property
    def tuned(self) -> bool:
        """Whether there is anything to train."""
        return self.lora != "none" or self.ensemble is not None

    def lora_layers(self, depth: int) -> list[int]:
        """Indices, from 0, of the layers with LoRA in a model of `depth` layers."""
        if not 1 <= self.k <= depth:
            raise ModbenchError(f"{self.name}: k = {self.k} is not between 1 and {depth}, the number of layers")
        return {"none": [], "not_k": list(range(depth - self.k)), "all": list(range(depth))}[self.lora]

    def mod_config(self) -> MoDConfig:
        """The ensemble's config; a method without ensemble is weight 1 on the last layer and nothing else."""
        from modbench.ensemble import MoDConfig

        if self.ensemble is not None:
            return MoDConfig(k=self.k, **self.ensemble)
        return MoDConfig(k=1, router="last", distill_weight=0.0)


METHODS = {
    method.name: method
    for method in (
        Method("base", "none", None, "nothing: the model as it comes"),
        Method("lora_not_k", "not_k", None, "LoRA on all but the last k layers"),
        Method("lora_all", "all", None, "LoRA on every layer"),
        Method("mod_k", "not_k", {}, "LoRA on all but the last k layers; norms and router of the late layers"),
        Method("lora_all_mod_k", "all", {}, "LoRA on every layer; norms and router of the late layers"),
    )
}
"""The registry, in the order in which tables list the methods."""


def get_method(name: str) -> Method:
    """The method called `name`; `mod_k@4` is `mod_k` with k = 4. ModbenchError, with near names, if there is none."""
    plain, at, k = name.partition("@")
    if plain not in METHODS:
        raise unknown("method", plain, METHODS)
    if not at:
        return METHODS[plain]
    if not k.isascii() or not k.isdigit() or not 1 <= int(k) <= 10_000:
        raise ModbenchError(f"method {name!r}: after @ stands k, the number of late layers, such as {plain}@4")
    return replace(METHODS[plain], name=name, k=int(k))
