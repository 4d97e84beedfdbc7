"""The documents of a cell of the solved sets with the responses side by side, for `--show`."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from tabulate import tabulate

from modbench.report.formats import as_json, check_format, printable, render_rows, sound
from modbench.report.layout import Block, listed, render_blocks, short

if TYPE_CHECKING:
    from modbench.comparison.shown import Answer, Document, Shown

WIDTH = 120
"""Columns of a terminal that the responses share."""
ABREAST = 3
"""So many methods stand side by side; further ones below."""
LINES = 12
"""Lines of a response before it is cut."""
PAGE = 1800
"""Characters that the responses to a problem share in `latex`, where a table cannot go on on the next page."""
ASKED, READ = 600, 40
"""Characters there of a question, and of a right answer or one that was read."""
UNBROKEN = 20
"""Letters without a space after which a line may break in `latex`."""


def render_shown(shown: Shown, format: str) -> str:
    """The methods side by side under each problem in `table`, and below each other in `markdown` and `latex`; in `csv`
    a row per problem and method, in `json` an object per problem. Responses are cut in `table` and `latex`.

    Raises ModbenchError for an unknown format.
    """
    check_format(format)
    if format == "json":
        return as_json(_json(shown))
    if format == "csv":
        return render_rows(*_rows(shown), format)
    if format != "table":
        blocks = [_answers(document, number, format) for number, document in enumerate(shown.documents, start=1)]
        return render_blocks([_said(shown)], blocks, format)
    return "\n\n\n".join([_said(shown), *map(_block, shown.documents)])


def _said(shown: Shown) -> str:
    cell = shown.cell
    seeds = f"seeds {listed(shown.seeds)} added up" if len(shown.seeds) > 1 else f"seed {shown.seeds[0]}"
    rest = f"; the first {len(shown.documents)}" if len(shown.documents) < shown.total else ""
    solved = [f"solved by {', '.join(cell.solvers)}"] if cell.solvers else []
    unsolved = [f"not solved by {', '.join(cell.others)}"] if cell.others else []
    return f"{cell.name}: {shown.total:,} problems {' and '.join([*solved, *unsolved])} ({seeds}){rest}"


def _block(document: Document) -> str:
    facts = [
        f"{short(document.task)} {document.key[:12]}, seed {document.seed}",
        _wrapped(f"Question: {document.question or 'not in the samples'}", WIDTH, LINES),
        _wrapped(f"Gold: {document.gold}", WIDTH, 3),
    ]
    answers = document.answers
    return "\n\n".join(
        ["\n".join(facts), *(_abreast(answers[i : i + ABREAST]) for i in range(0, len(answers), ABREAST))]
    )


def _answers(document: Document, number: int, format: str) -> Block:
    """What each method answered, a row each, under what was asked."""

    def clip(text: str, most: int) -> str:
        return _clipped(text, most) if format == "latex" else text

    said = [
        f"{short(document.task)} {document.key[:12]}, seed {document.seed}",
        f"Question: {clip(document.question or 'not in the samples', ASKED)}",
        f"Gold: {clip(document.gold, READ)}",
    ]
    share = PAGE // max(len(document.answers), 1)
    rows: list[list[object]] = [
        [of.method, of.verdict, clip(of.answer or "", READ), clip(of.response, share)] for of in document.answers
    ]
    return Block(f"shown-{number}", said, (["method", "verdict", "answer", "response"], rows), None, ("response",))


def _clipped(text: str, most: int) -> str:
    """`text` cut, with places where it may break."""
    cut = text if len(text) <= most else f"{text[:most]} ... ({len(text):,} characters)"
    return re.sub(rf"(\S{{{UNBROKEN}}})(?=\S)", "\\1\u200b", cut)


def _abreast(answers: tuple[Answer, ...]) -> str:
    width = (WIDTH - 2 * (len(answers) - 1)) // len(answers)
    verdicts = [_wrapped(of.verdict if of.answer is None else f"{of.verdict}: {of.answer}", width, 3) for of in answers]
    responses = [_wrapped(of.response, width, LINES) for of in answers]
    headers = [of.method for of in answers]
    return tabulate([verdicts, responses], headers, "simple", disable_numparse=True)


def _wrapped(text: str, width: int, most: int) -> str:
    """At most `most` lines of `text`; what a terminal would obey rather than show is replaced."""
    plain = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text.strip()[:20_000])
    lines = [line for part in plain.split("\n") for line in textwrap.wrap(part, width) or [""]]
    return "\n".join(lines if len(lines) <= most else [*lines[: most - 1], f"... ({len(text):,} characters)"])


def _rows(shown: Shown) -> tuple[list[str], list[list[object]]]:
    headers = ["task", "document", "seed", "question", "gold", "method", "verdict", "answer", "response"]
    rows: list[list[object]] = [
        [
            *(document.task, document.key, document.seed, _shown(document.question), _shown(document.gold)),
            *(of.method, of.verdict, _shown(of.answer), _shown(of.response)),
        ]
        for document in shown.documents
        for of in document.answers
    ]
    return headers, rows


def _shown(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _json(shown: Shown) -> dict[str, object]:
    return {
        "cell": shown.cell.name,
        "solvers": shown.cell.solvers,
        "others": shown.cell.others,
        "seeds": shown.seeds,
        "total": shown.total,
        "documents": [
            {
                "task": document.task,
                "document": document.key,
                "seed": document.seed,
                "question": sound(document.question),
                "gold": sound(document.gold),
                "answers": {
                    of.method: {"verdict": of.verdict, "answer": sound(of.answer), "response": sound(of.response)}
                    for of in document.answers
                },
            }
            for document in shown.documents
        ],
    }
