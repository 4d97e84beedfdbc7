from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modbench.comparison.compare import compare
from modbench.comparison.outcomes import RunOutcomes
from modbench.errors import ModbenchError
from modbench.gate import Status, check, verdict
from modbench.leaderboard import from_runs, left_out, merge, outcomes
from modbench.records import ModelInfo, Parameters, Rescored, read_run_samples

MakeOutcomes = Callable[..., RunOutcomes]
NOTED = ModelInfo(name="tiny", revision="r1", sha256="a" * 64, note="de-quantized from Q4_1")


def test_rows_are_the_records(make_outcomes: MakeOutcomes) -> None:
    tuned = make_outcomes(model=NOTED)
    board = from_runs([tuned, make_outcomes("base", model=NOTED, training=None, gates=None, data={"extra": "d" * 64})])
    assert (board.suite, board.model, board.data) == ("demo", NOTED, {"demo": "b" * 64, "extra": "d" * 64})
    first, second = board.measured
    assert (first.method, first.training, first.gates, first.kind) == ("base", None, None, "measured")
    assert (second.method, second.seed, second.tasks) == ("mod_k", 0, tuned.record and tuned.record.tasks)
    assert second.mean.accuracy == 0.5
    assert second.mean.stderr == pytest.approx(((0.25 / 3) + (0.25 / 1)) ** 0.5 / 2)


def test_verdicts_come_back_as_they_were(make_outcomes: MakeOutcomes, tmp_path: Path) -> None:
    flags = np.random.default_rng(0).random(83) < 0.4
    run = make_outcomes(verdicts={"modbench_one": flags, "modbench_two": [True]})
    (adapter := tmp_path / "runs/demo/mod_k/seed-0/adapter").mkdir()
    (adapter / "model.safetensors").write_bytes(b"weights")
    assert run.record is not None and run.folder is not None and run.facts is not None
    board = from_runs([replace(run, facts=replace(run.facts, adapter="e" * 64, adapter_bytes=7))])
    (back,) = outcomes(board)
    assert (back.method, back.seed, back.model, back.record, back.folder) == ("mod_k", 0, "tiny", None, None)
    # Sorted document by document, from the samples themselves.
    for task, samples in read_run_samples(run.folder, run.record).items():
        ordered = [sample.correct for sample in sorted(samples, key=lambda sample: sample.doc_hash)]
        assert back.tasks[task].correct.tolist() == ordered
        assert back.tasks[task].documents == run.tasks[task].documents
        assert back.tasks[task].conditions == run.tasks[task].conditions
    assert back.facts is not None and (back.facts.adapter, back.facts.adapter_bytes) == ("e" * 64, 7)
    assert (back.facts.tasks, back.facts.parameters) == (run.record.tasks, run.record.parameters)
    assert left_out(board) == []


def test_rows_are_compared_and_gated_like_the_runs(make_outcomes: MakeOutcomes) -> None:
    untuned = {"parameters": Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None)}
    wins = {"modbench_one": [True] * 30 + [False] * 10}
    runs = [
        make_outcomes("base", {"modbench_one": [False] * 20 + [True] * 20}, **untuned),
        make_outcomes(verdicts=wins, **untuned),
    ]
    rows = outcomes(from_runs(runs))
    mine, theirs = (compare(of, baseline="base") for of in (rows, runs))
    assert mine.differences == theirs.differences != []
    assert mine.overlaps == theirs.overlaps
    assert verdict(check(rows, runs)) is Status.PASSED
    worse = make_outcomes(verdicts={"modbench_one": [True] * 15 + [False] * 25}, **untuned)
    assert verdict(check(rows, [worse, runs[0]])) is Status.REGRESSED
    other = make_outcomes(verdicts={"modbench_one": [True] * 41}, **untuned)
    assert verdict(check(rows, [other, runs[0]])) is Status.CANNOT_TELL


def test_rows_without_verdicts_and_older_ones_are_left_out_and_said(make_outcomes: MakeOutcomes) -> None:
    board = from_runs(
        [
            make_outcomes(identity={"an": "old recipe"}, created="2024-01-01T00:00:00+00:00"),
            make_outcomes(identity={"a": "new recipe"}, created="2024-02-01T00:00:00Z"),
            make_outcomes("base"),
        ]
    )
    bare = board.model_copy(
        update={
            "rows": [row.model_copy(update={"outcomes": None}) if row.method == "base" else row for row in board.rows]
        }
    )
    (run,) = outcomes(bare)
    new = next(row for row in board.measured if row.created.startswith("2024-02"))
    old = next(row for row in board.measured if row.created.startswith("2024-01"))
    assert run.facts is not None and run.facts.tasks == new.tasks
    assert left_out(bare) == [
        f"mod_k seed 0 ({old.identity_digest[:8]}): an older row",
        "base seed 0: its row has no verdicts by document",
    ]


def test_the_order_of_adding_does_not_matter(make_outcomes: MakeOutcomes) -> None:
    runs = [
        make_outcomes(model=NOTED),
        make_outcomes("base", data={"extra": "d" * 64}),
        make_outcomes(seed=2, identity={"x": 1}),
        make_outcomes(seed=2, identity={"x": 2}, data={"another": "d" * 64}, created="2024-01-01T00:00:00Z"),
    ]
    boards = [from_runs(order) for order in permutations(runs)]
    assert {json.dumps(board.model_dump(mode="json")) for board in boards} == {
        json.dumps(boards[0].model_dump(mode="json"))
    }
    assert [row.key[:3] for row in boards[0].rows] == [
        ("measured", "base", 0),
        ("measured", "mod_k", 0),
        ("measured", "mod_k", 2),
        ("measured", "mod_k", 2),
    ]
    assert boards[0].model == NOTED and list(boards[0].data) == ["another", "demo", "extra"]


def test_of_one_run_the_newer_row_stays_whichever_is_added_last(make_outcomes: MakeOutcomes) -> None:
    first = from_runs([make_outcomes()])
    again = from_runs(
        [
            make_outcomes(
                verdicts={"modbench_one": [True] * 4, "modbench_two": [True, True]},
                rescored=Rescored(at="2025-02-01T00:00:00Z", modbench="0.1.0", tasks=["modbench_one"]),
            )
        ]
    )
    assert merge(first, again) == merge(again, first) == again
    bare = first.model_copy(update={"rows": [first.rows[0].model_copy(update={"outcomes": None})]})
    assert merge(first, bare) == merge(bare, first) == first  # equally old: the one that knows more
    run = make_outcomes()
    known = {task: replace(of, seen=np.zeros(of.n, dtype=bool)) for task, of in run.tasks.items()}
    full, half = (
        from_runs([replace(run, tasks=known)]),
        from_runs([replace(run, tasks={**run.tasks, "modbench_one": known["modbench_one"]})]),
    )
    for one, other in permutations([first, half, full], 2):
        assert merge(one, other) == max(one, other, key=[first, half, full].index)


def test_what_was_trained_on_is_in_the_rows(make_outcomes: MakeOutcomes) -> None:
    run, other = make_outcomes(), make_outcomes("base")
    seen = np.array([True, False, False, True])
    known = run.tasks["modbench_one"]
    tasks = {**run.tasks, "modbench_one": replace(known, seen=seen)}
    none = {task: replace(of, seen=np.zeros(of.n, dtype=bool)) for task, of in other.tasks.items()}
    runs = [replace(run, tasks=tasks), replace(other, tasks=none)]
    rows = outcomes(from_runs(runs))
    assert rows[1].tasks["modbench_one"].seen is not None and rows[1].tasks["modbench_two"].seen is None
    mine, theirs = (compare(of, baseline="base") for of in (rows, sorted(runs, key=lambda run: run.method)))
    assert [row.clean for row in mine.methods] == [row.clean for row in theirs.methods]
    clean = mine.methods[1].clean["modbench_one"]
    right = [bool(r) for r, s in zip(known.correct, seen, strict=True) if not s]
    assert clean.seen == 2 and clean.n == 2
    assert clean.score is not None and clean.score.accuracy == sum(right) / len(right)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"suite": "other"}, "use a file per suite"),
        ({"model": ModelInfo(name="tiny", revision=None, sha256="c" * 64)}, "other weights"),
        ({"data": {"demo": "c" * 64}}, "data 'demo' differs"),
    ],
)
def test_rows_of_something_else_are_refused(make_outcomes: MakeOutcomes, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModbenchError, match=message):
        from_runs([make_outcomes(), make_outcomes("base", **fields)])


def test_runs_without_a_record_and_no_runs_are_refused(make_outcomes: MakeOutcomes) -> None:
    with pytest.raises(ModbenchError, match="at least one finished run"):
        from_runs([])
    with pytest.raises(ModbenchError, match="is no run of modbench"):
        from_runs([replace(make_outcomes(), record=None, facts=None)])
