"""LLM-Adapters' scoring of arithmetic, on which the published numbers rest."""

from __future__ import annotations

import re

NUMBER = re.compile(r"-?\d+\.?\d*")


def last_number(text: str) -> str | None:
    """The last number in `text`, thousands commas aside, as it is written there; None if there is none."""
    numbers = NUMBER.findall(text.replace(",", ""))
    return numbers[-1] if numbers else None


def within(predicted: str, gold: str, tolerance: float = 1e-3) -> bool:
    """Whether both are numbers and differ by at most `tolerance`, in double precision as upstream computes it."""
    try:
        return abs(float(predicted) - float(gold)) <= tolerance
    except ValueError:
        return False
