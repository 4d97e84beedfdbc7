from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.errors import ModbenchError
from modbench.records import (
    Record,
    Sample,
    TaskResult,
    read_record,
    read_run_samples,
    read_samples,
    write_record,
    write_samples,
)

SAMPLES = st.builds(
    Sample,
    doc_id=st.integers(0, 10**6),
    doc_hash=st.text(),
    response=st.text() | st.sampled_from(["a\nb\r\nc", "\u2028\u2029\x85\x0b\x0c\x1c", '"\\']),
    answer=st.none() | st.text(),
    gold=st.text(),
    metrics=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)).map(
        lambda found: {"acc": 1.0} | found
    ),
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
        (b'{"schema_version": 7}', "schema_version is 7, this modbench reads 1"),
        (b'{"schema_version": 1}', "suite: Field required"),
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
    assert "line 1: NaN" in refusal(read_samples, path)


def test_samples_have_to_agree_with_their_record(
    make_run: Callable[..., tuple[Path, Record]], make_sample: Callable[..., Sample]
) -> None:
    folder, record = make_run("mod_k", {"one": [True, False, True]})
    assert [sample.correct for sample in read_run_samples(folder, record)["one"]] == [True, False, True]
    write_samples(folder / "samples" / "one.jsonl", [make_sample(0, True), make_sample(1, False)])
    message = refusal(lambda path: read_run_samples(path, record), folder)
    assert "1 correct of 2, but record.json says 2 of 3" in message
