"""Counted parameters as a table, with what the paper's abstract says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.formats import render_rows

if TYPE_CHECKING:
    from modbench.methods import Method
    from modbench.records import Parameters

Counted = Sequence[tuple["Method", "Parameters"]]
HEADERS = ["method", "k", "lora", "norms", "router", "total"]


def render_parameters(counted: Counted, format: str) -> str:
    """One row per method: trained parameters by part (`lora`: all that PEFT trains), in total, and the overhead.

    `csv` and `json` have the numbers as they are, the overhead in percent. Raises ModbenchError for an unknown format.
    """
    raw = format in ("csv", "json")
    rows: list[list[object]] = []
    for method, found in counted:
        parts = (found.lora, found.norms, found.router, found.total)
        numbers = (
            [*parts, found.overhead_percent]
            if raw
            else [*map(cells.count, parts), cells.overhead(found.overhead_percent)]
        )
        rows.append([method.name, method.k, *numbers])
    return render_rows([*HEADERS, "overhead_percent" if raw else "overhead"], rows, format)


def abstract_claim(counted: Counted) -> str | None:
    """The abstract's figure as printed, and what the same words give on this model.

    None unless `lora_not_k`, `lora_all` and `mod_k` of one k were counted: the late layers' LoRA is what the second
    trains beyond the first.
    """
    found = {method.name: parameters for method, parameters in counted}
    for name in found:
        plain, at, k = name.partition("@")
        others = [found.get(other + at + k) for other in ("lora_not_k", "lora_all")]
        if plain != "mod_k" or None in others:
            continue
        not_k, everywhere = (other.total for other in others if other)
        ensemble = found[name].norms + found[name].router
        return (
            f'The paper\'s abstract prints "97 % fewer parameters"; here the ensemble of {name} has '
            f"{_fewer(ensemble, everywhere - not_k)} than the late layers' LoRA, and {name} "
            f"{_fewer(found[name].total, everywhere)} than lora_all{at}{k}."
        )
    return None


def _fewer(ours: int, theirs: int) -> str:
    return f"{100 * (1 - ours / theirs):.1f} % fewer"
