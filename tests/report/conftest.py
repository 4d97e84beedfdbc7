"""What the tests of pictures and page share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modbench.records import Record

from .comparisons import FinishedRun, run_maker


@pytest.fixture
def finished_run(tmp_path: Path, make_record: Callable[..., Record]) -> FinishedRun:
    """Makes finished runs; see `run_maker`."""
    return run_maker(make_record, tmp_path / "runs")
