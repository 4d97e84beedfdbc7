"""modbench: a benchmark harness for late-layer ensembles in language-model tuning (MoD, arXiv:2410.13077).

`MoDConfig`, `MoDModel`, `MoDTrainer` and `get_mod_model` are loaded on first use: importing modbench imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modbench.ensemble import MoDConfig, MoDModel, get_mod_model
    from modbench.training.trainer import MoDTrainer

__version__ = "0.1.0"
__all__ = ["MoDConfig", "MoDModel", "MoDTrainer", "__version__", "get_mod_model"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "MoDTrainer":
        from modbench.training import trainer

        return trainer.MoDTrainer
    from modbench import ensemble

    return getattr(ensemble, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
