from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modbench.data.examples import Example, read_examples
from modbench.errors import ModbenchError

GOOD = {"instruction": "1 + 1?", "output": "2"}
TEXTS = st.text(min_size=1).filter(str.strip)
ROWS = st.lists(
    st.fixed_dictionaries({"instruction": TEXTS, "output": TEXTS}, optional={"id": st.integers()}), min_size=1
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(rows=ROWS, lines=st.booleans(), ascii_only=st.booleans())
def test_list_and_lines_read_alike(tmp_path: Path, rows: list[dict[str, Any]], lines: bool, ascii_only: bool) -> None:
    path = tmp_path / "train.json"
    dumped = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    path.write_bytes(("\n".join(dumped) + "\n" if lines else f"[{', '.join(dumped)}]").encode())
    expected = [Example(row["instruction"], row["output"], f"train.json:{n}") for n, row in enumerate(rows, 1)]
    assert read_examples(path) == expected


def test_input_follows_the_instruction_on_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    rows = [GOOD | {"input": given} for given in ("", "as a word", "  ", None)]
    path.write_text("\n\n".join(map(json.dumps, rows)))
    read = read_examples(path)
    assert [example.instruction for example in read] == ["1 + 1?", "1 + 1?\nas a word", "1 + 1?", "1 + 1?"]
    assert [example.source for example in read] == [f"train.jsonl:{line}" for line in (1, 3, 5, 7)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"instruction": "1 + 1?"}, "field 'output' is missing"),
        ({"output": "2"}, "field 'instruction' is missing"),
        (GOOD | {"output": ""}, "field 'output' is not a non-empty text"),
        (GOOD | {"instruction": " \n"}, "field 'instruction' is not a non-empty text"),
        (GOOD | {"output": 2}, "field 'output' is not a non-empty text"),
        (GOOD | {"output": None}, "field 'output' is not a non-empty text"),
        (GOOD | {"input": ["x"]}, "field 'input' is not a text"),
        (["1 + 1?", "2"], "expected an object"),
        (7, "expected an object"),
    ],
)
def test_bad_rows_name_file_place_and_field(tmp_path: Path, row: Any, message: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps([GOOD, GOOD, row]))
    with pytest.raises(ModbenchError, match=rf"train\.json, item 3: {message}"):
        read_examples(path)
    path.write_text("\n".join(["", json.dumps(GOOD), "", json.dumps({"row": row} if isinstance(row, list) else row)]))
    with pytest.raises(ModbenchError, match=r"train\.json, line 4: "):
        read_examples(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"instruction": "1 + 1?", "output": "2"}\n{"instruction": "1 +', "line 2: broken JSON"),
        (b'[{"instruction": "1 + 1?", "output": "2"}', "broken JSON"),
        (b"[" * 100_000, "broken JSON"),
        (b"", "holds no example"),
        (b" [] ", "holds no example"),
        (b"\xff\xfe\x00", "cannot read training file"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(content)
    with pytest.raises(ModbenchError, match=message) as caught:
        read_examples(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match="cannot read training file"):
        read_examples(tmp_path / "absent.json")
