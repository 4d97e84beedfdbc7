from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modbench.errors import ModbenchError
from modbench.leaderboard import from_records, read_leaderboard, write_leaderboard
from modbench.records import ModelInfo, Record, TaskResult

MakeRecord = Callable[..., Record]


def test_rows_are_the_records(make_record: MakeRecord) -> None:
    note = ModelInfo(name="tiny", revision="r1", sha256="a" * 64, note="de-quantized from Q4_1")
    board = from_records(
        [
            make_record(model=note, tasks={"one": TaskResult.from_counts(4, 1), "two": TaskResult.from_counts(2, 1)}),
            make_record(model=note, method="base", training=None, gates=None, data={"extra": "d" * 64}),
        ]
    )
    assert (board.suite, board.model, board.data) == ("demo", note, {"demo": "b" * 64, "extra": "d" * 64})
    first, second = board.rows
    assert (first.method, first.seed, first.source) == ("mod_k", 0, "measured")
    assert first.mean.accuracy == 0.375
    assert first.mean.stderr == pytest.approx((0.25**2 + 0.5**2) ** 0.5 / 2)
    assert (second.method, second.training, second.gates) == ("base", None, None)


def test_writing_merges_by_method_seed_and_identity(tmp_path: Path, make_record: MakeRecord) -> None:
    path = tmp_path / "demo.json"
    old, other = make_record(), make_record(method="base")
    assert write_leaderboard(path, from_records([old, other])) == read_leaderboard(path)
    again = make_record(tasks={"modbench_one": TaskResult.from_counts(4, 4)})
    elsewhere = make_record(identity={"another": "recipe"})
    third_seed = make_record(seed=2)
    write_leaderboard(path, from_records([again, elsewhere, third_seed]))
    rows = read_leaderboard(path).rows
    assert [(row.method, row.seed, row.mean.accuracy) for row in rows] == [
        ("mod_k", 0, 1.0),
        ("base", 0, 0.5),
        ("mod_k", 0, 0.5),
        ("mod_k", 2, 0.5),
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"suite": "other"}, "use a file per suite"),
        ({"model": ModelInfo(name="tiny", revision=None, sha256="c" * 64)}, "other weights"),
        ({"data": {"demo": "c" * 64}}, "data 'demo' differs"),
    ],
)
def test_rows_of_something_else_are_refused(
    tmp_path: Path, make_record: MakeRecord, fields: dict[str, Any], message: str
) -> None:
    path = tmp_path / "demo.json"
    write_leaderboard(path, from_records([make_record()]))
    before = path.read_bytes()
    with pytest.raises(ModbenchError, match=message):
        write_leaderboard(path, from_records([make_record(**fields)]))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row["tasks"]["modbench_one"].update(accuracy=0.51), "accuracy 0.51 is not correct / n = 0.5"),
        (lambda row: row["tasks"]["modbench_one"].update(correct=3), "accuracy 0.5 is not correct / n = 0.75"),
        (lambda row: row["mean"].update(accuracy=0.545), "mean accuracy 0.545 is not the 0.5 of mod_k's tasks"),
        (lambda row: row["mean"].update(stderr=None), "mean stderr None"),
        (lambda row: row.update(source="guessed"), "rows.0.source"),
    ],
)
def test_numbers_that_do_not_follow_are_refused(
    tmp_path: Path, make_record: MakeRecord, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    path = tmp_path / "demo.json"
    write_leaderboard(path, from_records([make_record()]))
    contents = json.loads(path.read_text())
    change(contents["rows"][0])
    path.write_text(json.dumps(contents))
    with pytest.raises(ModbenchError) as caught:
        read_leaderboard(path)
    assert message in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_no_records_are_refused() -> None:
    with pytest.raises(ModbenchError, match="at least one finished run"):
        from_records([])
