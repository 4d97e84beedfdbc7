"""What the gate found: as a table, as Markdown for a CI service's summary, and as JUnit XML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from modbench.gate import Check, Status, verdict
from modbench.report import cells
from modbench.report.formats import as_json, printable, render_rows, sound
from modbench.report.layout import Table, caption, short

if TYPE_CHECKING:
    from modbench.gate_documents import Document, Finding

SHOWN = ("question", "gold", "answer", "response")
"""What is shown of a sample."""
LONGEST = 2000
"""Characters of a question or response that are shown."""


def render(findings: Sequence[Finding], notes: Sequence[str], format: str) -> str:
    """The checks as a table, under it what did not pass, with its documents, and a line with the verdict.

    `csv` has the checks alone, in full precision, and `json` everything. Raises ModbenchError for an unknown format.
    """
    checks = [finding.check for finding in findings]
    if format == "json":
        return as_json(
            {"verdict": verdict(checks), "notes": list(notes), "checks": [_json(finding) for finding in findings]}
        )
    if format == "csv":
        return render_rows(*_values(checks), format)
    if not checks:
        return caption([*notes, conclusion(checks)], format)
    blocks = [caption(_caption(notes), format), render_rows(*_cells(checks), format)]
    for finding in _failing(findings):
        blocks += [caption([sentence(finding.check)], format), *(_text(each, format) for each in _documents(finding))]
    return "\n\n".join([*blocks, caption([conclusion(checks)], format)])


def summary(title: str, findings: Sequence[Finding], notes: Sequence[str]) -> str:
    """The same as a Markdown page, with the documents folded away."""
    checks = [finding.check for finding in findings]
    blocks = [f"## {_inline(title)}", f"**{_inline(conclusion(checks))}**"]
    for finding in _failing(findings):
        blocks.append(f"- {_inline(sentence(finding.check))}")
        if finding.documents:
            texts = "\n".join(f"<pre>{html.escape(document)}</pre>" for document in _documents(finding))
            some = f"{len(finding.documents)} of {len(finding.check.lost)}"
            blocks.append(f"<details><summary>Solved before and not now: {some}</summary>\n\n{texts}\n\n</details>")
    if checks:
        blocks.append(render_rows(*_cells(checks), "markdown"))
    said = _caption(notes) if checks else notes
    return "\n\n".join([*blocks, caption([_inline(line) for line in said], "markdown")]).rstrip() + "\n"


def junit(title: str, findings: Sequence[Finding]) -> str:
    """JUnit XML with a test case per check: a failure regressed, an error cannot be told (nothing to check is one too).

    Control characters are left out.
    """
    if not findings:
        return _xml(title, [_case("leaderboard", "rows", Status.CANNOT_TELL, conclusion([]))])
    cases = []
    for finding in findings:
        check = finding.check
        name = " ".join(filter(None, (check.kind, check.task, _seed(check))))
        cases.append(_case(check.method, name, check.status, sentence(check), "\n\n".join(_documents(finding))))
    return _xml(title, cases)


def broken_off(title: str, said: str) -> tuple[str, str]:
    """JUnit XML, with the one error `said`, and the Markdown page of a call that could not check anything."""
    xml = _xml(title, [_case("modbench", "check", Status.CANNOT_TELL, said)])
    return xml, f"## {_inline(title)}\n\n**nothing was checked: {_inline(said)}**\n"


def sentence(check: Check) -> str:
    """A check in words: what was checked, what came of it, and by how much it differs."""
    what = " ".join(filter(None, (check.method, _seed(check), check.task and short(check.task), check.kind)))
    said = f"{what}: {check.status}" + (f": {check.said}" if check.said else "")
    if check.before is None or check.after is None:
        return said
    before, after = (_amount(check.kind, value) for value in (check.before, check.after))
    said += f"; {before} before, {after} now"
    if check.interval is not None:
        p_value = "" if check.p_value is None else f"; p {cells.p_value(check.p_value)}"
        said += f" ({cells.points(check.after - check.before)} points, {cells.interval(check.interval)}{p_value})"
        solved = "solved before" if check.seeds is None else "that most seeds solved before"
        said += f"; {len(check.lost)} documents {solved} are not now, {len(check.gained)} the other way"
    return f"{said}; {_power(check)}" if check.discordance is not None else said


def conclusion(checks: Sequence[Check]) -> str:
    """The verdict in a line."""
    if not checks:
        nothing = "there is nothing to check, the leaderboard has no measured row"
        return f"{Status.CANNOT_TELL}: {nothing}; `modbench leaderboard add` adds finished runs"
    counted = [f"{_count(checks, status)} {status}" for status in Status if _count(checks, status)]
    return f"{verdict(checks)}: of {len(checks)} checks {', '.join(counted)}"


def _cells(checks: Sequence[Check]) -> Table:
    headers = [
        *("check", "method", "seed", "task", "before", "now", "difference", "95 % interval", "p"),
        *("discordance", "would show", "verdict"),
    ]
    rows: list[list[object]] = []
    for check in checks:
        points = check.difference if check.kind == "accuracy" else None
        rows.append(
            [
                *(check.kind, check.method, _seeds(check)),
                cells.UNKNOWN if check.task is None else short(check.task),
                *(cells.UNKNOWN if each is None else _amount(check.kind, each) for each in (check.before, check.after)),
                cells.UNKNOWN if points is None else cells.points(points),
                cells.interval(check.interval),
                cells.UNKNOWN if check.p_value is None else cells.p_value(check.p_value),
                cells.UNKNOWN if check.discordance is None else cells.points(check.discordance, sign=""),
                cells.UNKNOWN if check.detectable is None else cells.points(check.detectable, sign=""),
                str(check.status),
            ]
        )
    return headers, rows


def _values(checks: Sequence[Check]) -> Table:
    headers = [
        *("check", "method", "seed", "task", "before", "now", "interval_low", "interval_high", "raw_p", "p"),
        *("documents", "discordance", "seeds", "spread", "would_show", "lost", "gained", "verdict", "reason"),
    ]
    return headers, [
        [
            *(check.kind, check.method, check.seed, check.task, check.before, check.after),
            *(check.interval or (None, None)),
            *(check.raw, check.p_value, check.n, check.discordance, check.seeds, check.spread, check.detectable),
            *(len(check.lost), len(check.gained), str(check.status), check.said),
        ]
        for check in checks
    ]


def _caption(notes: Sequence[str]) -> list[str]:
    return [
        *notes,
        "Accuracy in percent; p: one-sided, for worse, adjusted over all accuracies (Holm); discordance: the documents "
        "on which both differ, in percent (over seeds the mean); would show: the smallest loss in points that would "
        "show in 80 % of cases, at that discordance or, over seeds, at the spread of their differences",
    ]


def _json(finding: Finding) -> dict[str, object]:
    documents = [
        {"document": document.key, "seed": document.seed}
        | ({name: sound(getattr(document.sample, name)) for name in SHOWN} if document.sample else {})
        for document in finding.documents
    ]
    return finding.check.to_dict() | {"documents": documents}


def _failing(findings: Sequence[Finding]) -> list[Finding]:
    """What did not pass, regressions first."""
    order = [Status.REGRESSED, Status.CANNOT_TELL]
    return [finding for status in order for finding in findings if finding.check.status is status]


def _documents(finding: Finding) -> list[str]:
    """The documents in words, and behind them how many more were lost."""
    texts = [_plain(document) for document in finding.documents]
    lost = len(finding.check.lost)
    if texts and lost > len(texts):
        texts.append(f"{lost - len(texts):,} more: --show {lost} prints all, --format json names them")
    return texts


def _power(check: Check) -> str:
    """What the check saw, and what loss it would have shown."""
    seen = f"discordance {100 * (check.discordance or 0.0):.1f} %"
    if check.spread is not None:
        seen += f", spread over {check.seeds} seeds {cells.points(check.spread, sign='')} points"
    loss = "no loss" if check.detectable is None else f"a loss of {cells.points(check.detectable, sign='')} points"
    return f"{seen}: {loss} would show in 80 % of cases"


def _case(method: str, name: str, status: Status, said: str, text: str = "") -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"classname": printable(method), "name": printable(name)})
    if status is Status.PASSED:
        ElementTree.SubElement(case, "system-out").text = printable(said)
    else:
        kind = "failure" if status is Status.REGRESSED else "error"
        ElementTree.SubElement(case, kind, {"message": printable(said)}).text = text
    return case


def _xml(title: str, cases: Sequence[ElementTree.Element]) -> str:
    failures, errors = (sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error"))
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": str(errors), "skipped": "0"}
    root = ElementTree.Element("testsuites", counts)
    ElementTree.SubElement(root, "testsuite", {"name": printable(title), **counts}).extend(cases)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _text(text: str, format: str) -> str:
    lines = text.splitlines()
    if format == "latex":
        return "\n".join(f"% {line}" for line in lines)
    return "\n".join(f"    {line}" for line in lines)  # in Markdown a block of code


def _plain(document: Document) -> str:
    """A document in lines, without characters that would steer a terminal."""
    sample = document.sample
    if sample is None:
        return printable(f"document {document.key}")
    lines = [f"document {document.key[:16]}, seed {document.seed}"]
    lines += [f"{name}: {printable(_cut(getattr(sample, name) or 'none'))}" for name in SHOWN]
    return "\n".join(lines)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} [{len(text) - LONGEST} more characters]"


def _inline(text: str) -> str:
    """One line of Markdown in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(printable(text).split()))


def _count(checks: Iterable[Check], status: Status) -> int:
    return sum(check.status is status for check in checks)


def _seed(check: Check) -> str | None:
    return None if check.seed is None else f"seed {check.seed}"


def _seeds(check: Check) -> str:
    if check.seeds is not None:
        return f"{check.seeds} seeds"
    return cells.UNKNOWN if check.seed is None else str(check.seed)


def _amount(kind: str, value: float) -> str:
    if kind == "accuracy":
        return f"{100 * value:.1f}"
    if kind == "parameters":
        return cells.count(int(value))
    return f"{cells.seconds(value)} s" if kind == "speed" else f"{cells.mebibytes(int(value))} MiB"
