from __future__ import annotations

from collections.abc import Callable

from modbench.comparison.outcomes import TaskOutcomes, document_keys
from modbench.records import Sample


def test_repeated_problems_are_told_apart_by_their_order(make_sample: Callable[..., Sample]) -> None:
    answers = [make_sample(2, True, "twice"), make_sample(0, False, "twice"), make_sample(1, True, "once")]
    keys = document_keys(answers)
    assert keys == ["twice#1", "twice", "once"]
    found = TaskOutcomes.of(keys, [sample.correct for sample in answers])
    assert dict(zip(found.keys or (), found.correct.tolist(), strict=True)) == {
        "twice": False,
        "once": True,
        "twice#1": True,
    }
