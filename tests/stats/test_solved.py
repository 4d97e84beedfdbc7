from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modbench.stats.overlap import Overlap
from modbench.stats.solved import codes, intersections, overlaps, pack, unpack

matrices = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 40)))


@given(st.lists(st.booleans(), max_size=70))
def test_packed_verdicts_come_back(verdicts: list[bool]) -> None:
    assert unpack(pack(verdicts), len(verdicts)).tolist() == verdicts


@pytest.mark.parametrize(("text", "n"), [("!!", 8), (pack([True] * 9), 8), (pack([True] * 8), 7), ("", 1), ("gA", 1)])
def test_other_text_is_refused(text: str, n: int) -> None:
    with pytest.raises(ValueError, match="packed verdicts"):
        unpack(text, n)


@given(matrices)
def test_overlaps_and_intersections_are_those_of_sets(solved: np.ndarray) -> None:
    sets = [set(np.flatnonzero(row)) for row in solved]
    everything = set(range(solved.shape[1]))
    for (i, j), found in overlaps(solved).items():
        a, b = sets[i], sets[j]
        assert found == Overlap(len(a & b), len(a - b), len(b - a), len(everything - a - b))
    bars = intersections(solved)
    for members, count in bars.items():
        inside = everything.intersection(*(sets[i] for i in members))
        assert count == len(inside.difference(*(sets[i] for i in range(len(sets)) if i not in members)))
    assert sum(bars.values()) == solved.shape[1]
    assert list(bars.values()) == sorted(bars.values(), reverse=True)
    assert list(intersections(solved, 2).items()) == list(bars.items())[:2]


def test_one_bit_per_method() -> None:
    assert codes(np.eye(64, dtype=bool)).tolist() == [1 << i for i in range(64)]
    with pytest.raises(ValueError, match="at most 64"):
        codes(np.zeros((65, 1), dtype=bool))
