"""Equations of word problems, such as `X=((22.0-14.0)/4.0)`: read, evaluated exactly and written in a clean form."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
SOLVED = re.compile(r"([A-Za-z]+)=([0-9.+*/()\- ]{1,200})")
"""An unknown that stands alone on the left, and arithmetic on the right."""


class UnsupportedEquation(ValueError):
    """An equation that is not of the form unknown = arithmetic on numbers."""


@dataclass(frozen=True)
class Solution:
    """The right side of a solved equation: its exact `value`, and its `text` as in `(22 - 14) / 4`."""

    value: Fraction
    text: str


def solve(equation: str) -> Solution:
    """Reads `name = arithmetic`, the arithmetic made of numbers, `+ - * /` and brackets.

    Nothing is executed: the expression is parsed, and only these operations are computed.

    Raises:
        UnsupportedEquation: another form (such as `7=3+x`), an expression over 200 characters, a division by zero.
    """
    match = SOLVED.fullmatch(equation.strip())
    if match is None:
        raise UnsupportedEquation(equation)
    try:
        tree = ast.parse(match[2].strip(), mode="eval").body
        return Solution(_value(tree), ast.unparse(_Clean().visit(tree)))
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError) as error:
        raise UnsupportedEquation(equation) from error


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        return OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(repr(node.value))  # the decimal as written, not its nearest double
    raise ValueError(ast.dump(node))


class _Clean(ast.NodeTransformer):
    """Writes 22.0 as 22."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, float) and node.value.is_integer():
            return ast.Constant(int(node.value))
        return node


def clean_number(value: Fraction) -> str:
    """`value` as a decimal with at most four places and without needless zeros: 2, 141.54, 0.8333."""
    rounded = round(value, 4)
    return f"{float(rounded):.4f}".rstrip("0").rstrip(".") if rounded.denominator > 1 else str(rounded.numerator)
