from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from modbench.answers import judge_choice, judge_number
from modbench.data.choices import choices_of
from modbench.data.download import Unavailable
from modbench.data.pools import (
    BOOLQ_TRAIN,
    COMMONSENSE_15K,
    COMMONSENSE_TESTS,
    MATH_10K,
    MATH_TESTS,
    POOLS,
    Shot,
    read_pool,
)
from modbench.data.problem_sets import TEST_SETS
from modbench.data.sources import FILES
from modbench.errors import ModbenchError
from modbench.harness.task_files import read_task, task_files

from ..made_up import FORMS, asked, counted, labelled, lettered, pin, problem_sets

GSM8K_TRAIN = "grade_school_math/data/train.jsonl"
MAWPS_TRAIN = "dataset/mawps/trainset.json"


def train_rows(names: list[str]) -> list[dict[str, str]]:
    """Two rows of each set that are no test problems, and one that is, with other letters and choices."""
    rows = []
    for name in names:
        rows += [labelled(name, asked(name, n, "train"), n) for n in range(2)]
        rows.append(labelled(name, asked(name, 3, "test").upper(), 1))
    return rows


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    gsm8k = [
        {"question": "New?", "answer": "1 + 1 = <<1+1=2>>2\nSo 2,000.\n#### 2,000"},
        {"question": asked("SVAMP", 2, "test ").lower(), "answer": "One.\n#### 1"},
        {"question": "No last line?", "answer": "One."},
    ]
    mawps = [
        {"original_text": "New too ?", "equation": "X=(3.0+4.0)", "ans": 7.0},
        {"original_text": asked("AddSub", 0, "test"), "equation": "X=1.0+1.0", "ans": 2.0},
        {"original_text": "Wrong ?", "equation": "X=1.0+1.0", "ans": 3.0},
    ]
    aqua = [
        counted("A number?", "3"),
        lettered(asked("AQuA", 0, "train"), 1),
        lettered(asked("AQuA", 1, "train"), 2, output="I take another. The answer is (A)."),
        lettered(asked("AQuA", 2, "test"), 4),
    ]
    files = problem_sets() | {
        GSM8K_TRAIN: gsm8k,
        MAWPS_TRAIN: mawps,
        MATH_10K: aqua,
        BOOLQ_TRAIN: train_rows(["boolq"]),
        COMMONSENSE_15K: train_rows(list(FORMS)),
    }
    pin(tmp_path, files, monkeypatch)
    return tmp_path


def test_every_pool_reads_a_pinned_file_and_checks_pinned_test_sets() -> None:
    for pool in POOLS.values():
        assert pool.path in FILES
        assert set(pool.tests) < set(FILES)


def test_each_test_set_is_of_one_family_and_of_that_of_its_tasks() -> None:
    assert {*MATH_TESTS} & {*COMMONSENSE_TESTS} == set() and {*TEST_SETS} <= {*MATH_TESTS, *COMMONSENSE_TESTS}
    assert len(COMMONSENSE_TESTS) == 8
    for data in (read_task(name)["dataset_kwargs"] for name in task_files()):
        assert data["pool"].startswith("demo/") or data["data_file"] in POOLS[data["pool"]].tests


def test_pools_of_worked_solutions(data: Path) -> None:
    assert list(read_pool("gsm8k_train").shots) == [Shot("New?", "2000", "1 + 1 = 2\nSo 2,000.\nThe answer is 2000.")]
    assert list(read_pool("mawps_train").shots) == [Shot("New too ?", "7.0", "X = 3 + 4 = 7. The answer is 7.")]
    (shot,) = read_pool("aqua_train").shots
    assert shot.answer == "B" and shot.response == "It is so. The answer is (B)."
    assert shot.instruction == lettered(asked("AQuA", 0, "train"), 1)["instruction"]


@pytest.mark.parametrize(
    ("pool", "names"),
    [
        ("boolq_train", ["boolq"]),
        ("piqa_train", ["piqa"]),
        ("hellaswag_train", ["hellaswag"]),
        ("winogrande_train", ["winogrande"]),
        ("social_iqa_train", ["social_i_qa"]),
        ("arc_openbookqa_train", ["ARC-Challenge", "ARC-Easy", "openbookqa"]),
    ],
)
def test_pools_of_labels(data: Path, pool: str, names: list[str]) -> None:
    rows = [labelled(name, asked(name, n, "train"), n) for name in FORMS if name in names for n in range(2)]
    assert list(read_pool(pool).shots) == [Shot(row["instruction"], row["answer"], row["output"]) for row in rows]


def test_a_test_set_that_cannot_be_had_is_not_compared_with(data: Path) -> None:
    whole = read_pool("gsm8k_train")
    (data / "dataset/SVAMP/test.json").unlink()
    part = read_pool("gsm8k_train")
    assert [shot.answer for shot in part.shots] == ["2000", "1"]
    assert {*part.files, *part.missing} == {*whole.files, *whole.missing}
    assert {*part.missing} - {*whole.missing} == {"dataset/SVAMP/test.json"}
    assert part.sha256 != whole.sha256


def test_a_pool_that_cannot_be_had(data: Path) -> None:
    (data / MATH_10K).unlink()
    with pytest.raises(Unavailable, match="math_10k"):
        read_pool("aqua_train")
    with pytest.raises(ModbenchError, match="unknown pool 'gsm8k': did you mean gsm8k_train"):
        read_pool("gsm8k")


def test_an_empty_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(tmp_path, {COMMONSENSE_15K: train_rows(["piqa"])}, monkeypatch)
    with pytest.raises(ModbenchError, match=r"commonsense_15k\.json has no examples for social_iqa_train"):
        read_pool("social_iqa_train")


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")
@pytest.mark.parametrize(
    ("pool", "field", "size"), [("gsm8k_train", "question", 7473), ("mawps_train", "original_text", 1898)]
)
def test_real_pools_hold_no_test_problem_and_right_responses(pool: str, field: str, size: int) -> None:
    folder = Path(os.environ["MODBENCH_DATA"])

    def letters(text: str) -> str:
        return "".join(character for character in text.lower() if character.isalnum())

    tests: set[str] = set()
    for name in ("AddSub", "gsm8k", "mawps", "AQuA"):
        rows = json.loads((folder / f"dataset/{name}/test.json").read_text())
        tests |= {letters(row["instruction"].split("Answer Choices:")[0]) for row in rows}
    text = (folder / POOLS[pool].path).read_text()
    rows = list(map(json.loads, text.splitlines())) if pool == "gsm8k_train" else json.loads(text)
    assert len(rows) == size
    shots = read_pool(pool).shots
    assert not {letters(shot.instruction) for shot in shots} & tests
    clean = [row[field] for row in rows if letters(row[field]) not in tests]
    assert {shot.instruction for shot in shots} <= set(clean)
    assert len(shots) > 0.9 * len(clean)
    assert all(judge_number(shot.response, shot.answer).correct for shot in shots)


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")
@pytest.mark.parametrize("pool", [pool for pool in POOLS if not pool.startswith(("gsm8k", "mawps"))])
def test_real_pools_of_choices(pool: str) -> None:
    if not (Path(os.environ["MODBENCH_DATA"]) / POOLS[pool].path).exists():
        pytest.skip(f"{POOLS[pool].path} is not at hand")
    shots = read_pool(pool).shots
    assert len(shots) > 100
    for shot in shots:
        assert judge_choice(shot.response, shot.answer, choices_of(shot.instruction)).correct
