"""The method: a Mixture-of-Depths ensemble of the late layers of any causal LM (arXiv:2410.13077)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modbench.ensemble.config import MoDConfig

if TYPE_CHECKING:
    from modbench.ensemble.model import MoDModel, MoDOutput, get_mod_model

__all__ = ["MoDConfig", "MoDModel", "MoDOutput", "get_mod_model"]


def __getattr__(name: str) -> Any:
    # The model needs torch, the config does not: reading old results should not wait for it.
    if name in __all__:
        from modbench.ensemble import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
