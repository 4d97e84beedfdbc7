"""The one exception of modbench that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ModbenchError(Exception):
    """Bad usage or bad input, said in one line that names the thing and the remedy; the command exits with 2."""


def reason(error: BaseException) -> str:
    """What `error` says, in one line: its message without line breaks, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def unknown(kind: str, name: str, known: Iterable[str]) -> ModbenchError:
    """The error for a `name` that is not among the `known` ones of its `kind`, with the nearest names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
    return ModbenchError(f"unknown {kind} {name!r}: {hint}")
