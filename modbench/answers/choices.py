"""Which choice a response settles on.

The places are those of `find`. At such a place a choice is named by its label (see `labels`), by its text, or by a
number that is equal to exactly one choice's text: `$23.65` is "23.65".

Where no answer is stated, what counts is the label that the response begins with (`B. Because …`), else the last label
that is named, else a choice whose text is the only one in the last line, else the choice whose text is the last number.
A label behind "not" is denied; of labels in a row ("A or B", "true/false") none is chosen, and a
response that begins or ends with them is unreadable; a response that names each
of three or more labels has only listed them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from modbench.answers.compare import equal
from modbench.answers.find import Kind, Statement, box, segments, sentence_end, settled, skip_space
from modbench.answers.labels import Labels, read_labels
from modbench.answers.plain import plain, visible
from modbench.answers.read import Number
from modbench.answers.settle import Reading, first_number, last_number, stated_in

AMBIGUOUS: Final = "\0several"
"""In place of a label: the response states several choices at once."""

WINDOW: Final = 500
TAIL: Final = 8_000
LINE: Final = 1_000

LEAD = re.compile(
    r"""(?:[\s:=*_"'“‘`>$|,]|-\s
    |(?:therefore|thus|then|indeed|clearly|definitely|probably|likely|most|obviously|simply|that|indicated\ by
    |either|between|both)\b)*""",
    re.VERBOSE | re.IGNORECASE,
)
NO_MORE_NUMBERS = re.compile(r"[^\d<>=+*/^]*\Z")
EDGES: Final = " \t\r\n.,;:!?*_\"'`()[]$“”‘’"


def extract_choice(text: str, labels: Sequence[str] | Mapping[str, str]) -> str | None:
    """The label that `text` settles on, None if there is none or if there are several.

    `labels` are the labels, or a mapping from each to its choice's text (empty if it has none).
    """
    label = settle_choice(text, labels)
    return None if label == AMBIGUOUS else label


def settle_choice(text: str, labels: Sequence[str] | Mapping[str, str]) -> str | None:
    """As `extract_choice`, but `AMBIGUOUS` where the response states several choices at once."""
    if not labels:
        return None
    choices = Choices(read_labels(tuple(labels)), labels if isinstance(labels, Mapping) else {})
    text = visible(text)
    for start, end in segments(text):
        label = choices.of_segment(text, start, end)
        if label is not None:
            return label
    return None


class Choices:
    """The choices of one question: their labels, and the texts of those that have one."""

    def __init__(self, labels: Labels, texts: Mapping[str, str]) -> None:
        self.labels = labels
        self.texts = {
            label: folded for label, text in texts.items() if (folded := _folded(text)) and folded != label.casefold()
        }

    def of_segment(self, text: str, start: int, end: int) -> str | None:
        """The label that `text[start:end]`, in which no new question begins, settles on."""
        label, denied = settled(text, start, end, lambda statement: self.stated(text, statement, end), AMBIGUOUS)
        if label is None and denied:
            end = denied[0][0]
        return label or self.unstated(text, start, end)

    def stated(self, text: str, statement: Statement, end: int) -> str | None:
        """The label that stands where `statement` says, None if none does."""
        if statement.kind is Kind.BOX:
            content = box(text, statement.value, end)
            if content is None:
                return None
            window, cut = plain(content).strip(), False
        else:
            start = skip_space(text, statement.value, end)
            window, cut = plain(text[start : min(end, start + WINDOW)]), start + WINDOW < end
        begin = LEAD.match(window).end()  # type: ignore[union-attr]
        if match := self.labels.stated.match(window, begin):
            return AMBIGUOUS if self.labels.joins(window, match) else self.labels.of(match[0])
        if statement.kind is not Kind.HEADING:
            named = set(self.labels.named_in(window, begin, sentence_end(window, begin, min(len(window), WINDOW))))
            if len(named) == 1:
                return named.pop()
        by_content = self.by_text(window) or self.by_number(stated_in(window, statement.kind, cut))
        number = None if by_content else self.labels.number.match(window, begin)
        return self.labels.of(number[0]) if number else by_content

    def unstated(self, text: str, start: int, end: int) -> str | None:
        """The label that `text[start:end]` settles on without a statement of the answer."""
        named = self.labels.named_in(text, max(start, end - TAIL), end)
        lists = len(set(named)) == self.labels.count >= 3
        begin = skip_space(text, start, end)
        begin = LEAD.match(text, begin, min(end, begin + LINE)).end()  # type: ignore[union-attr]
        leading = self.labels.leading.match(text, begin, min(end, begin + LINE))
        if leading and not lists and not self.labels.joins(text, leading) and not self.labels.denies(text, leading):
            return self.labels.of(leading[0])
        if named and not lists:
            return named[-1]
        by_content = self.in_last_line(text, start, end) or self.by_number(last_number(text, start, end))
        return by_content or (AMBIGUOUS if self.labels.several(text, begin, end) else None)

    def by_text(self, window: str) -> str | None:
        """The choice whose text `window` begins with, the longest if there are several."""
        if not self.texts:
            return None
        folded = _folded(window[:LINE])
        fitting = [label for label, text in self.texts.items() if _begins(folded, text)]
        longest = max((len(self.texts[label]) for label in fitting), default=0)
        return _only([label for label in fitting if len(self.texts[label]) == longest])

    def in_last_line(self, text: str, start: int, end: int) -> str | None:
        """The only choice whose text stands in the last line, other than in a longer choice's text."""
        if not self.texts:
            return None
        line = _folded(text[max(start, end - LINE) : end].strip().rpartition("\n")[2])
        found = {
            label: text for label, text in self.texts.items() if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", line)
        }
        return _only([label for label, text in found.items() if sum(text in other for other in found.values()) == 1])

    def by_number(self, number: Reading) -> str | None:
        """The only choice whose text is this number: exactly, or else rounded as `compare` allows."""
        if not self.texts or not isinstance(number, Number):
            return None
        values = [(label, value) for label, text in self.texts.items() if (value := _value(text))]
        exact = [label for label, value in values if value.value == number.value]
        return _only(exact or [label for label, value in values if equal(number, value)])


def _only(labels: list[str]) -> str | None:
    return labels[0] if len(labels) == 1 else None


def _begins(folded: str, text: str) -> bool:
    """Whether `folded` begins with `text`, and not in the midst of a word or number."""
    if not folded.startswith(text):
        return False
    following = folded[len(text) : len(text) + 2]
    return not following[:1].isalnum() and not (following[:1] in ".," and following[1:].isdigit())


@lru_cache(maxsize=4096)
def _value(text: str) -> Number | None:
    """The number that a choice's text is, units aside: `2.25 miles`; None for other texts, such as `2 < x < 5`."""
    text = plain(text)
    token = first_number(text)
    if token is None or not isinstance(token.number, Number) or not NO_MORE_NUMBERS.match(text, token.end):
        return None
    return token.number


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(EDGES)
