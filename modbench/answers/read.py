"""A number as it is written: from a place in a text to an exact rational.

Read are `1,234.50`, `$29.00`, `75%`, `3/4`, `1 3/4`, `-5`, `.5`, `1e3`, `2 * 10^3`, `1.5 million`, `2 dozen`,
`3 and a half`, units glued or not (`29kg`, `29 dollars`), and what `plain` makes of other digits, signs and LaTeX.
A decimal is what its digits say: `0.1` is 1/10.

A comma or a no-break space separates groups of three digits (or the Indian 2, 2, 3: `1,00,000`); a plain space does so
only where the answer stands (`1 000`), behind an equals sign, and before groups of zeros (`1 000 000`):
elsewhere in running text it separates numbers (`on day 3 100 people`).

Not guessed, hence `UNREADABLE`: a comma that does not separate thousands (`1,5` is 3/2 to some and a list to others), a
fraction over zero, `10k` and `2.5M` without a currency (thousand, kilometre or a variable), what touches more digits
(`1'000`, `0x1F`, `2x3`, `1e3e4`), and what is beyond the limits: `MAX_DIGITS` digits in what is written or would be
printed (`1e999999999` is never computed). Left alone, hence `APART`: times and ratios (`3:30`, `2:1`), dates
(`1/2/2024`, `2024-01-02`) and versions (`1.2.3`); they are no numbers, and no part of them is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from modbench.answers.words import MULTIPLES, words_at

MAX_DIGITS = 400
"""The longest number that is read or printed, in characters."""


class Refused(Enum):
    """Why digits are no number."""

    UNREADABLE = "unreadable"
    APART = "apart"


UNREADABLE = Refused.UNREADABLE
APART = Refused.APART


class Number(NamedTuple):
    """A number that was read.

    `value` is exact. `places` counts the decimals as they were printed (2 for `1.50`, 0 for `5`, None for a fraction).
    `percent` says whether a percent sign (or the word) stood behind it; the value of `75%` is 75. `scale` is the word
    that the value was multiplied by (`dozen` in `2 dozen`, whose value is 24), if any.
    """

    value: Fraction
    places: int | None
    percent: bool = False
    scale: str = ""

    def __str__(self) -> str:
        """The canonical text, from which the same value is read: `42`, `-12.5`, `3/4`, `75%`."""
        written = str(self.value) if self.places is None or self.value.denominator == 1 else self._decimal(self.places)
        return written + "%" * self.percent

    def _decimal(self, places: int) -> str:
        digits = str(abs(self.value.numerator) * 10**places // self.value.denominator).rjust(places + 1, "0")
        return "-" * (self.value < 0) + f"{digits[:-places]}.{digits[-places:]}".rstrip("0")


class Token(NamedTuple):
    """What stands from `start` to `end` of a text, with what was read there."""

    start: int
    end: int
    number: Number | Refused

    def negated(self) -> Token:
        """The same place with the opposite number."""
        number = self.number
        return self._replace(number=number._replace(value=-number.value) if isinstance(number, Number) else number)


NUMERAL = r"(?:\d+|(?<![\w.])(?=\.\d))(?:[,.\u00a0]\d+)*"
CURRENCY = r"(?:(?:US|A|C|NZ|HK)?\$|[£€¥₹]|(?:Rs|INR|USD|EUR|GBP)\b\.?)\s?"
HEAD = re.compile(
    rf"(?P<sign>(?<![\w)\]%.-])[-+])?(?:(?P<currency>{CURRENCY})(?P<inner>[-+])?|(?<![A-Za-z_\d]))(?P<numeral>{NUMERAL})"
)
SIGNS_BEFORE = re.compile(rf"(?<![A-Za-z])(?:[-+]?{CURRENCY}[-+]?\.?|[-+]\.?|\.)\Z")
OPERATION = re.compile(r"[\d)%][-+]")
DIGIT = re.compile(r"\d")
GLUED = re.compile(r"\w+")
TAIL = re.compile(
    rf"""
    (?P<apart> (?::\d+)+ | \s:\s\d+ | (?P<separator>[-/])\d{{1,4}}(?P=separator)\d{{1,4}}(?!\d) )
    |
    (?P<glued> (?:'\d+)+(?:\.\d+)? | (?:x[\da-f]++)+(?!\w|\s?(?:\^|\*\*)) | e[-+]?\d++(?:\w|[.,]\d)[\w.,]*(?<=\w) )
    |
    (?: e(?P<exponent>[-+]?\d+)(?!\w|[.,]\d)
      | \s{{0,2}}[*x]\s{{0,2}}10\s?(?:\^|\*\*)\s?(?P<power>[-+]?\d+)
      | \s?(?:\^|\*\*)\s?(?P<of_ten>[-+]?\d+)
      | \s{{1,2}}(?P<numerator>\d+)\s?/\s?(?P<under>\d+)(?![\d/]|[.,]\d)
      | \s{{0,2}}/\s{{0,2}}(?P<divisor>{NUMERAL})
      | \sand\s(?P<part>half|(?:a|one|two|three)[\s-](?:half|third|quarter|fourth)s?)\b
    )?
    (?:[\s-]?(?P<scale>hundred|thousand|million|billion|trillion|dozen)s?\b)?
    (?P<letter>(?-i:[kKMB])(?!\w))?
    (?P<percent>\s?(?:%|percent\b|per\scent\b))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
WRITTEN = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?")
NOTHING_FOLLOWS = frozenset(("", "\n", ",", ";", "!", "?", ")", "<", "]"))
GROUPS = re.compile(r"[1-9]\d{0,2}(?:(?:,\d{3})+|(?:,\d\d)+,\d{3}|(?:\u00a0\d{3})+)(?:\.\d+)?")
SPACED = re.compile(r"[1-9]\d{0,2}(?: \d{3})+(?![\d:/]|\s{1,2}/)")
IN_GROUPS = re.compile(
    r"(?:(?<==)|(?<== )|(?<==[$£€])|(?<== [$£€]))[1-9]\d{0,2}(?: \d{3})+(?![\d:/]|\s{1,2}/)"
    r"|(?<![\d.,])[1-9]\d{0,2}(?: 000)+(?![\d:/])"
)
LETTERS = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}


def number_at(text: str, start: int, spaced: bool = False) -> Token | None:
    """The number in digits that begins at `start` of a `plain` text; None if there is none.

    `spaced` says that this is where the answer stands, so that a plain space may separate groups of three digits.
    """
    head = HEAD.match(text, start)
    if head is None:
        return None
    if spaced and (groups := SPACED.match(text, head.start("numeral"))):
        text = text[: groups.start()] + groups[0].replace(" ", "\u00a0") + text[groups.end() :]
        return number_at(text, start)
    return _finished(text, head)


def numbers(text: str) -> Iterator[Token]:
    """All numbers in digits of a `plain` text, in order; digits glued behind letters (`answer3`) are none."""
    text = IN_GROUPS.sub(lambda groups: groups[0].replace(" ", "\u00a0"), text)
    position = 0
    while digit := DIGIT.search(text, position):
        start = digit.start()
        before = SIGNS_BEFORE.search(text, max(position, start - 8), start)
        head = HEAD.match(text, before.start() if before else start)
        if head is None and before and OPERATION.match(text, before.start() - 1):  # 5-3
            head = HEAD.match(text, before.start() + 1)
        if head is None:
            position = GLUED.match(text, start).end()  # type: ignore[union-attr]
            continue
        token = _finished(text, head)
        yield token
        position = token.end


def _finished(text: str, head: re.Match[str]) -> Token:
    """The number that `head` begins, with the exponent, fraction, scale or percent sign that follows."""
    start, end = head.span()
    simple = _decimal(head["numeral"])
    if "-" in (head["sign"], head["inner"]) and isinstance(simple, Number):
        simple = Number(-simple.value, simple.places)
    if text[end : end + 1] in NOTHING_FOLLOWS:
        return Token(start, end, simple)
    tail = TAIL.match(text, end)
    if tail is None or tail.end() == end:
        return Token(start, end, simple)
    if tail["apart"]:
        return Token(start, tail.end(), APART)
    if tail["glued"] or (tail["letter"] and not head["currency"]):
        return Token(start, tail.end(), UNREADABLE)
    if tail["of_ten"] and head["numeral"] != "10":
        return Token(start, end, simple)
    return Token(start, tail.end(), _with_tail(simple, tail))


def written(text: str) -> Number | None:
    """The number that an integer or a decimal without any decoration stands for, None for any other text."""
    match = WRITTEN.fullmatch(text)
    if match is None:
        return None
    sign, whole, decimals = match.group(1, 2, 3)
    places = len(decimals) if decimals else 0
    return Number(Fraction(int(sign + whole + (decimals or "")), 10**places), places)


def _decimal(numeral: str) -> Number | Refused:
    """A numeral without a sign; its commas have to separate groups."""
    if len(numeral) > MAX_DIGITS:
        return UNREADABLE
    if numeral.isdigit():
        return Number(Fraction(int(numeral)), 0)
    if not numeral.replace(".", "", 1).isdigit():
        if not GROUPS.fullmatch(numeral):
            return APART if numeral.replace(".", "").isdigit() else UNREADABLE
        numeral = numeral.replace(",", "").replace("\u00a0", "")
    whole, _, decimals = numeral.partition(".")
    return Number(Fraction(int(whole + decimals), 10 ** len(decimals)), len(decimals))


def _with_tail(number: Number | Refused, tail: re.Match[str]) -> Number | Refused:
    if not isinstance(number, Number):
        return number
    value, places = number.value, number.places or 0
    shift = tail["exponent"] or tail["power"] or tail["of_ten"]
    exact_places: int | None = places
    if shift:
        if len(shift) > 4 or abs(int(shift)) > MAX_DIGITS:
            return UNREADABLE
        # 10^3 has its ten in the numeral already.
        power = int(shift) - bool(tail["of_ten"])
        value, exact_places = value * Fraction(10) ** power, max(0, places - power)
    elif tail["numerator"] or tail["divisor"]:
        under = _decimal(tail["under"] or tail["divisor"])
        over = _decimal(tail["numerator"]) if tail["numerator"] else None
        if not isinstance(under, Number) or not under.value or over is UNREADABLE:
            return UNREADABLE
        value = _added(value, over.value / under.value) if isinstance(over, Number) else value / under.value
        exact_places = None
    elif tail["part"]:
        part = words_at(tail["part"], 0)
        value, exact_places = _added(value, part.value if part else Fraction(0)), None
    scale = tail["scale"].lower() if tail["scale"] else ""
    multiple = MULTIPLES.get(scale, 1)
    if tail["letter"]:
        multiple *= LETTERS[tail["letter"]]
    result = Number(value * multiple, exact_places, bool(tail["percent"]), scale)
    return result if len(str(result)) <= MAX_DIGITS else UNREADABLE


def _added(whole: Fraction, part: Fraction) -> Fraction:
    """A mixed number: the part has the sign of the whole."""
    return whole - part if whole < 0 else whole + part
