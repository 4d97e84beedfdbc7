from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from modbench.data import sources
from modbench.data.download import Unavailable
from modbench.data.math_mix import GSM8K_TRAIN, MAWPS_TRAIN, OPTIONAL, REQUIRED, build_math_mix
from modbench.data.sources import PinnedFile, git_blob_id
from modbench.data.worked import CALCULATOR_MARK
from modbench.errors import ModbenchError

GSM8K = [
    {"question": "Tom, how many?", "answer": "Tom has 1+1=<<1+1=2>>2.\nAnd 2*1000=<<2*1000=2000>>2,000.\n#### 2,000"},
    {"question": "Asked in the test", "answer": "It is 1.\n#### 1"},
    {"question": "No final line", "answer": "It is 1."},
    {"question": "Kept too", "answer": "It is 3.\n#### 3"},
]
MAWPS = [
    {"original_text": "Is this one shared ?", "equation": "X=1.0+1.0", "ans": 2.0},
    {"original_text": "Good ?", "equation": "X=((22.0-14.0)/4.0)", "ans": 2.0},
    {"original_text": "Text answer", "equation": "x=0.5+0.3333333333333333", "ans": "0.8333333333333334"},
    {"original_text": "False", "equation": "x=34*4", "ans": 134.0},
    {"original_text": "Nearly", "equation": "x=4.82/1.3333", "ans": 3.615},
    {"original_text": "Nonsense", "equation": "x=1+1", "ans": "two"},
    {"original_text": "Unsolved", "equation": "7=3+x", "ans": 4.0},
]
TESTS = {
    "dataset/AddSub/test.json": [{"instruction": "is this one shared"}, {"instruction": "Other"}],
    "dataset/gsm8k/test.json": [{"instruction": "ASKED in the test?"}],
    "dataset/mawps/test.json": [{"instruction": "Is this one shared . "}],
    "dataset/AQuA/test.json": [{"instruction": "Is this one shared? Answer Choices: (A) 1 (B) 2"}],
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    files = {
        GSM8K_TRAIN: "".join(json.dumps(row) + "\n" for row in GSM8K),
        MAWPS_TRAIN: json.dumps(MAWPS),
        **{path: json.dumps(rows) for path, rows in TESTS.items()},
    }
    pins = {path: PinnedFile("owner/name", "0123abc", "0" * 40, "MIT") for path in (*REQUIRED, *OPTIONAL)}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        pins[path] = PinnedFile("owner/name", "0123abc", git_blob_id(tmp_path / path), "MIT")
    monkeypatch.setattr(sources, "FILES", pins)
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path))
    return tmp_path


def test_tiny_mix(tiny: Path) -> None:
    mix, report = build_math_mix(4, seed=0)
    assert Counter(example.source.split(":")[0] for example in mix) == {GSM8K_TRAIN: 2, MAWPS_TRAIN: 2}
    responses = {example.source: example.response for example in mix}
    assert responses[f"{GSM8K_TRAIN}:1"] == "Tom has 1+1=2.\nAnd 2*1000=2,000.\nThe answer is 2000."
    mawps = {
        f"{MAWPS_TRAIN}:2": "X = (22 - 14) / 4 = 2. The answer is 2.",
        f"{MAWPS_TRAIN}:3": "X = 0.5 + 0.3333333333333333 = 0.8333. The answer is 0.8333.",
        f"{MAWPS_TRAIN}:5": "X = 4.82 / 1.3333 = 3.615. The answer is 3.615.",
    }
    assert len(mawps.items() & responses.items()) == 2
    assert report.sources[GSM8K_TRAIN].overlapping_by_set["dataset/gsm8k/test.json"] == 1
    assert report.to_dict() == json.loads(json.dumps(report.to_dict()))
    assert report.to_dict()["sources"][MAWPS_TRAIN] == {
        "read": 7,
        "overlapping": 1,
        "unreadable": 1,
        "unsupported": 1,
        "bad_equation": 1,
        "kept": 3,
        "used": 2,
        "overlapping_by_set": {
            "dataset/AddSub/test.json": 1,
            "dataset/gsm8k/test.json": 0,
            "dataset/mawps/test.json": 1,
            "dataset/AQuA/test.json": 1,
        },
    }
    assert set(report.missing) == set(OPTIONAL) - {"dataset/AQuA/test.json"}
    assert report.checked == {path: len(rows) for path, rows in TESTS.items()}


def test_more_than_there_is(tiny: Path) -> None:
    with pytest.raises(ModbenchError, match="has 2 examples to train on, not 3"):
        build_math_mix(6, seed=0)


def test_a_test_set_that_the_suite_evaluates_on_must_be_there(tiny: Path) -> None:
    (tiny / "dataset/AddSub/test.json").unlink()
    with pytest.raises(Unavailable, match="dataset/AddSub"):
        build_math_mix(2, seed=0)


def test_a_corrupted_optional_test_set_is_no_missing_one(tiny: Path) -> None:
    (tiny / "dataset/AQuA/test.json").write_text("[]")
    with pytest.raises(ModbenchError, match="is not the pinned dataset/AQuA"):
        build_math_mix(2, seed=0)


real = pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")


@pytest.mark.realdata
@real
def test_real_mix_against_an_independent_count() -> None:
    """The same sets by regular expressions, Python's own floats and `eval` on text that a pattern has cleared."""
    folder = Path(os.environ["MODBENCH_DATA"])
    mix, report = build_math_mix(800, seed=0)

    def plain(text: str) -> str:
        return re.sub(r"[\W_]+", "", text).lower()

    test_rows = [
        row for path in report.checked if path.endswith("json") for row in json.loads((folder / path).read_text())
    ]
    problems = {plain(re.sub(r" Answer Choices:.*", "", row["instruction"])) for row in test_rows}
    fates: Counter[str] = Counter()
    good = {}
    for row in json.loads((folder / MAWPS_TRAIN).read_text()):
        right = row["equation"].split("=", 1)[1]
        if plain(row["original_text"]) in problems:
            fates["overlapping"] += 1
        elif not re.fullmatch(r"[-+*/(). \d]+", right) or not re.match("[A-Za-z]+=", row["equation"]):
            fates["unsupported"] += 1
        elif abs(eval(right) - float(row["ans"])) > 1e-3:
            fates["bad_equation"] += 1
        else:
            fates["kept"] += 1
            good[row["original_text"]] = float(row["ans"])
    counts = report.sources[MAWPS_TRAIN]
    assert {fate: getattr(counts, fate) for fate in fates} == fates
    assert fates.total() == counts.read == 1898
    assert report.sources[GSM8K_TRAIN].read == 7473

    assert len(mix) == 800
    assert not {plain(example.instruction) for example in mix} & problems
    for example in mix:
        answer = re.search(r"The answer is (-?[\d.]*\d)\.$", example.response)
        assert answer, example
        assert "<<" not in example.response and "####" not in example.response
        if example.source.startswith(MAWPS_TRAIN):
            assert abs(float(answer[1]) - good[example.instruction]) < 1e-3
    assert mix == build_math_mix(800, seed=0)[0]
    assert mix != build_math_mix(800, seed=1)[0]


@pytest.mark.realdata
@real
def test_gsm8k_needs_no_equation_filter() -> None:
    """Every calculator mark of GSM8K's training answers is right to 1 %, so only MAWPS is filtered by its equations."""
    lines = (Path(os.environ["MODBENCH_DATA"]) / GSM8K_TRAIN).read_text().splitlines()
    marks = [mark for line in lines for mark in CALCULATOR_MARK.findall(json.loads(line)["answer"])]
    assert len(marks) > 20_000
    for mark in marks:
        left, _, right = mark[2:-2].rpartition("=")
        assert re.fullmatch(r"[-+*/(). \d]+", left + right), mark
        assert abs(eval(left) - eval(right)) <= 0.01 * max(1, abs(eval(right))), mark
