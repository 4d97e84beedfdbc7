from __future__ import annotations

import pytest

from modbench.report import cells


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10.337, "+10.34 %"),
        (20480 / 50839552 * 100, "+0.0403 %"),
        (0.0, "0 %"),
        (-9.3, "-9.30 %"),
        (123.456, "+123.46 %"),
        (1.5, "+1.50 %"),
        (None, "-"),
    ],
)
def test_overhead(value: float | None, text: str) -> None:
    assert cells.overhead(value) == text


def test_numbers() -> None:
    assert cells.percent(0.425, 0.0211) == "42.5 ± 2.1"
    assert cells.percent(1.0, None) == "100.0"
    assert cells.count(50839552) == "50,839,552"
    assert cells.decimals([0.21, 0.3, 0.49]) == "0.21 0.30 0.49"
    assert [cells.seconds(value) for value in (2.54, 999.0, 1234.5)] == ["2.5", "999.0", "1,234"]
    assert cells.mebibytes(3 * 2**30) == "3,072"
    assert {cells.count(None), cells.decimals(None), cells.seconds(None), cells.mebibytes(None)} == {"-"}
