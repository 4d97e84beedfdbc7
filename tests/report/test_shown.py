"""What `--show` prints: responses side by side, whatever a model wrote."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.comparison.shown import Answer, Cell, Document, Shown
from modbench.report.formats import FORMATS
from modbench.report.shown import LINES, WIDTH, render_shown


def shown(*responses: str, total: int = 1) -> Shown:
    answers = tuple(Answer(f"m{number}", "wrong", "3", text) for number, text in enumerate(responses))
    document = Document("modbench_one", "0123456789abcdef", 2, "What is 2 + 2?", "4", answers)
    cell = Cell("only:m1", ("m1",), ("m0",))
    return Shown(cell, (2,), total, (document,))


def test_side_by_side() -> None:
    text = render_shown(shown("One\ntwo.", "Three.", total=7), "table")
    assert text.startswith("only:m1: 7 problems solved by m1 and not solved by m0 (seed 2); the first 1\n")
    assert "one 0123456789ab, seed 2\nQuestion: What is 2 + 2?\nGold: 4\n" in text
    assert [line.split() for line in text.splitlines()[-5:]] == [
        ["m0", "m1"],
        ["--------", "--------"],
        ["wrong:", "3", "wrong:", "3"],
        ["One", "Three."],
        ["two."],
    ]


def test_long_responses_are_cut_in_the_table_and_whole_elsewhere() -> None:
    long = "word " * 5_000
    many = shown(*[long] * 7)
    text = render_shown(many, "table")
    assert max(map(len, text.splitlines())) <= WIDTH
    assert len(text.splitlines()) < 3 * (LINES + 6) + 8 and f"... ({len(long):,} characters)" in text
    found = json.loads(render_shown(many, "json"))
    assert found["documents"][0]["answers"]["m6"] == {"verdict": "wrong", "answer": "3", "response": long}
    rows = list(csv.DictReader(io.StringIO(render_shown(many, "csv"))))
    assert len(rows) == 7 and rows[3]["response"] == long


@given(st.text(st.characters(), max_size=80))
def test_what_a_model_wrote_is_shown_and_not_obeyed(response: str) -> None:
    hostile = f"\x1b[2J{response}\ud800\x00"
    for format in FORMATS:
        text = render_shown(shown(hostile, "plain"), format)
        text.encode()
    plain = render_shown(shown(hostile, "plain"), "table")
    assert all(letter.isprintable() or letter == "\n" for letter in plain)


def test_nothing_in_csv_steers_a_terminal() -> None:
    (row,) = csv.DictReader(io.StringIO(render_shown(shown("a\x1b[2Jb\x07\u202ec\nd"), "csv")))
    assert row["response"] == "a[2Jbc\nd"


@pytest.mark.parametrize("format", ["markdown", "latex"])
def test_a_table_for_each_problem(format: str) -> None:
    text = render_shown(shown("One <b>.", "Three."), format)
    assert "one 0123456789ab, seed 2" in text and text.count("What is 2 + 2?") == 1
    rows = [[cell.strip(" \\") for cell in re.split(r"[|&]", line.strip("|"))] for line in text.splitlines()]
    assert ["m1", "wrong", "3", "Three."] in rows
    if format == "latex":
        assert r"\begin{tabular}{llrp{0.66\linewidth}}" in text
    else:
        assert r"One \<b>." in text


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_cell(format: str) -> None:
    assert render_shown(Shown(Cell("none", (), ("m0",)), (0, 1), 0, ()), format)
