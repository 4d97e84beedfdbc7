"""Stored responses judged anew: against a loop over plain JSON, and killed at every step on the disk."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from modbench.demo.problems import draw_set
from modbench.errors import ModbenchError
from modbench.harness.scoring import score
from modbench.harness.task_files import task_data
from modbench.harness.tasks import DEMO_COUNT, DEMO_SEED
from modbench.records import (
    Record,
    Sample,
    identity_digest,
    lock_run,
    read_record,
    read_run_samples,
    samples_file,
    write_record,
)
from modbench.records.schema import TaskResult
from modbench.rescore import find_runs, rescore

from .killing import Killed, kill_at

ONE, CHOICE, AQUA, FOREIGN = "modbench_demo_one_step", "modbench_demo_choice", "modbench_aqua", "gsm8k"
PROBLEMS = list(draw_set("one_step", DEMO_COUNT, DEMO_SEED, held_out=True))[:6]
LETTERS = "Which is it? Answer Choices: (A) 1 (B) 2 (C) 3 (D) 4 (E) 5"
Put = Callable[..., Path]


def old_line(doc_id: int, response: str, gold: str, correct: bool) -> dict[str, Any]:
    """A sample as it was written under schema version 1."""
    return {
        "doc_id": doc_id,
        "doc_hash": f"h{doc_id}",
        "response": response,
        "answer": "old",
        "gold": gold,
        "metrics": {"acc": float(correct)},
    }


def one_step_lines() -> list[dict[str, Any]]:
    """Right ones that were judged right and wrong, a wrong one that was judged right, and one without an answer."""
    said = [
        ("The answer is {}.", True),
        ("The answer is {}.", False),
        ("It is not 5. The answer is 100{}.", True),
        ("Nobody knows.", False),
        ("The answer is 100{}.", False),
    ]
    return [
        old_line(number, response.format(problem.answer), problem.answer, correct)
        for number, ((response, correct), problem) in enumerate(zip(said, PROBLEMS, strict=False))
    ]


@pytest.fixture
def put(tmp_path: Path, make_record: Callable[..., Record]) -> Put:
    """Writes a run of schema version 1 by hand, from the lines of each task."""

    def write(tasks: dict[str, list[dict[str, Any]]], name: str = "seed-0", **fields: Any) -> Path:
        folder = tmp_path / "runs" / "demo" / "mod_k" / name
        (folder / "samples").mkdir(parents=True)
        results = {}
        for task, lines in tasks.items():
            (folder / "samples" / f"{task}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            right = sum(line["metrics"]["acc"] == 1 for line in lines)
            results[task] = TaskResult.from_counts(len(lines), right)
        contents = make_record(tasks=results, data=task_data(ONE), **fields).model_dump(mode="json")
        for result in contents["tasks"].values():
            del result["unreadable"], result["metrics"]
        del contents["rescored"]
        (folder / "record.json").write_text(json.dumps(contents | {"schema_version": 1}))
        return folder

    return write


@pytest.fixture
def run(put: Put) -> Path:
    letters = [old_line(0, "So it is (B).", "B", False) | {"question": LETTERS}]
    other = [old_line(0, "iron", "iron", True), old_line(1, "wood", "iron", False)]
    return put({ONE: one_step_lines(), CHOICE: other, AQUA: letters, FOREIGN: other})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a run but its lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_changes(run: Path) -> None:
    before = read_record(run)
    changes = {change.task: change for change in rescore(run, examples=1)}
    assert list(changes) == list(before.tasks) == [ONE, CHOICE, AQUA, FOREIGN]
    one = changes[ONE]
    assert one.after is not None and (one.run, one.before.correct, one.after.correct) == (run, 2, 2)
    assert (one.gained, one.lost, one.after.no_answer, one.after.unreadable) == (1, 1, 1, 0)
    ((old, new),) = one.examples
    assert (old.doc_id, old.correct, new.correct, new.outcome) == (1, False, True, "correct")
    assert (changes[AQUA].gained, changes[AQUA].lost) == (1, 0)
    assert changes[CHOICE].after is None and changes[FOREIGN].after is None


def test_samples_and_record_are_those_of_a_loop(run: Path) -> None:
    before, untouched = read_record(run), [samples_file(run, task).read_bytes() for task in (CHOICE, FOREIGN)]
    rescore(run)
    record = read_record(run)
    found = read_run_samples(run, record)
    for task, kind, lines in (
        (ONE, "number", one_step_lines()),
        (AQUA, "letter", [old_line(0, "So it is (B).", "B", False)]),
    ):
        expected = []
        for line in lines:
            question = PROBLEMS[line["doc_id"]].text if task == ONE else LETTERS
            scored = score(kind, question, line["response"], line["gold"])  # type: ignore[arg-type]
            right = scored.metrics["exact_match"]
            fields = {"answer": scored.answer, "outcome": scored.outcome, "question": question, "seen": None}
            expected.append(Sample(**line | fields | {"metrics": scored.metrics | {"acc": right}}))
        assert found[task] == expected
        result, n = record.tasks[task], len(lines)
        assert result.n == n and result.correct == sum(s.metrics["acc"] == 1 for s in expected)
        assert (result.no_answer, result.unreadable) == (sum(s.outcome == "no_answer" for s in expected), 0)
        assert result.metrics == {
            name: sum(s.metrics[name] for s in expected) / n for name in ("exact_match", "llm_adapters")
        }
    assert [samples_file(run, task).read_bytes() for task in (CHOICE, FOREIGN)] == untouched
    assert record.rescored is not None and record.rescored.tasks == [ONE, AQUA]
    same = {"tasks": before.tasks, "rescored": None}
    assert record.model_copy(update=same) == before
    assert record.tasks[CHOICE] == before.tasks[CHOICE]
    assert json.loads((run / "record.json").read_text())["schema_version"] == 2


def test_twice_is_as_good_as_once(run: Path) -> None:
    rescore(run)
    first, record = contents(run), read_record(run)
    assert all(change.gained == change.lost == 0 for change in rescore(run))
    assert contents(run) | {"record.json": b""} == first | {"record.json": b""}
    assert read_record(run).tasks == record.tasks


def test_a_dry_run_says_the_same_and_writes_nothing(run: Path) -> None:
    before = contents(run)
    said = rescore(run, write=False, examples=9)
    assert contents(run) == before and not (run / ".lock").exists()
    assert said == rescore(run, examples=9)


def test_seen_questions_and_other_metrics_stay(put: Put) -> None:
    line = old_line(0, "The answer is 4.", "4", False)
    line |= {"question": "2 + 2 = ?", "seen": True, "outcome": "wrong", "metrics": {"acc": 0.0, "mine": 0.5}}
    folder = put({ONE: [line]})
    rescore(folder)
    (sample,) = read_run_samples(folder, read_record(folder))[ONE]
    assert (sample.question, sample.seen, sample.outcome, sample.metrics["mine"]) == ("2 + 2 = ?", True, "correct", 0.5)
    assert read_record(folder).tasks[ONE].metrics["mine"] == 0.5


@pytest.mark.parametrize("other", [{}, {"demo/one_step": "0" * 64}])
def test_a_question_is_known_only_where_the_documents_are_the_run_s(put: Put, other: dict[str, str]) -> None:
    folder = put({ONE: one_step_lines()})
    write_record(folder, read_record(folder).model_copy(update={"data": other}))
    rescore(folder)
    assert {sample.question for sample in read_run_samples(folder, read_record(folder))[ONE]} == {None}


def test_a_question_with_another_answer_is_another(put: Put) -> None:
    first, second, *_ = one_step_lines()
    folder = put({ONE: [first | {"gold": "100000"}, second, second | {"doc_id": DEMO_COUNT}]})
    rescore(folder)
    found = [sample.question for sample in read_run_samples(folder, read_record(folder))[ONE]]
    assert found == [None, PROBLEMS[1].text, None]


def test_without_anything_to_read_the_run_is_left_alone(put: Put) -> None:
    folder = put({CHOICE: [old_line(0, "iron", "iron", True)]})
    before = contents(folder)
    (change,) = rescore(folder)
    assert change.after is None and contents(folder) == before


def spoil(name: str) -> Callable[[Path], object]:
    def cut(run: Path) -> None:
        path = samples_file(run, ONE)
        path.write_bytes(path.read_bytes()[:-10])

    def uncounted(run: Path) -> None:
        path = samples_file(run, ONE)
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))

    def flipped(run: Path) -> None:
        path = samples_file(run, AQUA)
        path.write_text(path.read_text().replace("0.0", "1.0"))

    def emptied(run: Path) -> None:
        samples_file(run, AQUA).write_text("")

    def alone(run: Path) -> None:
        path = samples_file(run, CHOICE)
        path.write_bytes(path.read_bytes()[:-10])

    def fewer(run: Path) -> None:
        path = samples_file(run, FOREIGN)
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))

    def gone(run: Path) -> None:
        samples_file(run, AQUA).unlink()

    def other_schema(run: Path) -> None:
        path = run / "record.json"
        path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 3'))

    found: Callable[[Path], object] = locals()[name]
    return found


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cut", "line 5: cut off"),
        ("uncounted", "2 correct of 4, but record.json says 2 of 5"),
        ("flipped", "1 correct of 1, but record.json says 0 of 1"),
        ("emptied", "0 correct of 0, but record.json says 0 of 1"),
        ("alone", "line 2: cut off"),
        ("fewer", "1 correct of 1, but record.json says 1 of 2"),
        ("gone", "there is no"),
        ("other_schema", "schema_version is 3"),
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_damaged_runs_are_refused_and_left_as_they_are(run: Path, fault: str, message: str, write: bool) -> None:
    spoil(fault)(run)
    before = contents(run)
    with pytest.raises(ModbenchError) as caught:
        rescore(run, write)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert contents(run) == before


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_run_that_another_works_on_is_refused(run: Path) -> None:
    before = contents(run)
    with lock_run(run), pytest.raises(ModbenchError, match="another process is working on"):
        rescore(run)
    assert contents(run) == before


def test_killed_at_any_step_the_run_is_whole(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line | {"question": "How many?"} for line in one_step_lines()]
    run = put({ONE: lines, AQUA: [old_line(0, "So it is (B).", "B", False) | {"question": LETTERS}]})
    done = shutil.copytree(run, tmp_path / "done")
    rescore(done)
    expected, outcomes, at, finished = contents(done), set(), 0, False
    while not finished:
        at += 1
        cut = shutil.copytree(run, tmp_path / "cut")
        with monkeypatch.context() as patch, suppress(Killed):
            kill_at(patch, at)
            rescore(cut)
            finished = True
        assert find_runs([tmp_path / "cut"]) == [cut]
        samples = read_run_samples(cut, read_record(cut))
        old_or_new = {sample.outcome is None for task in (ONE, AQUA) for sample in samples[task]}
        assert len(old_or_new) == 1
        outcomes |= old_or_new
        rescore(cut)
        assert contents(cut) | {"record.json": b""} == expected | {"record.json": b""}
        shutil.rmtree(cut)
    assert outcomes == {True, False} and at > 10


def test_runs_are_found_below(run: Path, put: Put, tmp_path: Path) -> None:
    second = put({ONE: one_step_lines()}, "seed-1")
    shutil.copytree(run, run / ".replacement.0.tmp")
    runs = tmp_path / "runs"
    assert find_runs([runs]) == find_runs([run, runs]) == find_runs([runs, second]) == [run, second]
    assert find_runs([second, runs]) == [second, run]
    assert find_runs([second / "record.json", runs]) == [second, run]
    with pytest.raises(ModbenchError, match="no finished run in"):
        find_runs([runs, tmp_path / "nowhere"])


def test_the_identity_is_untouched(run: Path) -> None:
    before = read_record(run)
    rescore(run)
    after = read_record(run)
    assert after.identity == before.identity
    assert after.identity_digest == before.identity_digest == identity_digest(before.identity)
