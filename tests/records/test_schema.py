from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from modbench.records import Parameters, Record, Sample, TaskResult, identity_digest, utc_now

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_digest_depends_on_contents_only(identity: dict[str, Any]) -> None:
    shuffled = dict(reversed(identity.items()))
    assert identity_digest(identity) == identity_digest(shuffled) == identity_digest(json.loads(json.dumps(identity)))
    assert identity_digest(identity) != identity_digest({"only this": identity})


def test_digest_of_what_json_changes() -> None:
    assert identity_digest({"layers": (1, 2), "at": {10: "a", 2: "b"}}) == identity_digest(
        {"at": {"2": "b", "10": "a"}, "layers": [1, 2]}
    )
    for odd in (float("nan"), object()):
        with pytest.raises(ValueError):
            identity_digest({"odd": odd})


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_results_follow_from_counts(counts: tuple[int, int]) -> None:
    n, correct = counts
    result = TaskResult.from_counts(n, correct)
    assert result.accuracy == correct / n
    assert TaskResult.model_validate_json(result.model_dump_json()) == result
    with pytest.raises(ValidationError, match="accuracy"):
        TaskResult(**result.model_dump() | {"accuracy": result.accuracy + 0.01})
    with pytest.raises(ValidationError, match="stderr"):
        TaskResult(**result.model_dump() | {"stderr": None if result.stderr is not None else 0.1})


@pytest.mark.parametrize("counts", [(0, 0, 0), (2, 3, 0), (2, 1, 3), (4, 2, 2, 1), (1, 1, 0, 0, {"exact_match": 1.5})])
def test_impossible_results_are_refused(counts: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError):
        TaskResult.from_counts(*counts)


def test_parameters_add_up() -> None:
    with pytest.raises(ValidationError, match="total 4"):
        Parameters(lora=1, norms=1, router=1, total=4, overhead_percent=None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"identity_digest": "0" * 64}, "digest"),
        ({"gates": [1.0]}, "1 gates for 3 late layers"),
        ({"gates": [float("nan"), 0.5, 0.5]}, "finite"),
        ({"tasks": {}}, "no task"),
        ({"tasks": {"../escape": TaskResult.from_counts(1, 1)}}, "pattern"),
        ({"suite": "a/b"}, "pattern"),
        ({"created": "2025-01-02T03:04:05"}, "UTC"),
        ({"created": "2025-01-02T03:04:05+01:00"}, "UTC"),
        ({"recipe": {"rate": float("inf")}}, "JSON"),
        ({"recipe": {"rate": object()}}, "JSON"),
        ({"schema_version": 1}, "schema_version"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_wrong_records_are_refused(make_record: Callable[..., Record], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_record(**fields)


def test_now_is_a_time_for_a_record(make_record: Callable[..., Record]) -> None:
    make_record(created=utc_now())


def test_a_sample_is_correct_by_its_accuracy(make_sample: Callable[..., Sample]) -> None:
    assert make_sample(0, True).correct
    assert not make_sample(0, False).correct
    with pytest.raises(ValidationError, match="acc"):
        Sample(**make_sample(0, True).model_dump() | {"metrics": {"f1": 1.0}})
    for outcome, correct in (("wrong", True), ("correct", False), ("no_answer", True), ("unreadable", True)):
        with pytest.raises(ValidationError, match=f"outcome '{outcome}'"):
            Sample(**make_sample(0, correct).model_dump() | {"outcome": outcome})
