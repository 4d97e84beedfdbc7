from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.data.overlap import normalized, problem_index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There are 7 crayons in the drawer . ", "thereare7crayonsinthedrawer"),
        ("There're 1,000\u00a0CRAYONS!", "therere1000crayons"),
        ("Café № 3", "café3"),
        (" ?!", ""),
    ],
)
def test_normalized(text: str, expected: str) -> None:
    assert normalized(text) == expected


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_against_a_regular_expression(text: str) -> None:
    assert normalized(text) == re.sub(r"[^a-z0-9]", "", text.lower())


def test_problem_index_holds_no_empty_problem() -> None:
    assert problem_index(["How many?", "how  MANY ?", "...", "Who?"]) == {"howmany", "who"}
