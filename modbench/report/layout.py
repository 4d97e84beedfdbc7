"""What the tables of several reports share: captions, short forms of names and lists, and tables one below another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import LATEX_ESCAPE_RULES

from modbench.report.formats import as_latex, render_rows

Table = tuple[list[str], list[list[object]]]
"""Headers and rows."""


@dataclass(frozen=True)
class Block:
    """One of several tables, with what is said of it: `cells` for people, `values` in full precision (None: the table
    is for the others alone). `name` is its label in LaTeX."""

    name: str
    said: Sequence[str]
    cells: Table | None
    values: Table | None


def render_blocks(said: Sequence[str], blocks: Sequence[Block], format: str) -> str:
    """Tables one below another, under the lines `said`: in `csv` with nothing but an empty line between them, in
    `latex` each a float with its caption, for a document that uses booktabs."""
    if format == "csv":
        return "\n\n".join(render_rows(*block.values, format) for block in blocks if block.values)
    parts = [caption([*said, r"\usepackage{booktabs}"] if format == "latex" else said, format)]
    for block in blocks:
        if block.cells:
            table = render_rows(*block.cells, format)
            parts += [_float(block, table)] if format == "latex" else [caption(block.said, format), table]
    return "\n\n".join(parts)


def caption(lines: Sequence[str], format: str) -> str:
    """Lines above a table: comments in `latex`, with hard line breaks in `markdown`."""
    flat = [" ".join(line.split()) for line in lines]
    if format == "latex":
        return "\n".join(f"% {line}" for line in flat)
    return "  \n".join(flat) if format == "markdown" else "\n".join(flat)


def short(task: str) -> str:
    """A task's name without our prefix."""
    return task.removeprefix("modbench_")


def spaced(values: Sequence[float]) -> str:
    """`0.25 0.75`."""
    return " ".join(map(str, values))


def listed(values: Sequence[int]) -> str:
    """`0, 1, 2`."""
    return ", ".join(map(str, values))


def _float(block: Block, table: str) -> str:
    said = " ".join(f"{' '.join(line.split())}." for line in block.said)
    escaped = as_latex("".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in said))
    return "\n".join(
        [
            *(r"\begin{table}", r"\centering", r"\small", rf"\caption{{{escaped}}}", rf"\label{{tab:{block.name}}}"),
            *(table, r"\end{table}"),
        ]
    )
