"""The documents of a cell, against Python's sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.comparison.load import from_record
from modbench.comparison.outcomes import RunOutcomes
from modbench.comparison.shown import Cell, parse_cell, show
from modbench.errors import ModbenchError
from modbench.records import Record

MakeRun = Callable[..., tuple[Path, Record]]


@pytest.mark.parametrize(
    ("text", "solvers", "others"),
    [
        ("all", ("a", "b", "c-d"), ()),
        ("none", (), ("a", "b", "c-d")),
        ("both:a,b", ("a", "b"), ()),
        ("both:c-d", ("c-d",), ()),
        ("only:a", ("a",), ("b", "c-d")),
        ("only:a,b", ("a", "b"), ("c-d",)),
        ("only:a-b", ("a",), ("b",)),
        ("only:c-d", ("c-d",), ("a", "b")),
        ("only:a-c-d", ("a",), ("c-d",)),
        ("only:c-d-a", ("c-d",), ("a",)),
    ],
)
def test_cells(text: str, solvers: tuple[str, ...], others: tuple[str, ...]) -> None:
    assert parse_cell(text, ["a", "b", "c-d"]) == Cell(text, solvers, others)


@pytest.mark.parametrize("text", ["", "some", "only:", "only", "any:a", "only:a,", "only:x", "both:a-b", "only:a-x"])
def test_what_is_no_cell_is_refused(text: str) -> None:
    with pytest.raises(ModbenchError):
        parse_cell(text, ["a", "b"])


@given(st.text(max_size=20), st.lists(st.text(max_size=5), max_size=4))
def test_any_text_is_a_cell_or_refused(text: str, methods: list[str]) -> None:
    for named in (text, f"only:{text}", f"both:{text}"):
        try:
            cell = parse_cell(named, methods)
        except ModbenchError:
            continue
        assert {*cell.solvers, *cell.others} <= set(methods)


@pytest.fixture
def runs(make_run: MakeRun) -> list[RunOutcomes]:
    verdicts = {
        ("a", 0): {"one": [True, True, False, False], "two": [True, False]},
        ("b", 0): {"one": [True, False, True, False], "two": [False, False]},
        ("c", 0): {"one": [False, False, True, False], "two": [False, True]},
        ("a", 1): {"one": [False, True, False, False], "two": [False, False]},
        ("b", 1): {"one": [False, False, False, False], "two": [True, False]},
    }
    return [from_record(*make_run(method, of, seed)) for (method, seed), of in verdicts.items()]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("only:a", [(0, "one", 1), (0, "two", 0)]),
        ("only:a-b", [(0, "one", 1), (0, "two", 0), (1, "one", 1)]),
        ("both:a,b", [(0, "one", 0)]),
        ("both:c", [(0, "one", 2), (0, "two", 1)]),
        ("only:b,c", [(0, "one", 2)]),
        ("none", [(0, "one", 3)]),
        ("all", []),
    ],
)
def test_documents_of_a_cell(runs: list[RunOutcomes], cell: str, expected: list[tuple[int, str, int]]) -> None:
    """Over the seeds that the methods of the cell have in common, seed by seed."""
    found = show(runs, cell, most=10)
    assert [(of.seed, of.task, of.key) for of in found.documents] == [
        (seed, task, f"hash-{place}") for seed, task, place in expected
    ]
    assert found.total == len(expected)
    assert [of.seed for of in show(runs, cell, most=1).documents] == [seed for seed, _, _ in expected[:1]]


def test_every_method_of_the_seed_is_heard(runs: list[RunOutcomes]) -> None:
    first, *_, last = show(runs, "only:a-b", most=10).documents
    assert {of.method: of.verdict for of in first.answers} == {"a": "correct", "b": "wrong", "c": "wrong"}
    assert [of.method for of in last.answers] == ["a", "b"]
    assert first.answers[0].response == "2 + 2 = 4.\nThe answer is 4." and first.answers[0].answer == "4"


def test_what_cannot_be_shown_is_said(runs: list[RunOutcomes]) -> None:
    apart = [run for run in runs if (run.method, run.seed) in (("c", 0), ("a", 1))]
    with pytest.raises(ModbenchError, match="no seed in common"):
        show(apart, "all", most=1)
    bare = RunOutcomes("kept", 0, runs[0].tasks, runs[0].model)
    with pytest.raises(ModbenchError, match="responses of kept seed 0 are not at hand"):
        show([runs[0], bare], "both:a", most=1)
