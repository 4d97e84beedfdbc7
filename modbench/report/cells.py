"""Numbers as people read them in a table; `-` where a number is unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence

UNKNOWN = "-"


def percent(fraction: float, stderr: float | None) -> str:
    """`42.5 ± 2.1`: an accuracy and its standard error, given as fractions, in percent."""
    return f"{100 * fraction:.1f}" + ("" if stderr is None else f" ± {100 * stderr:.1f}")


def count(number: int | None) -> str:
    """`50,839,552`."""
    return UNKNOWN if number is None else f"{number:,}"


def overhead(value: float | None) -> str:
    """`+10.34 %`, `+0.0403 %`: a difference in percent, with two decimals and at least three significant digits."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0 %"
    return f"{value:+.{max(2, 2 - math.floor(math.log10(abs(value))))}f} %"


def decimals(values: Sequence[float] | None) -> str:
    """`0.21 0.30 0.49`."""
    return " ".join(f"{value:.2f}" for value in values) if values else UNKNOWN


def seconds(value: float | None) -> str:
    """`83.4`, and from a thousand on `1,234`."""
    return UNKNOWN if value is None else f"{value:,.{1 if value < 1000 else 0}f}"


def speed(value: float | None) -> str:
    """`1,234`, in tokens per second."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def mebibytes(size: int | None, digits: int = 0) -> str:
    """`1,234`, from bytes."""
    return UNKNOWN if size is None else f"{size / 2**20:,.{digits}f}"


def points(difference: float, sign: str = "+") -> str:
    """`+1.2`: a difference of two fractions, in points."""
    return f"{100 * difference:{sign}z.1f}"


def interval(ends: tuple[float, float] | None) -> str:
    """`[-0.5, 2.9]`, in points."""
    return UNKNOWN if ends is None else f"[{100 * ends[0]:z.1f}, {100 * ends[1]:z.1f}]"


def p_value(value: float) -> str:
    """`0.031`, two significant digits; `<0.001` below that."""
    return "<0.001" if value < 0.001 else f"{value:.2g}"


def ratio(value: float | None) -> str:
    """`0.851`."""
    return UNKNOWN if value is None else f"{value:.3f}"
