"""An audit of training sets against test sets, as tables."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.formats import as_json, check_format, render_rows
from modbench.report.layout import Table, caption

if TYPE_CHECKING:
    from modbench.data.audit import Audit, Repeats

WIDTH = 70
"""Characters of a problem in `table` and `latex`; the other formats have all of it."""
CLIPPED = ("table", "latex")
KINDS = ("exact", "near", "clean")


def render_audit(audits: Sequence[Audit], repeated: Sequence[Repeats], missing: Mapping[str, str], format: str) -> str:
    """For each training set its counts and examples, then the problems that sets repeat, then what was `missing`.

    `missing` maps sets that were not compared to the reason. `table`, `markdown` and `latex` have captions and percent;
    `csv` has shares from 0 to 1, one block per table with an empty line between; `json` has everything.
    Raises ModbenchError for an unknown format.
    """
    check_format(format)
    if format == "json":
        return as_json(
            {
                "training": [found.to_dict() for found in audits],
                "repeats": [asdict(found) for found in repeated],
                "not_compared": dict(missing),
            }
        )
    plain = format == "csv"
    blocks = []
    for found in audits:
        blocks += [] if plain else [caption(_audit_caption(found), format)]
        blocks.append(render_rows(*_overlaps(found, plain), format))
        if any(overlap.pairs for overlap in found.against):
            blocks += [] if plain else [caption(["Examples"], format)]
            blocks.append(render_rows(*_pairs(found, format), format, prose=("test problem", "training problem")))
    if repeated:
        blocks += [] if plain else [caption(["Problems that repeat an earlier one of the same set"], format)]
        blocks.append(render_rows(*_repeats(repeated, plain), format))
    return "\n\n".join([*blocks, *not_compared(missing, "Not compared", format)])


def not_compared(missing: Mapping[str, str], title: str, format: str) -> list[str]:
    """The blocks that name what could not be had, under `title`; none if nothing is missing."""
    if not missing:
        return []
    table = render_rows(["file", "reason"], [[name, reason] for name, reason in missing.items()], format)
    return [table] if format == "csv" else [caption([title], format), table]


def _audit_caption(audit: Audit) -> list[str]:
    return [
        f"Training set {audit.name}: {audit.examples:,} examples, {int(audit.exact.sum()):,} of them a test problem, "
        f"{int(audit.near.sum()):,} more near one",
        "Test problems by what the training set holds: the same one, a near one, or nothing like it",
    ]


def _overlaps(audit: Audit, plain: bool) -> Table:
    shares = [f"{kind}_share" if plain else f"{kind} %" for kind in KINDS]
    headers = ["test set", "problems", *KINDS, *shares, "training exact", "training near"]
    rows: list[list[object]] = []
    for found in audit.against:
        counts = [found.exact, found.near, found.clean]
        own = [found.training_exact, found.training_near]
        rows.append(
            [found.name, found.problems, *counts, *(count / found.problems for count in counts), *own]
            if plain
            else [
                found.name,
                *map(cells.count, (found.problems, *counts)),
                *(cells.percent(count / found.problems, None) for count in counts),
                *map(cells.count, own),
            ]
        )
    if plain:
        return ["training set", *headers], [[audit.name, *row] for row in rows]
    return headers, rows


def _pairs(audit: Audit, format: str) -> Table:
    def text(problem: str) -> str:
        return textwrap.shorten(problem, WIDTH, placeholder=" …") if format in CLIPPED else problem

    headers = ["test set", "match", "similarity", "test no.", "test problem", "training no.", "training problem"]
    rows: list[list[object]] = [
        [
            *(found.name, pair.kind, pair.similarity if format == "csv" else f"{pair.similarity:.2f}"),
            *(pair.test_number, text(pair.test), pair.training_number, text(pair.training)),
        ]
        for found in audit.against
        for pair in found.pairs
    ]
    return headers, rows


def _repeats(repeated: Sequence[Repeats], plain: bool) -> Table:
    rows: list[list[object]] = []
    for found in repeated:
        counts = (found.problems, found.exact, found.near)
        rows.append([found.name, *(counts if plain else map(cells.count, counts))])
    return ["set", "problems", "exact", "near"], rows
