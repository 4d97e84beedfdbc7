"""What tests of several commands share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ..conftest import MakeRun
from .check_runs import SOLVED, add, run_of


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Where `make_run` puts runs."""
    return tmp_path / "runs"


@pytest.fixture
def board(tmp_path: Path, runs: Path, make_run: MakeRun) -> Path:
    """A leaderboard of one run, which then is gone."""
    path = tmp_path / "board.json"
    add(path, run_of(make_run, SOLVED))
    shutil.rmtree(runs)
    return path
