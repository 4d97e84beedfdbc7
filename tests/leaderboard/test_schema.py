from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench import resources
from modbench.leaderboard import json_schema
from modbench.leaderboard.__main__ import write
from modbench.leaderboard.schema import Printed, rounds_to


def test_the_published_json_schema_is_that_of_the_code(tmp_path: Path) -> None:
    shipped = resources.folder("leaderboards") / "schema.json"
    assert json.loads(shipped.read_text()) == json_schema(), "write it anew: python -m modbench.leaderboard"
    write(tmp_path)
    assert (tmp_path / "schema.json").read_bytes() == shipped.read_bytes()
    schema = json_schema()
    assert schema["properties"]["schema_version"]["const"] == 3
    assert set(schema["properties"]["rows"]["items"]["discriminator"]["mapping"]) == {"measured", "published"}
    assert all(part.get("additionalProperties") is not True for part in schema["$defs"].values())


@given(st.decimals(min_value=0, max_value=100, places=4), st.integers(0, 3))
def test_a_number_rounds_to_what_decimal_rounds_it_to(value: Decimal, places: int) -> None:
    printed = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    assert rounds_to(float(value), str(printed))
    assert not rounds_to(float(value), str(printed + Decimal(2).scaleb(-places)))


@pytest.mark.parametrize(
    ("overhead", "printed", "agrees"),
    [(10.34, "10.3", True), (10.36, "10.3", False), (None, "1", None), (1, None, None)],
)
def test_an_overhead_agrees_where_both_are_known(
    overhead: float | None, printed: str | None, agrees: bool | None
) -> None:
    assert Printed.beside(0.5, overhead, "50.0", printed).overhead_agrees is agrees
