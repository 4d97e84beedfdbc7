"""The one place where modbench enters itself in lm-evaluation-harness's registry of models."""

from __future__ import annotations

NAME = "mod-hf"
TARGET = "modbench.harness.mod_hf:ModHF"


def register() -> None:
    """Makes `mod-hf` a model type of lm-evaluation-harness in this process; calling it again changes nothing.

    The entry is a lazy "module:class" text, so that neither torch nor our own model class is imported here. Where the
    harness has found our entry point by itself, or the class is loaded already, that entry stays.
    """
    # First, because `get_model` adds the harness's own model types only while the registry is empty.
    import lm_eval.models  # noqa: F401
    from lm_eval.api.registry import model_registry

    if NAME not in model_registry:
        model_registry.register(NAME, target=TARGET)
