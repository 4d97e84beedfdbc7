"""What an evaluation came to, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.layout import Table

if TYPE_CHECKING:
    from modbench.summary import Line


def evaluation_rows(lines: Sequence[Line], exact: bool = False) -> Table:
    """One row per line, for `render_rows`.

    Metrics are in percent with their standard error; if `exact`, fractions in full precision, errors in columns of
    their own. A metric that a task does not have is `-` (`exact`: None).
    """
    metrics = list(dict.fromkeys(metric for line in lines for metric in line.metrics))
    if exact:
        headers = [column for metric in metrics for column in (metric, f"{metric}_stderr")]
        headers = ["task", "n", *headers, "no_answer", "unreadable", "tokens_per_second"]
    else:
        headers = ["task", "n", *metrics, "no answer", "unreadable", "tokens/s"]
    rows: list[list[object]] = []
    for line in lines:
        found = [line.metrics.get(metric) for metric in metrics]
        if exact:
            numbers: list[object] = [part for estimate in found for part in (estimate or (None, None))]
            rows.append([line.name, line.n, *numbers, line.no_answer, line.unreadable, line.speed])
        else:
            texts = [cells.percent(*estimate) if estimate else cells.UNKNOWN for estimate in found]
            counts = [line.no_answer, cells.count(line.unreadable), cells.seconds(line.speed)]
            rows.append([line.name, line.n, *texts, *counts])
    return headers, rows
