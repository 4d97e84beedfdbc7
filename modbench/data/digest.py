"""One digest for problems and examples that are generated or selected, not files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence


def digest(rows: Iterable[Sequence[str]]) -> str:
    """SHA-256, in hex, over `rows` of texts, in their order."""
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps(list(row)).encode() + b"\n")
    return total.hexdigest()
