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
LIMIT = 200
"""Characters of an expression."""
SOLVED = re.compile(rf"([A-Za-z]+)=([0-9.+*/()\- ]{{1,{LIMIT}}})")
"""An unknown that stands alone on the left, and arithmetic on the right."""
LINEAR = re.compile(r"[A-Za-z0-9.+*/()\- ]+(?:=[A-Za-z0-9.+*/()\- ]+)?")
"""Two sides, or arithmetic alone."""


class UnsupportedEquation(ValueError):
    """An equation that is not of the form asked for."""


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
        return Solution(_linear(tree)[1], ast.unparse(_Clean().visit(tree)))
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError) as error:
        raise UnsupportedEquation(equation) from error


def solve_linear(equation: str) -> Fraction:
    """The value of the one unknown in a linear equation such as `7=3+x`, or of arithmetic without one: `(76 - 25)`.

    Numbers and `+ - * /` and brackets, as in `solve`; the unknown may stand on both sides, not under a fraction bar.

    Raises:
        UnsupportedEquation: another form, several unknowns, over 200 characters, a division by zero, or an equation
            that holds for no value or for every one.
    """
    try:
        # Checked before parsing: Python would read 0x10 and 1e9 as numbers.
        if len(equation) > LIMIT or not LINEAR.fullmatch(equation) or re.search(r"\d[A-Za-z]|[A-Za-z]\d", equation):
            raise ValueError(equation)
        sides = [ast.parse(side.strip(), mode="eval").body for side in equation.split("=")]
        unknowns = {node.id for side in sides for node in ast.walk(side) if isinstance(node, ast.Name)}
        if len(sides) == 1 and not unknowns:
            return _linear(sides[0])[1]
        if len(unknowns) != 1:
            raise ValueError(equation)
        (factor, constant), (other_factor, other_constant) = map(_linear, sides)
        return (other_constant - constant) / (factor - other_factor)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise UnsupportedEquation(equation) from error


def _linear(node: ast.expr) -> tuple[Fraction, Fraction]:
    """An expression in one unknown as its factor and the rest: (2, 3) is 2 x + 3."""
    if isinstance(node, ast.Name):
        return Fraction(1), Fraction(0)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(0), Fraction(repr(node.value))  # the decimal as written, not its nearest double
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        factor, rest = _linear(node.operand)
        return -factor, -rest
    if isinstance(node, ast.BinOp):
        (a, b), (c, d), compute = _linear(node.left), _linear(node.right), OPERATIONS.get(type(node.op))
        if compute in (operator.add, operator.sub):
            return compute(a, c), compute(b, d)
        if compute is operator.mul and not (a and c):
            return a * d + b * c, b * d
        if compute is operator.truediv and not c:
            return a / d, b / d
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
