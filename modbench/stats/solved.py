"""Solved sets of many methods at once, as a matrix of verdicts: one row per method, one column per document."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from modbench.stats.overlap import Overlap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 64
"""How many methods the exclusive intersections can tell apart: one bit each of a machine word."""


def pack(verdicts: Sequence[bool] | NDArray[np.bool_]) -> str:
    """Verdicts as text: eight to a byte, the first in the highest bit, in base64."""
    import numpy as np

    return base64.b64encode(np.packbits(np.asarray(verdicts, dtype=bool)).tobytes()).decode("ascii")


def unpack(text: str, n: int, what: str = "packed verdicts") -> NDArray[np.bool_]:
    """The `n` verdicts that `pack` wrote; raises ValueError, which calls them `what`, if `text` is not exactly that."""
    import numpy as np

    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except ValueError:  # binascii's own among them
        raise ValueError(f"{what} are not base64") from None
    bits = np.unpackbits(data)
    if len(data) != (n + 7) // 8 or bits[n:].any():
        raise ValueError(f"{what} hold {len(bits)} bits, not the {n} of the documents, filled up with zeros")
    return bits[:n].astype(bool)


def overlaps(solved: NDArray[np.bool_]) -> dict[tuple[int, int], Overlap]:
    """The overlap of each two rows i < j of `solved`, of shape (methods, documents)."""
    import numpy as np

    # Counts below 2**53 are exact in float64, where a matrix product is fast.
    dense: NDArray[np.float64] = solved.astype(np.float64)
    both = (dense @ dense.T).astype(int)
    found = {}
    for i, j in combinations(range(len(solved)), 2):
        only_a, only_b = int(both[i, i] - both[i, j]), int(both[j, j] - both[i, j])
        found[i, j] = Overlap(int(both[i, j]), only_a, only_b, solved.shape[1] - int(both[i, j]) - only_a - only_b)
    return found


def codes(solved: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """For each document who solves it: bit i is set where row i does. Raises ValueError for over `MOST` rows."""
    import numpy as np

    if len(solved) > MOST:
        raise ValueError(f"{len(solved)} methods: exclusive intersections are for at most {MOST}")
    found = np.zeros(solved.shape[1], dtype=np.uint64)
    for i, row in enumerate(solved):
        found |= row.astype(np.uint64) << np.uint64(i)
    return found


def intersections(solved: NDArray[np.bool_], most: int | None = None) -> dict[tuple[int, ...], int]:
    """How many documents exactly the rows of each key solve, and nobody else, the largest `most` (None: all) first.

    These are the bars of an UpSet plot; the key () counts what no method solves. Keys that count none are left out.
    """
    import numpy as np

    found, counts = np.unique(codes(solved), return_counts=True)
    order = np.lexsort((found, -counts))[:most]
    return {tuple(i for i in range(len(solved)) if int(found[place]) >> i & 1): int(counts[place]) for place in order}
