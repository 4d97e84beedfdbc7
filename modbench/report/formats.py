"""Rows of cells in the formats that every command with a table offers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Sequence

from tabulate import tabulate

from modbench.errors import unknown
from modbench.report.latex import BOLD, as_latex, scaled

_TABULATE = {"table": "simple", "markdown": "pipe", "latex": "latex_booktabs"}
_UNPRINTABLE = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u200d\u2010-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
"""Characters that XML forbids, and those that would steer a terminal."""
FORMATS = (*_TABULATE, "csv", "json")
"""Names for `--format`; the LaTeX one wants the packages booktabs and graphicx."""


def check_format(name: str) -> None:
    """Raise ModbenchError with the nearest names unless `name` is one of FORMATS."""
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)


def render_rows(
    headers: Sequence[str], rows: Sequence[Sequence[object]], format: str, prose: Collection[str] = ()
) -> str:
    """A table without a trailing newline, with columns of numbers to the right; None is an empty cell.

    `csv` gives numbers in full precision, `json` a list of objects with the headers as keys. `latex` is scaled down
    where it is wider than the text; the columns called `prose` share two thirds of that width, and their lines break.
    Raises ModbenchError for an unknown format.
    """
    check_format(format)
    if format == "json":
        return as_json([dict(zip(headers, row, strict=True)) for row in rows])
    if format == "csv":
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([headers, *rows])
        return buffer.getvalue().rstrip("\n")
    cells = [["" if value is None else _cell(str(value), format) for value in row] for row in rows]
    heads = [_cell(header, format) for header in headers]
    align = ["right" if rows and all(map(_is_number, column)) else "left" for column in zip(*rows, strict=True)]
    text = tabulate(cells, heads, _TABULATE[format], disable_numparse=True, colalign=align or None)
    if format != "latex":
        return text
    share = f"p{{{0.66 / max(len(prose), 1):.2f}\\linewidth}}"
    sides = align or ["left"] * len(headers)
    columns = [share if header in prose else side[0] for header, side in zip(headers, sides, strict=True)]
    return scaled(as_latex(text), "".join(columns))


def bold(text: str, format: str) -> str:
    """`text` as a cell in bold, where the format has it."""
    if format == "latex":
        return text.join(BOLD)
    return f"**{text}**" if format == "markdown" else text


def as_json(value: object) -> str:
    """`value` as indented JSON; floats keep their full precision."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def printable(text: str) -> str:
    """`text` without what XML forbids and without signs that would steer a terminal or turn its direction."""
    return _UNPRINTABLE.sub("", text)


def untagged(text: str) -> str:
    """`text` in Markdown, where a tag that a model wrote stays text."""
    return re.sub(r"<(?=[a-zA-Z/!?])", r"\<", text)


def sound(text: str | None) -> str | None:
    """`text` without lone surrogates, which no encoding can write."""
    return None if text is None else text.encode(errors="replace").decode()


def _cell(text: str, format: str) -> str:
    # What moves the cursor or turns the reading direction does not belong into a table; `csv` and `json` keep it.
    line = printable(" ".join(text.split()))
    return untagged(line).replace("|", r"\|") if format == "markdown" else line


def _is_number(value: object) -> bool:
    return value is None or re.match(rf"[*{BOLD[0]}]*[+<-]?\d|-?$", str(value)) is not None
