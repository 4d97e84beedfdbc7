"""How the labels of choices are written: `(C)`, `C.`, `**C**`, `answer3`, "Answer 3", "option 2", "True".

A number stands for the label that ends in it. A bare `A` or `I` is an article or a pronoun unless a sign, the end or a
word such as "because" follows, so that "A store" names nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

KIND: Final = r"\b(?i:option|choice|answer|solution|ending|statement|number|letter|no\.)"
NOT_IN_WORD: Final = r"(?![\w'’]|-\w)"
ARTICLE_ENDS: Final = r"(?=\s*(?:[.),:;*\"'\]}!?$]|\Z|\n|(?:because|since|as|is|which|and|or)\b))"
NEVER: Final = r"(?!)"
RIGHT: Final = r"(?i:correct|right|(?:correct|right|best)\s(?:answer|option|choice|one))\b"
BEST: Final = r"\b(?i:correct|right|best)\s(?i:answer|option|choice|one)"
SMALL_ENDS: Final = r"(?=\s*(?:[.)\]}*\"$]|\Z|\n))"
JOIN: Final = r"[)\]]?\s?(?:,|/|&|\bor\b|\band\b)\s?(?:or\s|and\s)?"
ROW: Final = (
    r"(?<![\w'’-])(?P<first>{0})[)\]]?(?:\s?[,/]\s?(?:{0})[)\]]?){{0,8}}"
    r"(?:\s?[/&]\s?|,?\s(?:or|and)\s)(?P<last>{0})[)\]]?"
)
NEGATED = re.compile(r"(?:\bnot|n't|n’t|\bnever|\bneither|\bnor)\s(?:\w+\s){0,2}?[(\[*\"'`]{0,3}$", re.IGNORECASE)

REFUTED = re.compile(
    r"[)\]*.:]{0,3}\s(?:is|are|was|would be|can(?:no|')t be)\s(?:\w+\s)?(?:wrong|incorrect|not|false)\b", re.IGNORECASE
)

ALNUM = re.compile(r"\w")
ROW_WINDOW: Final = 200


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one set of choices.

    `stated` matches a label where the answer stands, `leading` where a response begins, `named` anywhere; `joined`
    matches another label in a row with one, `row` such a row ("A, B or C"), `number` a number alone that stands for a
    label. `endings` are the texts that the written forms end in, longest first, with their labels; `count` is how many
    labels there are.
    """

    stated: re.Pattern[str]
    leading: re.Pattern[str]
    named: re.Pattern[str]
    joined: re.Pattern[str]
    row: re.Pattern[str]
    number: re.Pattern[str]
    endings: tuple[tuple[str, str], ...]
    count: int

    def of(self, written: str) -> str:
        """The label that a match of one of the patterns names."""
        letters = _folded(written)
        return next(label for ending, label in self.endings if letters.endswith(ending))

    def joins(self, text: str, match: re.Match[str]) -> bool:
        """Whether a different label stands in a row with `match`: "A or B", "true/false"."""
        other = self.joined.match(text, match.end())
        return other is not None and self.of(other[0]) != self.of(match[0])

    def denies(self, text: str, match: re.Match[str]) -> bool:
        """Whether the label of `match` is named only to be refused: "not B", "(A) is wrong"."""
        before = NEGATED.search(text, max(0, match.start() - 30), match.start())
        return bool(before or REFUTED.match(text, match.end()))

    def several(self, text: str, begin: int, end: int) -> bool:
        """Whether `text[begin:end]` begins or ends with a row of different labels, none of them denied."""
        rows = (self.row.match(text, begin, end), self.last_row(text, begin, end))
        return any(row and self.of(row["first"]) != self.of(row["last"]) and not self.denies(text, row) for row in rows)

    def last_row(self, text: str, begin: int, end: int) -> re.Match[str] | None:
        """The row of labels that ends `text[begin:end]`."""
        rows = self.row.finditer(text, max(begin, end - ROW_WINDOW), end)
        return next((row for row in rows if not ALNUM.search(text, row.end(), end)), None)

    def named_in(self, text: str, start: int, end: int) -> list[str]:
        """The labels that are named in `text[start:end]`, in order, without those denied or listed in a row."""
        found: list[str] = []
        rows = [
            row.span() for row in self.row.finditer(text, start, end) if self.of(row["first"]) != self.of(row["last"])
        ]
        listed_to = start
        for match in self.named.finditer(text, start, end):
            if self.joins(text, match):
                listed_to = match.end() + 8
            elif any(begin <= match.start() < stop for begin, stop in rows):
                continue
            elif match.start() >= listed_to and not self.denies(text, match):
                found.append(self.of(match[0]))
        return found


@lru_cache(maxsize=256)
def read_labels(labels: tuple[str, ...]) -> Labels:
    """The patterns of these labels: single letters, or words with or without a number."""
    endings = {_folded(label): label for label in labels}
    number = NEVER
    if all(len(label) == 1 and label.isalpha() and label.isascii() for label in labels):
        stated, leading, named, joined = _of_letters("".join(labels))
    else:
        name = "|".join(_spelled(label) for label in sorted(labels, key=len, reverse=True))
        joined = rf"(?i:{name})(?!\w)"
        stated = leading = named = rf"(?<![\w/]){joined}"
        if numbers := {ending[0]: label for label in labels if (ending := re.search(r"\d+\Z", label))}:
            endings = numbers | endings
            number = "|".join(sorted(numbers, key=len, reverse=True))
            stated = leading = named = rf"{named}|{KIND}\s?[#(]?\s?(?:{number})(?!\w|[.,]\d)"
            number = rf"[(\[]?(?:{number})(?=[.)\]*]|\s*\Z|\s*\n)"
        elif endings.keys() == {"true", "false"}:
            endings |= {"yes": endings["true"], "no": endings["false"]}
            stated = leading = rf"{named}|(?i:yes|no)\b(?=[.,!;*]|\s*\Z|\s*\n)"
    return Labels(
        stated=re.compile(stated),
        leading=re.compile(leading),
        named=re.compile(named),
        joined=re.compile(f"{JOIN}(?:{joined})"),
        row=re.compile(ROW.format(joined)),
        number=re.compile(number),
        endings=tuple(sorted(endings.items(), key=lambda item: -len(item[0]))),
        count=len(labels),
    )


def _of_letters(letters: str) -> tuple[str, str, str, str]:
    upper, lower = letters.upper(), letters.lower()
    enclosed = rf"[(\[]\s?[{upper}{lower}]\s?[)\]]"
    of_kind = rf"{KIND}\s{{1,2}}[(\[*]{{0,3}}[{upper}]{NOT_IN_WORD}"
    bare = rf"(?![AI])[{upper}]{NOT_IN_WORD}|[{upper}]{ARTICLE_ENDS}|[{lower}]{SMALL_ENDS}"
    stated = rf"{enclosed}|{of_kind}|[(\[*]{{0,3}}(?:{bare})"
    leading = rf"{enclosed}|{of_kind}|[{upper}](?:[).:]|\s*\Z|\s*\n|\s-\s)|[{lower}](?:\)|\W*\Z)"
    right = rf"(?<![\w'’-])[{upper}](?=\s(?:is|would\sbe)\s(?:the\s)?{RIGHT})"
    judged = rf"{right}|{BEST}\s(?:is|would\sbe)\s[(*]{{0,3}}[{upper}]{NOT_IN_WORD}"
    named = rf"{enclosed}|{of_kind}|{judged}|(?<![\w'’-])[{upper}](?=\W*\Z)"
    return stated, leading, named, rf"[(\[]?[{upper}]\b"


def _spelled(label: str) -> str:
    """A label's pattern, in which a number may stand apart from its word: `answer3`, `answer 3`."""
    parts = re.fullmatch(r"([^\W\d]+)(\d+)", label)
    return rf"{parts[1]}\s?{parts[2]}" if parts else re.escape(label)


def _folded(text: str) -> str:
    """The letters and digits of `text` alone, caseless."""
    return "".join(character for character in text.casefold() if character.isalnum()) or text
