"""Where a response states its final answer.

A response is cut into segments where it runs on into a new question (`Question:`, `Q:`, `### Instruction`, `Human:`, a
chat template's tokens): the first segment that has an answer is the one that counts, whatever follows it.

In a segment, the answer is stated
- after `####`, as in GSM8K,
- in `\\boxed{}`,
- behind "the answer is", "the correct answer would be", "answer = " and their kind,
- under a heading: `Answer:`, `Final answer:`, `A:`. A heading may also begin a whole solution, so it counts only if the
  answer follows at once.

The last statement is what the model settled on, since a model that corrects itself says so later, unless a question
stands between it and the one before ("The answer is 4. Tom has 5 apples. How many …? The answer is 9."): then the text
ran on without a heading, and the statement before the question counts. "The answer is not 5" states no answer, and the
5 is rejected; "not 5 but 6" states 6.

All searching is by `str.find` with a bounded number of hits, and all patterns see short windows. Of more than `FIRST` +
`LAST` statements in a segment, those in the midst are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import islice
from typing import NamedTuple, TypeAlias, TypeVar

HEADING_HITS = 200
PLACES = 300
FIRST, LAST = 6, 12
SEGMENTS = 3

HEADINGS = ("Question", "Instruction", "Problem", "Human:", "User:", "\nQ")
TURN_TOKENS = ("<|im_end|>", "<|im_start|>user", "<|user|>", "<|endoftext|>", "<|eot_id|>")
LINE_START = re.compile(r"(?:^|\n)[\s>*#_-]*$")
HEADING = re.compile(
    r"(?:Question|Problem)\s{0,2}#?\d{0,3}\s{0,2}(?:\*\*)?[:.\n]|Instruction\b|Human:|User:|\nQ(?:UESTION)?\s?\d{0,3}[:.]"
)

PLAIN_NEEDLES = ("####", "nswer", "NSWER", "A:")
NEEDLES = (*PLAIN_NEEDLES, "\\boxed", "\\fbox")
SAYS = re.compile(
    r"""nswers?(?![a-z\d])
    (?:\s?\([^()\n]{0,40}\))?                                         # the answer (in dollars)
    (?:\s(?:to|of|for|in|from|here|therefore|then|I|we|you)(?:\s[\w'’-]+){0,8}?)?   # to the question
    [*_"”’)\s]{0,8}
    (?P<copula>(?:is|was|are|equals|(?:should|would|will|must|has\ to)\s(?:then\s)?be|comes?\s(?:out\s)?to)\b|[=→⇒:\n])
    [*_:\s]{0,4}
    (?P<not>(?:definitely\s|certainly\s|clearly\s)?(?:not|never)\b)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
PARTIAL = re.compile(r"\b(?:first|second|third|fourth|fifth|previous|other|his|her|their)\s[aA]$")
BUT = re.compile(r"[^.\n]{0,60}?\bbut\s(?:rather\s)?")
NEW_QUESTION = re.compile(
    r"\b(?:[Hh]ow (?:many|much|long|old|far|tall|big|fast|often)|[Ww]hat|[Ww]hich)\b[^?\n]{0,300}\?"
)
CORRECTION = re.compile(
    r"\b(?:wait|actually|mistake|incorrect|wrong|right|correct|check|verify|sorry|oops|hmm|let me|no)\b", re.IGNORECASE
)
HASHES = re.compile(r"#+")
SPACE = re.compile(r"\s*")
BRACE = re.compile(r"(?<!\\)[{}]")
BOX = 600
GAP = 2000
SENTENCE_END = re.compile(r"\n|[.!?](?=\s*$|\s+[A-Z\\$#]|[A-Z])")


T = TypeVar("T")
Span: TypeAlias = tuple[int, int]


class Kind(Enum):
    """How an answer is stated."""

    HASH = "####"
    BOX = "boxed"
    SAYS = "the answer is"
    HEADING = "answer:"
    DENIAL = "the answer is not"


class Statement(NamedTuple):
    """A place where an answer is stated: from `start`, the answer itself from `value` on."""

    kind: Kind
    start: int
    value: int


def segments(text: str) -> list[tuple[int, int]]:
    """The spans of `text` between one new question and the next, the first `SEGMENTS` that are not blank."""
    starts = [0, *sorted(_new_questions(text))]
    spans = zip(starts, [*starts[1:], len(text)], strict=True)
    return list(islice((span for span in spans if not text[slice(*span)].isspace()), SEGMENTS))


def _new_questions(text: str) -> list[int]:
    found = []
    for heading in HEADINGS:
        if (position := text.find(heading)) >= 0:
            found += [place for place in _hits(text, heading, position) if _is_heading(text, place)]
    if "<|" in text:
        found += [position for token in TURN_TOKENS if (position := text.find(token)) >= 0]
    if (position := text.find("</s>")) >= 0:
        found.append(position)
    return found


def _hits(text: str, needle: str, position: int) -> Iterator[int]:
    for _ in range(HEADING_HITS):
        if position < 0:
            return
        yield position
        position = text.find(needle, position + len(needle))


def _is_heading(text: str, position: int) -> bool:
    behind = LINE_START.search(text, max(0, position - 8), position)
    return bool((behind or text[position] == "\n") and HEADING.match(text, position, position + 40))


def statements(text: str, start: int, end: int) -> list[Statement]:
    """The statements of an answer in `text[start:end]`, in order, among the first `PLACES` places to look at."""
    found: list[Statement] = []
    needles = NEEDLES if "\\" in text else PLAIN_NEEDLES
    following = {needle: position for needle in needles if (position := text.find(needle, start, end)) >= 0}
    for _ in range(PLACES):
        if not following:
            break
        needle = min(following, key=following.__getitem__)
        position = following[needle]
        statement = _statement(text, needle, position, end)
        if statement is not None:
            found.append(statement)
        after = statement.value if statement is not None else position + len(needle)
        if (position := text.find(needle, after, end)) >= 0:
            following[needle] = position
        else:
            del following[needle]
    return found if len(found) <= FIRST + LAST else found[:FIRST] + found[-LAST:]


def _statement(text: str, needle: str, position: int, end: int) -> Statement | None:
    if needle == "####":
        return Statement(Kind.HASH, position, HASHES.match(text, position, end).end())  # type: ignore[union-attr]
    if needle == "A:":
        at_line_start = LINE_START.search(text, max(0, position - 8), position)
        return Statement(Kind.HEADING, position, position + 2) if at_line_start else None
    if needle.startswith("\\"):
        return Statement(Kind.BOX, position, position + len(needle))
    says = SAYS.match(text, position, min(end, position + 160))
    if says is None or PARTIAL.search(text, max(0, position - 16), position):
        return None
    if says["not"]:
        but = BUT.match(text, says.end(), min(end, says.end() + 80))
        return Statement(Kind.SAYS, position, but.end()) if but else Statement(Kind.DENIAL, position, says.end())
    kind = Kind.HEADING if says["copula"] in (":", "\n") else Kind.SAYS
    return Statement(kind, position, says.end())


def settled(
    text: str, start: int, end: int, read: Callable[[Statement], T | None], unclear: object
) -> tuple[T | None, list[Span]]:
    """What `read` makes of the statement that counts in `text[start:end]`, and the spans of what is denied there.

    `read` returns None for a statement with nothing to read, which then does not count, and `unclear` for one that
    cannot be read, which counts only where no other can be: responses are cut off in the midst of a repetition.
    """
    answer: T | None = None
    since = start
    denied: list[Span] = []
    for statement in statements(text, start, end):
        if statement.kind is Kind.DENIAL:
            denied.append((statement.start, sentence_end(text, statement.value, min(end, statement.value + GAP))))
            continue
        if answer is not None and _asks_anew(text, since, statement.start):
            break
        stated = read(statement)
        if stated is not None and (answer is None or stated != unclear):
            answer, since = stated, statement.value
    return answer, denied


def sentence_end(text: str, start: int, end: int) -> int:
    """Where the sentence or the line at `start` ends, `end` at the latest."""
    match = SENTENCE_END.search(text, start, end)
    return match.start() if match else end


def _asks_anew(text: str, start: int, end: int) -> bool:
    """Whether a new question, and no correction, stands in `text[start:end]`, between two statements of an answer."""
    if text.find("?", start, end) < 0:
        return False
    end = min(end, start + GAP)
    return bool(NEW_QUESTION.search(text, start, end)) and not CORRECTION.search(text, start, end)


def box(text: str, start: int, end: int) -> str | None:
    """What stands in the first braces from `start` on; None if they do not close within `BOX` characters."""
    depth = 0
    for brace in BRACE.finditer(text, start, min(end, start + BOX)):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[text.index("{", start) + 1 : brace.start()]
        if depth < 0:
            break
    return None


def skip_space(text: str, start: int, end: int) -> int:
    """The first place from `start` on that is no white space."""
    return SPACE.match(text, start, end).end()  # type: ignore[union-attr]
