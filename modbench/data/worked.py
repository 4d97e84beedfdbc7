"""Worked responses made of the rows of training sets that come with equations or marked solutions."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from modbench.data.equations import UnsupportedEquation, clean_number, solve

TOLERANCE = Fraction(1, 1000)
CALCULATOR_MARK = re.compile(r"<<[^<>]*>>")


class Rejected(Exception):
    """A row that gives no training example; its argument says why, as a field of `SourceCounts`."""


def gsm8k_response(row: dict[str, Any]) -> str:
    """The worked answer without calculator marks, its last line `#### N` turned into "The answer is N."."""
    worked, mark, answer = row["answer"].rpartition("\n#### ")
    if not mark:
        raise Rejected("unreadable")
    return f"{CALCULATOR_MARK.sub('', worked)}\nThe answer is {answer.strip().replace(',', '')}."


def mawps_response(row: dict[str, Any]) -> str:
    """The equation and the answer, as in "X = (22 - 14) / 4 = 2. The answer is 2."."""
    try:
        answer = Fraction(str(row["ans"]))
    except (ValueError, ZeroDivisionError):
        raise Rejected("unreadable") from None
    try:
        solution = solve(row["equation"])
    except UnsupportedEquation:
        raise Rejected("unsupported") from None
    if abs(solution.value - answer) > TOLERANCE:
        raise Rejected("bad_equation")
    return f"X = {solution.text} = {clean_number(answer)}. The answer is {clean_number(answer)}."
