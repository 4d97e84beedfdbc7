"""The named methods: what is tuned, on which layers, and which ensemble stands on top (arXiv:2410.13077, section 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from modbench.errors import ModbenchError, unknown

if TYPE_CHECKING:
    from modbench.ensemble import MoDConfig

DEFAULT_K = 3
NUMBER = r"0|[1-9][0-9]{0,3}"
"""A number in a name: with one spelling only, since names are folders."""


@dataclass(frozen=True)
class Method:
    """One way to tune.

    `adapter` is what is put on the `layers` (`exit`: those up to the earliest late layer, that one included), and
    `ensemble` the fields of MoDConfig by which the last `k` layers are mixed (None: they are not).
    """

    name: str
    layers: Literal["none", "not_k", "all", "exit"]
    ensemble: Mapping[str, Any] | None
    trains: str
    adapter: Literal["lora", "dora", "peft"] = "lora"
    k: int = DEFAULT_K

    @property
    def tuned(self) -> bool:
        """Whether there is anything to train."""
        return self.layers != "none" or self.ensemble is not None

    @property
    def baseline_k(self) -> int:
        """The k of the `lora_not_k` whose parameters count as 100 %: an early exit's k says where it leaves."""
        return DEFAULT_K if self.layers == "exit" else self.k

    def tuned_layers(self, depth: int) -> list[int]:
        """Indices, from 0, of the layers with an adapter in a model of `depth` layers."""
        if self.layers == "exit" and self.k > depth:
            raise ModbenchError(
                f"{self.name}: {depth} layers have no layer {self.k - 1} before the last: name a nearer"
            )
        if not 1 <= self.k <= depth:
            raise ModbenchError(f"{self.name}: k = {self.k} is not between 1 and {depth}, the number of layers")
        counts = {"none": 0, "not_k": depth - self.k, "exit": depth - self.k + 1, "all": depth}
        return list(range(counts[self.layers]))

    def mod_config(self) -> MoDConfig:
        """The ensemble's config; a method without ensemble is weight 1 on the last layer and nothing else."""
        from modbench.ensemble import MoDConfig

        if self.ensemble is not None:
            return MoDConfig(k=self.k, **self.ensemble)
        return MoDConfig(k=1, router="last", distill_weight=0.0)

    def with_ensemble(self, **fields: Any) -> Method:
        """This method with further fields of MoDConfig; what it sets itself stays. Without ensemble: unchanged."""
        return self if self.ensemble is None else replace(self, ensemble={**fields, **self.ensemble})


def _grid(adapter: Literal["lora", "dora", "peft"], words: str) -> list[Method]:
    """`<adapter>_not_k`, `<adapter>_all`, and the two with the ensemble on top."""
    ensemble = "; norms and router of the late layers"
    not_k, everywhere = f"{words} on all but the last k layers", f"{words} on every layer"
    return [
        Method(f"{adapter}_not_k", "not_k", None, not_k, adapter),
        Method(f"{adapter}_all", "all", None, everywhere, adapter),
        Method("mod_k" if adapter == "lora" else f"{adapter}_mod_k", "not_k", {}, not_k + ensemble, adapter),
        Method(f"{adapter}_all_mod_k", "all", {}, everywhere + ensemble, adapter),
    ]


METHODS = {
    method.name: method
    for method in (
        Method("base", "none", None, "nothing: the model as it comes"),
        *_grid("lora", "LoRA"),
        Method("mod_k_no_distill", "not_k", {"distill_weight": 0.0}, "as mod_k, lambda = 0"),
        Method("mod_k_no_norm", "not_k", {"train_norms": False}, "as mod_k, the norms frozen copies of the final norm"),
        Method("mod_k_uniform", "not_k", {"router": "uniform"}, "as mod_k, weight 1/k each in place of the router"),
        Method(
            "mod_k_last",
            "not_k",
            {"router": "last", "distill_weight": 0.0},
            "as mod_k, weight 1 on the last layer, lambda = 0: equals lora_not_k",
        ),
        *_grid("dora", "DoRA"),
        *_grid("peft", "the method of --peft-config"),
    )
}
"""The methods without a number in their name, in the order in which tables list them."""

FAMILIES = {
    "mod_k_top<j>": "as mod_k; at evaluation the j highest of the k gates per token, the rest 0",
    "lora_exit_<j>": "LoRA up to the layer j before the last; its state goes to the frozen final norm and the head",
}
"""The methods with a number in their name, and what each trains."""

NAMES = (*METHODS, "mod_k_top1", "mod_k_top2", "lora_exit_0", "lora_exit_1", "lora_exit_2", "lora_exit_3")
"""Names worth offering: every method, the families by their likeliest members."""


def get_method(name: str) -> Method:
    """The method called `name`; `mod_k@4` is `mod_k` with k = 4. ModbenchError, with near names, if there is none."""
    plain, at, k = name.partition("@")
    family = re.fullmatch(f"(mod_k_top|lora_exit_)({NUMBER})", plain)
    if plain not in METHODS and not family:
        raise unknown("method", plain, NAMES)
    if at and (k == "0" or not re.fullmatch(NUMBER, k)):
        raise ModbenchError(f"method {name!r}: after @ stands k, the number of late layers, such as mod_k@4")
    if family and family[1] == "lora_exit_":
        if at:
            raise ModbenchError(f"method {name!r}: lora_exit_<j> says its layer itself: leave {at}{k} out")
        return _exit(plain, int(family[2]))
    method = _top(plain, int(family[2])) if family else METHODS[plain]
    if at:
        method = replace(method, name=name, k=int(k))
    top = (method.ensemble or {}).get("top_k")
    if top is not None and not 1 <= top <= method.k:
        raise ModbenchError(
            f"method {name!r}: of k = {method.k} late layers {top} cannot be kept: at least 1, at most k"
        )
    return method


def is_method(name: str) -> bool:
    """Whether `get_method` knows the name."""
    try:
        get_method(name)
    except ModbenchError:
        return False
    return True


def _top(name: str, j: int) -> Method:
    return Method(name, "not_k", {"top_k": j}, FAMILIES["mod_k_top<j>"])


def _exit(name: str, j: int) -> Method:
    ensemble = {"router": "first", "train_norms": False, "distill_weight": 0.0}
    return Method(name, "exit", ensemble, FAMILIES["lora_exit_<j>"], k=j + 1)
