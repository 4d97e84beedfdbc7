"""What judging stored responses anew has changed, as a table and as samples to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from modbench.report import cells
from modbench.report.layout import Table

if TYPE_CHECKING:
    from modbench.records import Sample
    from modbench.rescore import Change

_SHOWN = 600


def rescore_rows(changes: Sequence[Change], exact: bool = False) -> Table:
    """One row per task of each run that was judged: for `render_rows`.

    Accuracies are in percent, or `exact`: as fractions in full precision.
    """
    headers = ["run", "task", "n", "before", "after", "gained", "lost", "no answer", "unreadable"]
    rows: list[list[object]] = []
    for change in changes:
        if change.after is None:
            continue
        before, after = change.before.accuracy, change.after.accuracy
        rows.append(
            [
                str(change.run),
                change.task,
                change.after.n,
                *((before, after) if exact else (cells.percent(before, None), cells.percent(after, None))),
                *(change.gained, change.lost, change.after.no_answer, change.after.unreadable),
            ]
        )
    return headers, rows


def changed_samples(changes: Iterable[Change]) -> Iterator[str]:
    """The kept samples whose verdict has changed, a few lines each; what a terminal would act on is escaped."""
    for change in changes:
        for old, new in change.examples:
            yield "\n".join(
                [
                    f"{change.run} {change.task}, problem {new.doc_id}: {_verdict(old)} before, now {_verdict(new)}",
                    f"  read: {old.answer!r} before, now {new.answer!r}; the right answer is {new.gold!r}",
                    f"  question: {_cut(new.question)}",
                    f"  response: {_cut(new.response)}",
                ]
            )


def _verdict(sample: Sample) -> str:
    return sample.outcome or ("correct" if sample.correct else "wrong")


def _cut(text: str | None) -> str:
    if text is None:
        return "unknown"
    return repr(text) if len(text) <= _SHOWN else f"...{text[-_SHOWN:]!r}"
