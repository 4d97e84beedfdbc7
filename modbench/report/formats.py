"""Rows of cells in the formats that every command with a table offers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence

from tabulate import tabulate

from modbench.errors import unknown

_TABULATE = {"table": "simple", "markdown": "pipe", "latex": "latex_booktabs"}
FORMATS = (*_TABULATE, "csv", "json")
"""Names for `--format`; the LaTeX one wants the package booktabs."""


def check_format(name: str) -> None:
    """Raise ModbenchError with the nearest names unless `name` is one of FORMATS."""
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)


def render_rows(headers: Sequence[str], rows: Sequence[Sequence[object]], format: str) -> str:
    """A table without a trailing newline, with columns of numbers to the right; None is an empty cell.

    `csv` gives numbers in full precision, `json` a list of objects with the headers as keys.
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
    return text.replace("±", r"$\pm$") if format == "latex" else text


def as_json(value: object) -> str:
    """`value` as indented JSON; floats keep their full precision."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def _cell(text: str, format: str) -> str:
    line = " ".join(text.split())
    return line.replace("|", r"\|") if format == "markdown" else line


def _is_number(value: object) -> bool:
    return value is None or re.match(r"[+-]?\d|-?$", str(value)) is not None
