"""Runs as rows, for the tests of leaderboards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from modbench.comparison.load import from_record
from modbench.comparison.outcomes import RunOutcomes
from modbench.leaderboard import from_runs
from modbench.records import Record

MakeOutcomes = Callable[..., RunOutcomes]
VERDICTS = {"modbench_one": [True, False, True, False], "modbench_two": [True, False]}


@pytest.fixture
def make_outcomes(make_run: Callable[..., tuple[Path, Record]]) -> MakeOutcomes:
    """The outcomes of a finished run on disk; keyword arguments replace fields of its record."""

    def make(method: str = "mod_k", verdicts: dict[str, Iterable[bool]] = VERDICTS, **fields: Any) -> RunOutcomes:
        return from_record(*make_run(method, verdicts, **fields))

    return make


@pytest.fixture
def contents(make_outcomes: MakeOutcomes) -> dict[str, Any]:
    """A sound leaderboard of two rows as JSON: base, then mod_k."""
    return from_runs([make_outcomes(), make_outcomes("base")]).model_dump(mode="json")
