from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modbench.data.examples import Example
from modbench.data.problem_sets import TEST_SETS, TRAINING_SETS, from_examples, read_set, write_without
from modbench.data.sources import FILES
from modbench.errors import ModbenchError

ROWS = [
    {"instruction": "Tom has 3 nuts. How many?", "input": "", "output": "3"},
    {"instruction": "What is a “sofa”?", "input": "in French", "output": "canapé", "extra": [1.50, {"]": "[,"}]},
    {"instruction": "Why not, Ann?", "output": "Because."},
]
FORMS = {
    "pretty": json.dumps(ROWS, indent=4),
    "flat": json.dumps(ROWS, ensure_ascii=False),
    "tight": json.dumps(ROWS, separators=(",", ":")) + "\n\n",
    "lines": "\n".join(json.dumps(row) for row in ROWS),
    "blank lines": "\n" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\r\n",
    "marked": "\ufeff" + json.dumps(ROWS),
}


def written(tmp_path: Path, text: str, name: str = "train.json") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def load(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def test_the_paper_has_fifteen_test_sets() -> None:
    assert len(TEST_SETS) == 15 and len(TRAINING_SETS) == 7
    assert not {*TEST_SETS} & {*TRAINING_SETS} and {*TEST_SETS, *TRAINING_SETS} <= FILES.keys()


def test_what_is_compared(tmp_path: Path) -> None:
    found = read_set(str(written(tmp_path, FORMS["pretty"])))
    assert found.problems == ["Tom has 3 nuts. How many?", "What is a “sofa”?\nin French", "Why not, Ann?"]
    assert from_examples("mine", [Example("Why?", "So.", "here:1")]).problems == ["Why?"]


@pytest.mark.parametrize("field", ["question", "original_text"])
def test_files_as_gsm8k_and_mawps_have_them(tmp_path: Path, field: str) -> None:
    rows = [{field: f"How many are {number} nuts?", "ans": 1} for number in range(3)]
    for text in (json.dumps(rows, indent=2), "\n".join(map(json.dumps, rows))):
        found = read_set(str(written(tmp_path, text)))
        assert found.problems == [row[field] for row in rows]


@pytest.mark.parametrize("context", [None, 3, " ", ["in French"]])
def test_only_text_is_a_question(tmp_path: Path, context: object) -> None:
    row = {"question": None, "original_text": "How many are 3 nuts?", "input": context}
    assert read_set(str(written(tmp_path, json.dumps([row])))).problems == ["How many are 3 nuts?"]
    row["input"] = "in French"
    assert read_set(str(written(tmp_path, json.dumps([row])))).problems == ["How many are 3 nuts?\nin French"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("left_out", [(False, False, False), (True, False, True), (False, True, False)])
def test_the_rest_stays_as_it_stands(tmp_path: Path, form: str, left_out: tuple[bool, ...]) -> None:
    problems = read_set(str(written(tmp_path, FORMS[form])))
    write_without(problems, left_out, tmp_path / "clean.json")
    assert load(tmp_path / "clean.json") == [row for row, out in zip(ROWS, left_out, strict=True) if not out]
    text = (tmp_path / "clean.json").read_text(encoding="utf-8")
    assert text.startswith("[") == FORMS[form].lstrip("\ufeff\n").startswith("[")
    if form == "pretty":
        assert text == json.dumps([row for row, out in zip(ROWS, left_out, strict=True) if not out], indent=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    st.lists(
        st.dictionaries(st.text(), st.none() | st.booleans() | st.floats(allow_nan=False) | st.text()), min_size=1
    ),
    st.sampled_from([None, 2]),
    st.data(),
)
def test_any_list_keeps_its_objects(
    tmp_path: Path, more: list[dict[str, Any]], indent: int | None, data: st.DataObject
):
    rows = [row | {"instruction": "Why?", "input": "", "output": "So."} for row in more]
    left_out = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)).filter(lambda x: not all(x)))
    problems = read_set(str(written(tmp_path, json.dumps(rows, indent=indent))))
    write_without(problems, left_out, tmp_path / "clean.json")
    assert load(tmp_path / "clean.json") == [row for row, out in zip(rows, left_out, strict=True) if not out]


def test_nothing_is_lost(tmp_path: Path) -> None:
    path = written(tmp_path, FORMS["pretty"])
    problems = read_set(str(path))
    (tmp_path / "link.json").symlink_to(path)
    for target in (path, tmp_path / "link.json"):
        with pytest.raises(ModbenchError, match="is the training file itself"):
            write_without(problems, [True, False, False], target)
    with pytest.raises(ModbenchError, match="nothing to write"):
        write_without(problems, [True] * 3, tmp_path / "clean.json")
    with pytest.raises(ModbenchError, match="no file to write anew"):
        write_without(from_examples("made", []), [], tmp_path / "clean.json")
    assert path.read_text() == FORMS["pretty"] and not (tmp_path / "clean.json").exists()


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match=r"like name: dataset/AddSub/test\.json, dataset/AddSub/AddSub"):
        read_set("addsub")
    for text, says in (("[{", "broken JSON"), ('{"instruction": "a"}', "'output' is missing"), ("[]", "no example")):
        with pytest.raises(ModbenchError, match=says):
            read_set(str(written(tmp_path, text)))
    with pytest.raises(ModbenchError, match="cannot read"):
        read_set(str(tmp_path))
