"""What the gate writes: every text a model may have put in stays text."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from modbench.gate import Check, Status
from modbench.gate_documents import Document, Finding
from modbench.records import Sample
from modbench.report.formats import FORMATS
from modbench.report.gate import broken_off, conclusion, junit, render, sentence, summary
from modbench.stats.intervals import Interval


def regressed(response: str = "so 4", question: str | None = "What is 2 + 3?") -> Finding:
    check = Check(
        kind="accuracy",
        method="mod_k",
        task="modbench_one",
        seed=0,
        status=Status.REGRESSED,
        said="significantly worse",
        before=0.9,
        after=0.8,
        interval=Interval(-0.15, -0.05),
        raw=0.0004,
        p_value=0.0008,
        n=100,
        discordance=0.1,
        detectable=0.081,
        lost=("hash-0", "hash-1"),
        gained=(),
    )
    # As a library that reads looser JSON may pass it on.
    sample = Sample.model_construct(
        doc_id=0, doc_hash="hash-0", response=response, answer="4", gold="5", metrics={"acc": 0.0}, question=question
    )
    return Finding(check, (Document("hash-0", 0, sample), Document("hash-1", 0, None)))


PASSED = Finding(Check("parameters", "mod_k", None, 0, Status.PASSED, "", before=10, after=10))
UNKNOWN = Finding(Check("accuracy", "lora_all", None, None, Status.CANNOT_TELL, "no run of it is there"))


def test_a_check_in_words() -> None:
    assert sentence(regressed().check) == (
        "mod_k seed 0 one accuracy: regressed: significantly worse; 90.0 before, 80.0 now "
        "(-10.0 points, [-15.0, -5.0]; p <0.001); 2 documents solved before are not now, 0 the other way; "
        "discordance 10.0 %: a loss of 8.1 points would show in 80 % of cases"
    )
    over_seeds = replace(regressed().check, seed=None, seeds=5, spread=0.0123)
    assert sentence(over_seeds).endswith(
        "; 2 documents that most seeds solved before are not now, 0 the other way; discordance 10.0 %, "
        "spread over 5 seeds 1.2 points: a loss of 8.1 points would show in 80 % of cases"
    )
    assert sentence(replace(over_seeds, detectable=None)).endswith(": no loss would show in 80 % of cases")
    assert sentence(PASSED.check) == "mod_k seed 0 parameters: passed; 10 before, 10 now"
    assert sentence(UNKNOWN.check) == "lora_all accuracy: cannot tell: no run of it is there"


def test_the_verdict_in_a_line() -> None:
    checks = [finding.check for finding in (regressed(), PASSED, UNKNOWN)]
    assert conclusion(checks) == "regressed: of 3 checks 1 passed, 1 regressed, 1 cannot tell"
    assert conclusion(checks[1:]).startswith("cannot tell: ") and conclusion([]).startswith("cannot tell: ")


@given(st.text(), st.none() | st.text())
def test_any_response_leaves_the_reports_whole(response: str, question: str | None) -> None:
    findings = [regressed(response, question), PASSED, UNKNOWN]
    root = ElementTree.fromstring(junit("modbench check \x1bx", findings).encode())
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "1", "0"]
    assert [case.get("classname") for case in root.iter("testcase")] == ["mod_k", "mod_k", "lora_all"]
    page = summary("modbench check x", findings, ["a note"])
    assert page.count("</pre>") == 2 and page.count("</details>") == 1
    page.encode()
    for format in FORMATS:
        text = render(findings, ["a note"], format)
        text.encode()
        if format == "json":
            assert json.loads(text)["checks"][0]["documents"][1] == {"document": "hash-1", "seed": 0}
        else:
            assert "\x1b" not in text and "\x9b" not in text


def test_markup_stays_text() -> None:
    page = summary("x", [regressed("</pre><script>alert(1)</script>")], ["*a* | `b`"])
    assert "<script>" not in page and "&lt;script&gt;" in page and r"\*a\* \| \`b\`" in page


def test_long_responses_are_cut() -> None:
    assert "[8000 more characters]" in render([regressed("x" * 10_000)], [], "table")


def test_what_seeds_would_show_is_in_every_format() -> None:
    check = replace(regressed().check, seed=None, seeds=5, spread=0.0123, status=Status.PASSED)
    for format in ("table", "markdown", "latex"):
        (line,) = (line for line in render([Finding(check)], [], format).splitlines() if "5 seeds" in line)
        assert "10.0" in line and "8.1" in line
    value = json.loads(render([Finding(check)], [], "json"))["checks"][0]
    assert (value["discordance"], value["seeds"], value["spread"], value["detectable"]) == (0.1, 5, 0.0123, 0.081)
    (row,) = csv.DictReader(io.StringIO(render([Finding(check)], [], "csv")))
    assert (row["discordance"], row["seeds"], row["spread"], row["would_show"]) == ("0.1", "5", "0.0123", "0.081")
    (said,) = ElementTree.fromstring(junit("x", [Finding(check)])).iter("system-out")
    assert "a loss of 8.1 points would show" in str(said.text)
    assert "8.1" in summary("x", [Finding(check)], [])


def test_it_says_how_many_documents_more_were_lost() -> None:
    check = replace(regressed().check, lost=tuple(f"hash-{number}" for number in range(300)))
    finding = Finding(check, regressed().documents)
    more = "298 more: --show 300 prints all, --format json names them"
    for text in (render([finding], [], "table"), junit("x", [finding]), summary("x", [finding], [])):
        assert text.count(more) == 1 and len(text.splitlines()) < 60
    assert "more:" not in render([regressed()], [], "table")


@given(st.text())
def test_a_call_that_was_broken_off_leaves_one_error(said: str) -> None:
    xml, page = broken_off("modbench check x", said)
    root = ElementTree.fromstring(xml.encode())
    assert (root.get("tests"), root.get("errors"), root.get("failures")) == ("1", "1", "0")
    assert len(list(root.iter("error"))) == 1 and "nothing was checked" in page


def test_nothing_to_check_is_no_green_report() -> None:
    root = ElementTree.fromstring(junit("x", []))
    assert root.get("errors") == "1" and "no measured row" in str(next(root.iter("error")).get("message"))
    for format in ("table", "markdown", "latex"):
        lines = render([], ["a note"], format).splitlines()
        assert len(lines) == 2 and "a note" in lines[0] and "no measured row" in lines[1]
    assert "no measured row" in summary("x", [], []) and "|" not in summary("x", [], [])
