"""A method made of parts: the adapter on the method's layers, the ensemble on top."""

from __future__ import annotations

from typing import Any

from modbench.ensemble import MoDModel, get_mod_model
from modbench.ensemble.anatomy import Anatomy, find_anatomy
from modbench.ensemble.fingerprint import fingerprint
from modbench.errors import ModbenchError
from modbench.methods import Method
from modbench.suites import Recipe
from modbench.training.adapters import attach, peft_config


def assemble(model: Any, method: Method, recipe: Recipe, seed: int) -> MoDModel:
    """`model` tuned by `method`: every method of one seed draws the same LoRA initialization.

    Raises ModbenchError if k, the targets or the PEFT method do not fit the model, or leave nothing to train.
    """
    # Of the untouched base: some PEFT methods change what the fingerprint is taken of.
    config = method.mod_config().replace(base_fingerprint=fingerprint(model))
    mod = get_mod_model(adapt(model, find_anatomy(model), method, recipe, seed), config, seed)
    if not sum(mod.parameter_counts().values()):
        raise ModbenchError(f"{method.name}: k = {method.k} leaves nothing to train in this model's layers")
    return mod


def adapt(model: Any, anatomy: Anatomy, method: Method, recipe: Recipe, seed: int) -> Any:
    """`model` with the method's adapter alone: a PeftModel, or `model` itself if no layer gets one."""
    from transformers import set_seed

    if not method.tuned_layers(anatomy.depth):
        return model
    config = peft_config(method, recipe, anatomy)
    set_seed(seed)
    return attach(model, config, method, anatomy)
