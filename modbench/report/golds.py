"""Golds held against equations and worked outputs, as tables."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.audit import CLIPPED, WIDTH, not_compared
from modbench.report.formats import as_json, check_format, render_rows
from modbench.report.layout import Table, caption

if TYPE_CHECKING:
    from modbench.data.golds import Check

COUNTS = ["set", "held against", "problems", "compared", "contradicted", "differ by rounding"]


def render_golds(checks: Sequence[Check], missing: Mapping[str, str], examples: int, format: str) -> str:
    """The counts of each check, then what was found: all of it in `csv` and `json`.

    The other formats show what equations contradict, without mere rounding, and of each set's worked outputs the first
    `examples` that contradict the gold. Raises ModbenchError for an unknown format.
    """
    check_format(format)
    if format == "json":
        counted = [asdict(check) | {"contradicted": check.contradicted, "rounded": check.rounded} for check in checks]
        return as_json({"checks": counted, "not_checked": dict(missing)})
    plain = format == "csv"
    blocks = [] if plain else [caption(["Golds held against equations and worked outputs"], format)]
    rows: list[list[object]] = []
    for check in checks:
        counts = (check.problems, check.compared, check.contradicted, check.rounded)
        rows.append([check.set, check.source, *(counts if plain else map(cells.count, counts))])
    blocks.append(render_rows(COUNTS, rows, format))
    blocks += [] if plain else [caption(["Golds that do not agree with what they are held against"], format)]
    blocks.append(render_rows(*_findings(checks, examples, format), format, prose=("evidence", "problem")))
    return "\n\n".join([*blocks, *not_compared(missing, "Not checked", format)])


def _findings(checks: Sequence[Check], examples: int, format: str) -> Table:
    def text(words: str) -> str:
        return textwrap.shorten(words, WIDTH, placeholder=" …") if format in CLIPPED else words

    headers = ["set", "no.", "gold", "held against", "gives", "evidence", "problem"]
    rows: list[list[object]] = []
    for check in checks:
        found = check.findings if format == "csv" else [finding for finding in check.findings if not finding.rounded]
        shown = found if format == "csv" or not check.of_outputs else found[:examples]
        for finding in shown:
            # Of an output the end, where its answer is.
            evidence = finding.evidence[-WIDTH:] if format in CLIPPED else finding.evidence
            rows.append(
                [
                    finding.set,
                    finding.number,
                    finding.gold,
                    check.source,
                    finding.value,
                    evidence,
                    text(finding.problem),
                ]
            )
    return headers, rows
