from __future__ import annotations

import csv
import io
import json

import pytest

from modbench.errors import ModbenchError
from modbench.report.formats import FORMATS, render_rows

HEADERS = ["name", "n", "what it is"]
ROWS: list[list[object]] = [["a_b", 1000, "x | y, 50 %"], ["c", None, 'say "hi"']]


def test_table() -> None:
    assert render_rows(HEADERS, ROWS, "table").splitlines() == [
        "name       n  what it is",
        "------  ----  ------------",
        "a_b     1000  x | y, 50 %",
        'c             say "hi"',
    ]


def test_markdown_keeps_its_columns() -> None:
    assert render_rows(HEADERS, ROWS, "markdown").splitlines()[1:3] == [
        "|:-------|-----:|:-------------|",
        r"| a_b    | 1000 | x \| y, 50 % |",
    ]


def test_latex_is_escaped() -> None:
    text = render_rows(HEADERS, [["a_b", "1 ± 2", "50 % & more"]], "latex")
    assert r"a\_b" in text and r"$\pm$" in text and r"50 \% \& more" in text


def test_a_tag_stays_text_in_markdown() -> None:
    assert r"| \<img src=x> and <0.001 |" in render_rows(["a"], [["<img src=x> and <0.001"]], "markdown")


def test_csv_and_json_give_back_the_values() -> None:
    rows = [["a,b", 0.1 + 0.2, None], ["c\nd", 3, "é"]]
    assert list(csv.reader(io.StringIO(render_rows(HEADERS, rows, "csv")))) == [
        HEADERS,
        ["a,b", "0.30000000000000004", ""],
        ["c\nd", "3", "é"],
    ]
    assert json.loads(render_rows(HEADERS, rows, "json")) == [dict(zip(HEADERS, row, strict=True)) for row in rows]


@pytest.mark.parametrize("format", FORMATS)
def test_no_rows(format: str) -> None:
    assert render_rows(HEADERS, [], format)


def test_unknown_format() -> None:
    with pytest.raises(ModbenchError, match="unknown format 'markdwon': did you mean markdown"):
        render_rows(HEADERS, ROWS, "markdwon")
