"""Runs and leaderboards for tests of `modbench check`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from modbench.cli.app import app
from modbench.comparison.load import from_record
from modbench.leaderboard import from_runs, write_leaderboard
from modbench.records import read_record

from ..conftest import MakeRun

SOLVED = [True] * 90 + [False] * 10
WORSE = [False] * 20 + [True] * 70 + [False] * 9 + [True]


def run_of(make_run: MakeRun, right: Iterable[bool], adapter: bytes = b"weights", **fields: Any) -> Path:
    """The folder of a finished run of `mod_k` with this adapter."""
    folder, _ = make_run("mod_k", {"modbench_one": right}, **fields)
    (folder / "adapter").mkdir(exist_ok=True)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(adapter)
    return folder


def add(board: Path, *folders: Path) -> None:
    write_leaderboard(board, from_runs([from_record(folder, read_record(folder)) for folder in folders]))


def check(board: Path, runs: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["check", str(board), "--runs", str(runs), *options])
