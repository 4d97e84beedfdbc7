"""Which number a response settles on.

Where an answer is stated (see `find`), it is
- the number that stands there, behind words such as "about" or "x =": `$29.00 for 2 items` is 29;
- of an equation that begins there, the side behind the last `=` (`3 + 4 = 7`), or the first side if only that is a
  single number (`7 = 3 + 4`);
- where words come first, the last number of the sentence: `the sum of 3 and 4, which is 7`. This is for "the answer is"
  and boxes; `####` and headings count only with a number, and a heading only with the end of the sentence close behind,
  since `A: 5 people ate 3 slices each, so …` begins a solution.

Several numbers are no single answer, hence `UNREADABLE`: `5 or 6`, `1, 2, 3`, `3 hours and 20 minutes` (but of `6
pieces, or 15 ounces` the restatement counts). So are an expression whose value is not stated (`9**9**9`, `20% of 80`),
what is irrational (`2\\sqrt{3}`), and a time or a ratio.

Where nothing is stated, the last number of the segment counts, times, ratios and dates left alone. It is `UNREADABLE`
if it is a part of an expression or a range, as where a response was cut off at `15 + 7`, in `10-12 hours` and in
`between 5 and 6`. Number words count where there is no
digit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from modbench.answers.find import Kind, Span, Statement, box, segments, sentence_end, settled, skip_space
from modbench.answers.plain import plain, visible
from modbench.answers.read import APART, MAX_DIGITS, UNREADABLE, Number, Refused, Token, number_at, numbers
from modbench.answers.words import is_pronoun, last_words, words_at

WINDOW: Final = 500
LOOK_BACK: Final = (40, 2000)
LOOK_AHEAD: Final = 60
CONTEXT: Final = 24
ALTERNATIVES: Final = 40
FOREIGN_TAIL: Final = 20_000
FOREIGN_PART: Final = 500
PROSE: Final = 120

LEAD = re.compile(
    r"""(?:
      [\s:=~"'`(\[*_>|,]
    | \$(?=\s|\$)                                        # a LaTeX delimiter; a currency sign belongs to the number
    | (?:\n|^)-\s                                        # an item of a list
    | (?:about|approximately|approx\.?|around|roughly|exactly|only|just|simply|nearly|almost|equal\ to|equals?
        |a\ total\ of|an?\ average\ of|that|therefore|now|thus|also|then|indeed|clearly|given\ by|obviously
        |either|between)\b
    | \$?\s?[A-Za-z]\w{0,15}\s?=(?!=)                    # x = 5
    )*""",
    re.VERBOSE | re.IGNORECASE,
)
MINUS = re.compile(r"(?:minus|negative)\s(?=[$£€]?[\d.])", re.IGNORECASE)
DIGIT = re.compile(r"\d")
FOREIGN = re.compile(r"[^\D0-9]|[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒]")
PERCENT = re.compile(r"\s?(?:%|percent\b|per cent\b)", re.IGNORECASE)
OPERATOR = r"(?:\*\*|[-+*/=]|x(?=\s?\d))"
CONTINUES = re.compile(
    rf"\s?\^|[\s)\]$*\"]{{0,4}}(?:[A-Za-z]{{1,20}}\.?[\s)$]{{1,3}}){{0,3}}?(?:{OPERATOR}|\bof\b)\s{{0,3}}[-($]{{0,3}}(?:\d|\.\d)"
)
IRRATIONAL = re.compile(
    r"\s?(?:\\(?:pi|sqrt|log|ln|sin|cos|tan|frac)\b|[π√]|pi\b)|\.?\s?\\(?:overline|bar|dot)\b|\.\(\d"
)
"""What makes the number before it another one; `0.\\overline{3}` and `0.(3)` are rational, but not read."""
LIST = re.compile(
    r"""[A-Za-z]{0,10}(?:\s[A-Za-z]{1,20}){0,2}(?:,?\s(?:and|or)\s|\s?&\s?)[$£€]?(?!\d+\sof\b)\d   # 5 or 6
    | \sto\s[$£€]?\d[\d.,]*+(?!\s(?:decimal|place|sig|d\.?p))                      # 16 to 20
    | (?:,\s?[$£€]?\d[\d.]*+){1,9}\s?(?:[;\n)\]]|,?\s(?:and|or)\b|$)                  # 1, 2, 3""",
    re.VERBOSE,
)
RESTATED = re.compile(r"[^,.;\n]{0,80},\sor\s")
LISTED = re.compile(r"[.)]\s+[A-Za-z*]")
OPERAND = re.compile(
    r"(?:(?:[\d)%\]]|\d[a-z])\s*(?:\*\*|[*x/^+-])\s*[$(]{0,3}|[A-Za-z]\s+[*+/]\s+[$(]{0,3}"
    r"|(?:\\(?:sqrt|overline|bar|dot)|√)\s*[(\[]?|\d\.\()$"
)
ALTERNATIVE = re.compile(r"\b(?:either|between)\s[$£€]?\d[\d.,]*\s?(?:[A-Za-z%]+\s)?(?:or|and)\s$", re.IGNORECASE)
SUBTRAHEND = re.compile(r"[\d)]\s+$")
UNIT_POWER = re.compile(r"[A-Za-z]\s?\^\s?$")
HEADING_REST = 4
"""How many words may follow the number under a heading; more make it the first sentence of a solution."""

Reading = Number | Refused | None
"""What was read: a number, `UNREADABLE`, or None where there is nothing that could be an answer."""


def settle(text: str) -> Reading:
    """The number that `text` settles on; `text` may be any string."""
    text = visible(text)
    for start, end in segments(text):
        reading = _of_segment(text, start, end)
        if reading is not None:
            return reading
    return None


def _of_segment(text: str, start: int, end: int) -> Reading:
    def read(statement: Statement) -> Reading:
        return read_statement(text, statement, end)

    reading: Reading
    reading, denied = settled(text, start, end, read, UNREADABLE)
    return reading if reading is not None else last_number(text, start, end, denied)


def read_statement(text: str, statement: Statement, end: int) -> Reading:
    """The number that stands where `statement` says, None if none does."""
    if statement.kind is Kind.BOX:
        content = box(text, statement.value, end)
        return None if content is None else stated_in(plain(content), Kind.BOX, cut=False)
    start = skip_space(text, statement.value, end)
    window = plain(text[start : min(end, start + WINDOW)])
    return stated_in(window, statement.kind, cut=start + WINDOW < end)


def stated_in(window: str, kind: Kind, cut: bool) -> Reading:
    """The number that a `plain` window begins with, or states in its first sentence where `kind` allows for prose."""
    token = first_number(window)
    if token is None:
        return _in_prose(window, cut) if kind in (Kind.SAYS, Kind.BOX) else None
    continues = CONTINUES.match(window, token.end) is not None
    if kind is Kind.HEADING:
        rest = window[token.end : sentence_end(window, token.end, len(window))]
        if continues or len(rest.split()) > HEADING_REST:
            return None
    elif kind is Kind.HASH and LISTED.match(window, token.end):
        return None
    if cut and token.end == len(window):
        return UNREADABLE
    if continues:
        return _right_side(window, token)
    if IRRATIONAL.match(window, token.end):
        return UNREADABLE
    if LIST.match(window, token.end):
        again = RESTATED.match(window, token.end)
        return stated_in(window[again.end() :], kind, cut) if again else UNREADABLE
    return UNREADABLE if token.number is APART else token.number


def first_number(window: str) -> Token | None:
    """The number at the beginning of `window`, behind signs and words such as `about`; None if words come first."""
    start = LEAD.match(window).end()  # type: ignore[union-attr]
    minus = MINUS.match(window, start)
    if token := number_at(window, minus.end() if minus else start, spaced=True):
        return token if minus is None else token.negated()
    words = words_at(window, start)
    if words is None or is_pronoun(window, start, words.end):
        return None
    if window.startswith(" of ", words.end) and DIGIT.search(window, words.end):  # half of 8, which is 4
        return None
    percent = PERCENT.match(window, words.end)
    places = 0 if words.value.denominator == 1 else None
    return Token(start, percent.end() if percent else words.end, Number(words.value, places, bool(percent)))


def _right_side(window: str, token: Token) -> Reading:
    """The value of an equation that begins with `token`: what stands last behind `=`, or first before it (`7 = 3 + 4`).

    An expression without a value (`9**9**9`, `3-4`) is not computed.
    """
    end = sentence_end(window, token.end, len(window))
    equals = window.rfind("=", token.end, end)
    if equals < 0:
        return UNREADABLE
    right = first_number(window[equals + 1 : end])
    if right is not None:
        right_end = equals + 1 + right.end
        if not CONTINUES.match(window, right_end) and not IRRATIONAL.match(window, right_end):
            return UNREADABLE if right.number is APART else right.number
    return token.number if window[token.end : equals].isspace() or token.end == equals else UNREADABLE


def _in_prose(window: str, cut: bool) -> Reading:
    """The last number of the first sentence, as in `the sum of 3 and 4, which is 7`."""
    end = sentence_end(window, 0, len(window))
    begin = max(0, end - PROSE)
    cut = cut and end == len(window)
    near = _last_of(window[begin:end], cut, opened=True) if begin else None
    return near or _last_of(window[:end], cut) or _word_reading(window[begin:end])


def last_number(text: str, start: int, end: int, denied: Sequence[Span] = ()) -> Reading:
    """The last number of `text[start:end]` outside of the `denied` spans; in words only where there are no digits."""
    if end - start <= WINDOW and (number := _whole(plain(text[start:end].strip()))):
        return number
    digit = _last_digit(text, start, end)
    while span := next((span for span in denied if span[0] <= digit < span[1]), None):
        end = span[0]
        digit = _last_digit(text, start, end)
    if digit < 0:
        return _word_reading(plain(text[max(start, end - LOOK_BACK[-1]) : end]))
    for look_back in LOOK_BACK:
        begin = max(start, digit + 1 - look_back)
        window = text[begin : min(end, digit + LOOK_AHEAD)]
        if begin > start and "}" in window and look_back < LOOK_BACK[-1]:  # \\frac may begin before the window
            continue
        reading = _last_of(plain(window), cut=False, opened=begin > start)
        if reading is not None:
            return reading
    return None


def _whole(window: str) -> Number | None:
    """The number that is all of a `plain` text; a plain space may then separate its groups."""
    token = number_at(window, 0, spaced=True)
    if token is None or token.end < len(window.rstrip(" .!")) or not isinstance(token.number, Number):
        return None
    return token.number


def _last_digit(text: str, start: int, end: int) -> int:
    """The place of the last digit in any script, or of the last fraction sign; -1 if there is none."""
    last = max(text.rfind(digit, start, end) for digit in "0123456789")
    if not text.isascii():
        lowest = max(start, last + 1, end - FOREIGN_TAIL)
        for stop in range(end, lowest, -FOREIGN_PART):  # from behind: a text of such signs alone has thousands
            signs = list(FOREIGN.finditer(text, max(lowest, stop - FOREIGN_PART), stop))
            if signs:
                return signs[-1].start()
    return last


def _last_of(window: str, cut: bool, opened: bool = False) -> Reading:
    """The last number in digits of a `plain` window; `cut` and `opened` say that the text goes on behind or before."""
    last: Token | None = None
    for token in numbers(window):
        if token.number is not APART and not UNIT_POWER.search(window, max(0, token.start - 4), token.start):
            last = token
    if last is None or (opened and last.start < CONTEXT and len(window) < MAX_DIGITS):
        return None
    if cut and last.end == len(window):
        return UNREADABLE
    return UNREADABLE if _is_operand(window, last) else last.number


def _is_operand(window: str, token: Token) -> bool:
    """Whether `token` is part of an expression without a value (the last 9 of `9**9**9`) or one of two alternatives."""
    if ALTERNATIVE.search(window, max(0, token.start - ALTERNATIVES), token.start):
        return True
    begin = max(0, token.start - CONTEXT)
    if window[token.start] in "+-" and SUBTRAHEND.search(window, begin, token.start):
        return True
    if window.startswith("*", token.end) and window.startswith("*", token.start - 1):  # **42**
        return False
    return bool(OPERAND.search(window, begin, token.start))


def _word_reading(window: str) -> Reading:
    words = last_words(window)
    if words is None:
        return None
    return Number(words.value, 0 if words.value.denominator == 1 else None, bool(PERCENT.match(window, words.end)))
