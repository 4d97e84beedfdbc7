from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.answers.upstream import last_number, within


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X = (22 - 14) / 4 = 2. The answer is 2.", "2."),
        ("She has $1,234.50 left", "1234.50"),
        ("-7 or 5 - 3", "3"),
        ("5 -3", "-3"),
        ("1.2.3", "3"),
        (".5", "5"),
        ("6.02e23", "23"),
        ("no number", None),
        ("", None),
        ("- . ,", None),
    ],
)
def test_last_number(text: str, expected: str | None) -> None:
    assert last_number(text) == expected


@pytest.mark.parametrize(
    ("predicted", "gold", "verdict"),
    [
        ("2.", "2.0", True),
        ("0.6667", "0.6666666666666666", True),
        ("0.665", "0.6666666666666666", False),
        ("576", "576.0", True),
        ("-5", "5", False),
        ("[invalid]", "5", False),
        ("", "5", False),
        ("nan", "5", False),
        ("9" * 5000, "5", False),
        ("9" * 5000, "9" * 5000, False),
        ("0." + "3" * 5000, "0.3333333333333333", True),
    ],
)
def test_within(predicted: str, gold: str, verdict: bool) -> None:
    assert within(predicted, gold) is verdict


def upstream_extract(sentence: str) -> float:
    """LLM-Adapters' own function, to compare with: `extract_answer_number` for the arithmetic sets."""
    found = re.findall(r"-?\d+\.?\d*", sentence.replace(",", ""))
    return float(found[-1]) if found else float("inf")


@given(st.text(st.sampled_from("0123456789.,- $x\n")), st.floats(-1e4, 1e4))
def test_verdict_is_upstreams(text: str, gold: float) -> None:
    assert within(last_number(text) or "[invalid]", str(gold)) == (abs(gold - upstream_extract(text)) <= 0.001)


@given(
    st.floats(-1e9, 1e9).map(lambda x: round(x, 4)), st.sampled_from(["{:,.4f}", "{:.4f}", "$ {:.4f}.", "= {:.4f} km."])
)
def test_a_written_number_is_read_back(value: float, form: str) -> None:
    assert float(last_number("3 + 4, so " + form.format(value)) or "nan") == pytest.approx(value, abs=1e-4)


def test_long_responses_take_linear_time() -> None:
    assert last_number("1" * 1_000_000 + " ") == "1" * 1_000_000
    assert last_number("-" * 1_000_000) is None
