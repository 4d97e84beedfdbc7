"""What the tables of several reports share: captions, short forms of names and lists, and tables one below another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from modbench.report.formats import printable, render_rows, untagged
from modbench.report.latex import escaped

Table = tuple[list[str], list[list[object]]]
"""Headers and rows."""


@dataclass(frozen=True)
class Block:
    """One of several tables, with what is said of it: `cells` for people, `values` in full precision (None: the table
    is for the others alone). `name` is its label in LaTeX; the lines of `prose`, names of columns, break there."""

    name: str
    said: Sequence[str]
    cells: Table | None
    values: Table | None
    prose: Collection[str] = ()


LONGEST = 40
"""Rows of a float in LaTeX; more would not fit on a page, and stand in floats that follow."""


def render_blocks(said: Sequence[str], blocks: Sequence[Block], format: str) -> str:
    """Tables one below another, under the lines `said`: in `csv` with nothing but an empty line between them, in
    `latex` each a float with its caption, for a document that uses booktabs and graphicx."""
    if format == "csv":
        return "\n\n".join(render_rows(*block.values, format) for block in blocks if block.values)
    parts = [caption(said, format)]
    for block in blocks:
        if block.cells:
            if format == "latex":
                parts += _floats(block, *block.cells)
            else:
                parts += [caption(block.said, format), render_rows(*block.cells, format)]
    return "\n\n".join(parts)


def caption(lines: Sequence[str], format: str) -> str:
    """Lines above a table: comments in `latex`, with hard line breaks in `markdown`."""
    flat = list(map(_flat, lines))
    if format == "latex":
        return "\n".join(f"% {line}" for line in flat)
    return "  \n".join(map(untagged, flat)) if format == "markdown" else "\n".join(flat)


def short(task: str) -> str:
    """A task's name without our prefix."""
    return task.removeprefix("modbench_")


def spaced(values: Sequence[float]) -> str:
    """`0.25 0.75`."""
    return " ".join(map(str, values))


def listed(values: Sequence[int]) -> str:
    """`0, 1, 2`."""
    return ", ".join(map(str, values))


def _flat(line: str) -> str:
    return printable(" ".join(line.split()))


def _floats(block: Block, headers: list[str], rows: list[list[object]]) -> list[str]:
    """The table as floats; from the second on their captions say what they continue."""
    found = []
    for start in range(0, max(len(rows), 1), LONGEST):
        table = render_rows(headers, rows[start : start + LONGEST], "latex", block.prose)
        said = " ".join(line if line.endswith((".", "?", "!")) else f"{line}." for line in map(_flat, block.said))
        label = f"tab:{block.name}"
        title = rf"Table~\ref{{{label}}}, continued." if start else escaped(said)
        found.append(
            "\n".join(
                [
                    *(r"\begin{table}", r"\centering", r"\small", r"\setlength{\belowcaptionskip}{4pt}"),
                    *(rf"\caption{{{title}}}", rf"\label{{{label}{f'-part-{start // LONGEST + 1}' if start else ''}}}"),
                    *(table, r"\end{table}"),
                ]
            )
        )
    return found
