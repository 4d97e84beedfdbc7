"""The page of a comparison: one file that needs no network, and the pictures beside it."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from pathlib import Path
from string import Template

from modbench.atomic import write_text
from modbench.comparison.join import join
from modbench.comparison.models import Comparison
from modbench.comparison.outcomes import RunOutcomes
from modbench.errors import ModbenchError
from modbench.report.payload import payload
from modbench.report.pictures import write_pictures

PAGE = "index.html"
OURS = '<meta name="generator" content="modbench">'
WEB = Path(__file__).with_name("web")
SCRIPTS = ("dom.js", "data.js", "leaderboard.js", "sets.js", "documents.js", "main.js")
"""In the order in which they are joined to one script."""
CAPTIONS = {
    "accuracy": "Accuracy by task and method, with Wilson's 95 % interval over documents; pale dots are single seeds.",
    "pareto": "Mean accuracy over tasks against what the methods cost; a line joins those that none beats in both.",
    "over_k": "Accuracy over k, the number of late layers that are mixed.",
    "over_top_k": "Accuracy over the number of gates that are kept per token.",
}
"""The pictures that the page shows too; those of the solved sets it draws itself."""


def write_report(comparison: Comparison, runs: Sequence[RunOutcomes], out: Path) -> list[Path]:
    """Writes `index.html` and the pictures into the folder `out` (made if absent); returns the files, the page first.

    `runs` are those that the comparison was made from. A page of modbench's that is there already is replaced; raises
    ModbenchError if another's is, if `out` is no folder, or where a run's samples are damaged.
    """
    _check_out(out)
    joined, _ = join(runs, intersect=True)
    pictures = write_pictures(comparison, out)
    drawn = {path.stem: path.read_text(encoding="utf-8") for path in pictures if path.suffix == ".svg"}
    shown = [{"caption": caption, "svg": drawn[name]} for name, caption in CAPTIONS.items() if name in drawn]
    page = out / PAGE
    write_text(
        page, _page(f"{comparison.suite or 'Comparison'}: which method solves what", payload(comparison, joined, shown))
    )
    return [page, *pictures]


def _page(title: str, data: str) -> str:
    style = (WEB / "page.css").read_text(encoding="utf-8")
    script = "\n".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)
    # Nothing but this very script and style may act: not even a slip of ours could run what a model wrote, or send it.
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template((WEB / "page.html").read_text(encoding="utf-8")).substitute(
        policy=policy, title=html.escape(title), style=style, script=script, data=data
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ModbenchError(f"{out} is a file: name a folder for the report")
    page = out / PAGE
    if page.exists() and OURS not in page.read_text(encoding="utf-8", errors="replace")[:1000]:
        raise ModbenchError(f"{page} is not a page of modbench: name another folder, nothing was written")
