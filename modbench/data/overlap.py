"""When two problems are the same problem: the comparison behind every audit of training text against test sets."""

from __future__ import annotations

from collections.abc import Iterable


def normalized(text: str) -> str:
    """`text` in lower case, letters and digits only: the form in which problems are compared for equality."""
    return "".join(filter(str.isalnum, text.lower()))


def problem_index(texts: Iterable[str]) -> set[str]:
    """The problems in `texts`, normalized; a text without a letter or digit is no problem."""
    return {normalized(text) for text in texts} - {""}
