"""What decides which examples are shown: in the identity, in the record's data, checked before a model is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from modbench.data.download import Unavailable
from modbench.data.pools import COMMONSENSE_15K
from modbench.errors import ModbenchError
from modbench.harness import tasks
from modbench.harness.asking import Questions

from ..made_up import asked, pin, problem_sets

GSM8K_TRAIN = "grade_school_math/data/train.jsonl"
SVAMP = "dataset/SVAMP/test.json"
TRAIN = [
    {"question": "New?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"},
    {"question": asked("SVAMP", 2, "test").lower(), "answer": "One.\n#### 1"},
]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pin(tmp_path, problem_sets() | {GSM8K_TRAIN: TRAIN}, monkeypatch)
    tasks._warn.cache_clear()
    return tmp_path


def questions(shots: int | None, *names: str) -> Questions:
    return Questions(dict.fromkeys(names or ("modbench_gsm8k",), 4), None, num_fewshot=shots)


def sha(rows: list[list[str]]) -> str:
    return hashlib.sha256("".join(json.dumps(row) + "\n" for row in rows).encode()).hexdigest()


def test_the_examples_are_in_identity_and_data(data: Path) -> None:
    asking = questions(1)
    shown = sha([["New?", "2", "1 + 1 = 2\nThe answer is 2."]])
    assert asking.identity()["tasks"]["modbench_gsm8k"]["examples"] == shown
    found = asking.data()
    assert found["examples/gsm8k_train"] == shown
    assert found[GSM8K_TRAIN] == hashlib.sha256((data / GSM8K_TRAIN).read_bytes()).hexdigest()
    assert SVAMP in found


def test_other_examples_are_another_run(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = questions(1)
    before = whole.identity()
    warned = capsys.readouterr().err
    assert SVAMP not in warned  # what the made-up sets lack is named all the same
    (data / SVAMP).unlink()
    part = questions(1)
    part.check()
    assert part.identity() != before and SVAMP not in part.data()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("modbench: warning: examples of gsm8k_train may be problems of ") and SVAMP in line
    questions(1).check()
    assert not capsys.readouterr().err


@pytest.mark.parametrize("shots", [None, 0])
def test_without_examples_nothing_changes_and_no_pool_is_read(shots: int | None, data: Path) -> None:
    (data / GSM8K_TRAIN).unlink()
    asking = questions(shots)
    asking.check()
    assert asking.identity()["tasks"]["modbench_gsm8k"].keys() == {"settings", "data", "limit"}
    assert asking.data().keys() == {"dataset/gsm8k/test.json"}


def test_examples_are_checked_before_a_model_is_loaded(data: Path) -> None:
    questions(1).check()
    with pytest.raises(ModbenchError, match="'modbench_gsm8k' has 1 examples to show, not 2: lower --num-fewshot"):
        questions(2, "modbench_demo_choice", "modbench_gsm8k").check()
    with pytest.raises(Unavailable, match=COMMONSENSE_15K):
        questions(1, "modbench_gsm8k", "modbench_piqa").check()


def test_examples_of_the_demo_tasks() -> None:
    found = questions(2, "modbench_demo_one_step", "modbench_demo_choice")
    found.check()
    assert found.data().keys() == {
        *("demo/one_step", "demo/choice", "examples/demo/one_step", "examples/demo/choice"),
    }
