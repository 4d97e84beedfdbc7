from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.data.equations import UnsupportedEquation, clean_number, solve, solve_linear


@pytest.mark.parametrize(
    ("equation", "value", "text"),
    [
        ("X=((22.0-14.0)/4.0)", Fraction(2), "(22 - 14) / 4"),
        ("x=5.91+8.11", Fraction(1402, 100), "5.91 + 8.11"),
        ("x=0.7+0.6", Fraction(13, 10), "0.7 + 0.6"),
        ("x=130.30+11.24", Fraction(14154, 100), "130.3 + 11.24"),
        ("miles=4.0/30.0*48.0", Fraction(32, 5), "4 / 30 * 48"),
        ("x=-5.0/2", Fraction(-5, 2), "-5 / 2"),
        ("x=8-(3-2)", Fraction(7), "8 - (3 - 2)"),
        ("x=(8*3)*2", Fraction(48), "8 * 3 * 2"),
        (" X=1.0/3 ", Fraction(1, 3), "1 / 3"),
    ],
)
def test_solve(equation: str, value: Fraction, text: str) -> None:
    solution = solve(equation)
    assert (solution.value, solution.text) == (value, text)


@pytest.mark.parametrize(
    "equation",
    [
        "7=3+x",
        "X-6=52",
        "X=0.32=0.21",
        "x=2**99999999",
        "x=7//2",
        "x=1/0",
        "x=1/(2-2)",
        "x=",
        "x=()",
        "x=...",
        "x=(1)(2)",
        "x=1 2",
        "x=007",
        "x=y+1",
        "x=__import__('os')",
        "x=1e999",
        "x=0x10",
        "x=" + "(" * 150 + "1",
        "x=" + "1+" * 500 + "1",
        "",
    ],
)
def test_anything_else_is_unsupported(equation: str) -> None:
    with pytest.raises(UnsupportedEquation):
        solve(equation)


def _trees() -> st.SearchStrategy[tuple[str, Fraction]]:
    def join(children: st.SearchStrategy[tuple[str, Fraction]]) -> st.SearchStrategy[tuple[str, Fraction]]:
        return (
            st.tuples(children, st.sampled_from("+-*/"), children).filter(lambda t: t[1] != "/" or t[2][1]).map(_node)
        )

    def _node(parts: tuple[tuple[str, Fraction], str, tuple[str, Fraction]]) -> tuple[str, Fraction]:
        (left, a), sign, (right, b) = parts
        value = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[sign]()
        return f"({left}{sign}{right})", value

    numbers = st.tuples(st.integers(0, 9999), st.integers(0, 3)).map(lambda n: f"{n[0] / 10 ** n[1]:.{n[1]}f}")
    return st.recursive(numbers.map(lambda text: (text, Fraction(text))), join, max_leaves=6)


@given(_trees())
def test_random_expressions_against_fractions(tree: tuple[str, Fraction]) -> None:
    text, value = tree
    solution = solve(f"x={text}")
    assert solution.value == value
    assert solve(f"x={solution.text}") == solution


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2.0", "2"),
        ("141.54", "141.54"),
        ("0.8333333333333334", "0.8333"),
        ("-15.0", "-15"),
        ("-0.00001", "0"),
        ("1200000", "1200000"),
        ("0.10", "0.1"),
        ("99.99999", "100"),
    ],
)
def test_clean_number(value: str, expected: str) -> None:
    assert clean_number(Fraction(value)) == expected


@pytest.mark.parametrize(
    ("equation", "value"),
    [
        ("7=3+x", "4"),
        ("x+3=(2*5)", "7"),
        ("2+(5*x)=27", "5"),
        ("(x/2)+8=12", "8"),
        ("79-(9*x)=16", "7"),
        ("X = 70 - 27", "43"),
        ("( ( 692.0 + 692.0 ) - 458.0 )", "926"),
        ("miles=4.0/30.0*48.0", "32/5"),
        ("x + 2 = -x*0.5", "-4/3"),
        ("0.1*x=0.3", "3"),
    ],
)
def test_solve_linear(equation: str, value: str) -> None:
    assert solve_linear(equation) == Fraction(value)


@pytest.mark.parametrize(
    "equation",
    [
        *("x=x", "x=x+1", "1/x=2", "x*x=4", "x=y", "x+y", "x", "5=5", "x=3=3", "x==3", "=x", "x=", "", "x=1/(2-2)"),
        *("2x=4", "0x10=x", "1e9=x", "1e999=x", "x=1j", "f(x)=3", "x.y=3", "x=2**99999999", "x=7//2", "x=7%2"),
        *("x=True", "None=3", "x if x else x=3", "lambda=3", "not x=3", "x=__import__", "x=\n3", "x=3;y=4"),
        *("x=" + "(" * 190 + "1", "x=" + "-" * 190 + "1" + "+", "x=" + "1+" * 500 + "1", "x=" + "9" * 10**6),
    ],
)
def test_what_is_not_linear_in_one_unknown_is_unsupported(equation: str) -> None:
    with pytest.raises(UnsupportedEquation):
        solve_linear(equation)


@given(st.text(alphabet="xy0123456789.+-*/()= ", max_size=40))
def test_linear_of_any_text(equation: str) -> None:
    with contextlib.suppress(UnsupportedEquation):
        assert isinstance(solve_linear(equation), Fraction)


@given(_trees(), _trees(), st.integers(-50, 50).filter(bool), st.booleans())
def test_linear_equations_that_were_made(
    tree: tuple[str, Fraction], other: tuple[str, Fraction], factor: int, turned: bool
) -> None:
    """a x + b = c, written with random expressions for b and c."""
    sides = [f"({factor})*x+{tree[0]}", other[0]]
    equation = "=".join(sides[::-1] if turned else sides)
    if len(equation) <= 200:
        assert solve_linear(equation) == (other[1] - tree[1]) / factor
    assert solve_linear(tree[0]) == tree[1]
