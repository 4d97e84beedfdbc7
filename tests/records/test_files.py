from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modbench.answers import Outcome
from modbench.errors import ModbenchError
from modbench.records import (
    Record,
    Sample,
    TaskResult,
    iter_samples,
    read_record,
    read_run_samples,
    read_samples,
    write_record,
    write_samples,
)
from modbench.records.files import read_model
from modbench.training.train import Trained

SAMPLES = st.builds(
    Sample,
    doc_id=st.integers(0, 10**6),
    doc_hash=st.text(),
    response=st.text() | st.sampled_from(["a\nb\r\nc", "\u2028\u2029\x85\x0b\x0c\x1c", '"\\']),
    answer=st.none() | st.text(),
    gold=st.text(),
    metrics=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)).map(
        lambda found: found | {"acc": 1.0}
    ),
    question=st.none() | st.text(),
    outcome=st.sampled_from([None, Outcome.CORRECT]),
    seen=st.none() | st.booleans(),
)


def refusal(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(ModbenchError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


@given(st.lists(SAMPLES, max_size=5))
def test_samples_come_back(samples: list[Sample]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "samples" / "task.jsonl"
        write_samples(path, samples)
        assert read_samples(path) == samples
        lines = path.read_bytes().decode().removesuffix("\n").split("\n") if samples else []
        assert [json.loads(line) for line in lines] == [sample.model_dump() for sample in samples]


def test_samples_of_version_1_come_back_with_what_they_do_not_say_unknown(tmp_path: Path) -> None:
    old = {"doc_id": 3, "doc_hash": "h", "response": "7\u2028é", "answer": "7", "gold": "8", "metrics": {"acc": 0.0}}
    (tmp_path / "task.jsonl").write_text(json.dumps(old, ensure_ascii=False) + "\n")
    (sample,) = read_samples(tmp_path / "task.jsonl")
    assert sample.model_dump() == old | {"question": None, "outcome": None, "seen": None}


@given(st.text(st.characters(categories=("Cs", "L"))))
@example("a\ud800b\udfff")
@example("\ud83d\ude00")
def test_half_a_surrogate_pair_is_replaced_and_the_rest_stays(text: str) -> None:
    fields = {"response": text, "answer": text, "gold": text, "question": text}
    sample = Sample(doc_id=0, doc_hash="h", metrics={"acc": 0.0}, **fields)
    assert sample.response == sample.answer == sample.gold == sample.question
    plain = text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    assert "".join(c for c in sample.response if c != "\ufffd") == plain
    with TemporaryDirectory() as folder:
        write_samples(Path(folder) / "task.jsonl", [sample])
        assert read_samples(Path(folder) / "task.jsonl") == [sample]


def test_half_a_surrogate_pair_in_a_file_is_refused(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    path = tmp_path / "task.jsonl"
    write_samples(path, [make_sample(0, True)])
    path.write_text(path.read_text().replace("The", "\\ud800"))
    assert "line 1: Invalid JSON" in refusal(read_samples, path)


def test_samples_are_read_one_by_one(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    path = tmp_path / "task.jsonl"
    write_samples(path, [make_sample(number, True) for number in range(3)])
    with path.open("a") as file:
        file.write("{}\n")
    found = iter_samples(path)
    assert [next(found).doc_id for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ModbenchError, match="line 4"):
        next(found)


def version_1(record: Record) -> dict[str, Any]:
    """The contents of `record` as they were written before there was a version 2."""
    contents = record.model_dump(mode="json", exclude={"rescored"}) | {"schema_version": 1}
    for result in contents["tasks"].values():
        del result["unreadable"], result["metrics"]
    return contents


def test_records_of_version_1_are_read_and_written_as_version_2(
    tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    new = make_record(tasks={"task": TaskResult.from_counts(3, 1, 1)})
    (tmp_path / "record.json").write_text(json.dumps(version_1(new)))
    record = read_record(tmp_path)
    assert record == new and record.rescored is None
    assert record.tasks["task"].unreadable is None and record.tasks["task"].metrics == {}
    write_record(tmp_path, record)
    assert json.loads((tmp_path / "record.json").read_text())["schema_version"] == 2


def test_training_of_version_1_is_read(tmp_path: Path) -> None:
    old = Trained.untuned().model_dump(mode="json") | {"schema_version": 1}
    (tmp_path / "training.json").write_text(json.dumps(old))
    assert read_model(tmp_path / "training.json", Trained, "") == Trained.untuned()


def test_records_come_back(tmp_path: Path, make_record: Callable[..., Record]) -> None:
    record = make_record(
        recipe={"betas": (0.9, 0.999), "é": None},
        training=None,
        gates=None,
        tasks={"task": TaskResult.from_counts(3, 1, 1)},
    )
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_a_record_cut_off_anywhere_is_refused(tmp_path: Path, make_record: Callable[..., Record]) -> None:
    write_record(tmp_path, make_record())
    path = tmp_path / "record.json"
    whole = path.read_bytes().rstrip()
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        message = refusal(read_record, tmp_path)
        assert str(path) in message and "run again" in message


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"[]", "schema_version is None"),
        (b'{"schema_version": 7}', "schema_version is 7, this modbench reads 1 and 2"),
        (b'{"schema_version": true}', "schema_version is True"),
        (b'{"schema_version": 2.0}', "schema_version is 2.0"),
        (b'{"schema_version": 1}', "suite: Field required"),
        (b'{"schema_version": 2}', "suite: Field required"),
        (b'{"schema_version": NaN}', "finite"),
        (b'{"schema_version": 1e999}', "finite"),
        (b"[" * 100_000, "record.json"),
        (pickle.dumps({"schema_version": 1}), "UTF-8"),
    ],
)
def test_foreign_records_are_refused(tmp_path: Path, contents: bytes, message: str) -> None:
    (tmp_path / "record.json").write_bytes(contents)
    assert message in refusal(read_record, tmp_path)


@pytest.mark.parametrize(("field", "value"), [("seed", "0"), ("seed", True), ("surprise", 1), ("prompt", 5)])
def test_changed_fields_are_refused(
    tmp_path: Path, make_record: Callable[..., Record], field: str, value: object
) -> None:
    (tmp_path / "record.json").write_text(json.dumps(make_record().model_dump() | {field: value}))
    assert f"({field}: " in refusal(read_record, tmp_path)


def test_an_absent_record_is_said_to_be_absent(tmp_path: Path) -> None:
    assert "there is no" in refusal(read_record, tmp_path)


def test_damaged_samples_are_refused_by_line(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    path = tmp_path / "task.jsonl"
    write_samples(path, [make_sample(0, True), make_sample(1, False)])
    whole = path.read_text()
    path.write_text(whole[:-5])
    assert "line 2: cut off" in refusal(read_samples, path)
    path.write_text(whole + '{"doc_id": 2}\n')
    assert "line 3: doc_hash: Field required" in refusal(read_samples, path)
    path.write_text(whole.replace("1.0", "NaN"))
    assert "line 1: metrics.acc: Input should be a finite number" in refusal(read_samples, path)
    path.write_text(whole.replace("1.0", "1e999"))
    assert "line 1: metrics.acc: Input should be a finite number" in refusal(read_samples, path)
    path.write_text(whole.replace('"doc_id":1', '"doc_id":"1"'))
    assert "line 2: doc_id: Input should be a valid integer" in refusal(read_samples, path)
    path.write_text(whole.replace('{"doc_id":0', '{"more":1,"doc_id":0'))
    assert "line 1: " in refusal(read_samples, path)
    path.write_bytes(whole.encode().replace(b"The", b"\xff"))
    assert "line 1: Invalid JSON" in refusal(read_samples, path)
    path.write_text(whole + "\n")
    assert "line 3: Invalid JSON" in refusal(read_samples, path)


def test_samples_have_to_agree_with_their_record(
    make_run: Callable[..., tuple[Path, Record]], make_sample: Callable[..., Sample]
) -> None:
    folder, record = make_run("mod_k", {"one": [True, False, True]})
    assert [sample.correct for sample in read_run_samples(folder, record)["one"]] == [True, False, True]
    write_samples(folder / "samples" / "one.jsonl", [make_sample(0, True), make_sample(1, False)])
    message = refusal(lambda path: read_run_samples(path, record), folder)
    assert "1 correct of 2, but record.json says 2 of 3" in message
