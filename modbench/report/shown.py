"""The documents of a cell of the solved sets with the responses side by side, for `--show`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tabulate import tabulate

from modbench.report.formats import as_json, check_format, render_rows, sound
from modbench.report.layout import caption, listed, short

if TYPE_CHECKING:
    from modbench.comparison.shown import Answer, Document, Shown

WIDTH = 120
"""Columns of a terminal that the responses share."""
ABREAST = 3
"""So many methods stand side by side; further ones below."""
LINES = 12
"""Lines of a response before it is cut."""


def render_shown(shown: Shown, format: str) -> str:
    """In `table` the methods side by side under each problem, responses cut; else one row per problem and method, or in
    `json` one object per problem, with responses in full. Raises ModbenchError for an unknown format."""
    check_format(format)
    if format == "json":
        return as_json(_json(shown))
    if format != "table":
        rows = render_rows(*_rows(shown), format)
        return rows if format == "csv" else f"{caption([_said(shown)], format)}\n\n{rows}"
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
            *(document.task, document.key, document.seed, sound(document.question), sound(document.gold)),
            *(of.method, of.verdict, sound(of.answer), sound(of.response)),
        ]
        for document in shown.documents
        for of in document.answers
    ]
    return headers, rows


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
