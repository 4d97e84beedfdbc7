from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from modbench.data import sources
from modbench.data.golds import EQUATIONS, OUTPUTS, against_equations, check_golds, worked_outputs
from modbench.data.math_mix import MAWPS_TRAIN
from modbench.data.sources import FILES, PinnedFile, git_blob_id

real = pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")

# The forms of upstream's files, one problem of each being its own.
ADDSUB = [
    {"iIndex": 1, "sQuestion": "Joan found 70 . How many ? ", "lEquations": ["X = 70 - 27"], "lSolutions": ["43"]},
    {"iIndex": 2, "sQuestion": "Sam had 9 dimes . How many ? ", "lEquations": ["X = 9 + 7"], "lSolutions": ["16"]},
    {"iIndex": 3, "sQuestion": "Two of them ?", "lEquations": ["x + y = 2", "x - y = 0"], "lSolutions": [1, 1]},
]
SINGLEEQ = [
    {"iIndex": 0, "sQuestion": "70 shells ?", "lEquations": ["70-x=27"], "lSolutions": [43.0], "grammarCheck": 0},
    {"iIndex": 1, "sQuestion": "5 bars ?", "lEquations": ["2+(5*x)=27"], "lSolutions": [5.0], "templateNumber": 0},
]
SVAMP = [
    {"ID": "chal-1", "Body": "DVDs cost 76 dollars. If there is a discount of 25", "Question": "How much do you pay?"}
    | {"Equation": "( 76.0 - 25.0 )", "Answer": 51.0, "Type": "Subtraction"}
]
MAWPS = [
    {"id": 7, "original_text": "A third of 1 ?", "segmented_text": "", "equation": "x=1.0/3.0", "ans": 0.3333},
    {"id": 8, "original_text": "Stamps ?", "segmented_text": "", "equation": "x=34*4", "ans": 134.0},
    {"id": 9, "original_text": "Stamps ?", "segmented_text": "", "equation": "x=34*4", "ans": 136.0},
    {"id": 10, "original_text": "Joan found 70 . How many ?", "equation": "7=3+x", "ans": 4.0},
]


def test_row(instruction: str, answer: object, output: str = "") -> dict[str, Any]:
    return {"instruction": instruction, "input": "", "output": output, "answer": answer}


test_row.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("stated", "question", "right", "wrong", "value"),
    [
        (ADDSUB, "joan found 70. How many?", "43.0", "27", "43"),
        (SINGLEEQ, "5 bars?", "5", "25.0", "5"),
        (SVAMP, "DVDs cost 76 dollars. If there is a discount of 25. How much do you pay?", "51.0", "101", "51"),
        (MAWPS, "A third of 1?", "0.3333333333333333", "3.0", "0.3333"),
    ],
)
def test_golds_against_equations(stated: list[Any], question: str, right: str, wrong: str, value: str) -> None:
    problems = [test_row(question, right), test_row("Another?", "1"), test_row(question, wrong)]
    found = against_equations("stated", stated, "test", problems)
    assert (found.problems, found.compared, found.contradicted, found.rounded) == (3, 2, 1, 0)
    (finding,) = found.findings
    assert (finding.number, finding.gold, finding.value, finding.problem) == (3, wrong, value, question)
    assert finding.evidence in json.dumps(stated)


def test_what_is_not_computed_is_not_compared() -> None:
    problems = [test_row("Two of them?", "1"), test_row("Sam had 9 dimes. How many?", "sixteen")]
    assert against_equations("stated", ADDSUB, "test", problems).compared == 0


def test_a_set_with_its_own_equations() -> None:
    found = against_equations(MAWPS_TRAIN, MAWPS, MAWPS_TRAIN, MAWPS)
    assert (found.problems, found.compared, found.contradicted, found.rounded) == (4, 4, 1, 0)
    assert (found.findings[0].number, found.findings[0].value) == (2, "136")


@pytest.mark.parametrize(
    ("gold", "equation", "rounded"),
    [("41.0", "x=3200/78", True), ("5.0", "x=40/7", False), ("83.33", "x=500/6", True), ("83.34", "x=500/6", False)],
)
def test_rounding_is_told_apart(gold: str, equation: str, rounded: bool) -> None:
    stated = [{"original_text": "?a", "equation": equation, "ans": 0}]
    (finding,) = against_equations("stated", stated, "test", [test_row("A?", gold)]).findings
    assert finding.rounded is rounded


def test_several_equations_of_one_question() -> None:
    stated = [{"original_text": "A?", "equation": equation, "ans": 0} for equation in ("x=1+1", "x=2+1")]
    found = against_equations("stated", stated, "test", [test_row("a", gold) for gold in ("2", "3", "4")])
    assert [finding.gold for finding in found.findings] == ["4"]


def test_worked_outputs() -> None:
    aqua = "What is left? Answer Choices: (A) 23.65 (B) 1000 (C) 35.62"
    arc = "Please choose the correct answer to the question: Why so?\n\nAnswer1: Yes. Answer2: No.\n\n" + (
        "Answer format: answer1/answer2"
    )
    problems = [
        test_row(aqua, "A", "\nRationale: The greatest is $1022.The answer is (C)."),
        test_row(aqua, "A", "The answer is (A)."),
        test_row("Two nuts and two?", "4.0", "\nA: 2 + 2 = 4. The answer is 4."),
        test_row("Two nuts and two?", "4.0", "\nA: 2 + 2 = 5. The answer is 5."),
        test_row("Two nuts and two?", "4.0", "I cannot say."),
        test_row("Two nuts and two?", "4.0"),
        test_row(arc, "answer2", "the correct answer is answer2"),
    ]
    found = worked_outputs("test", problems)
    assert (found.problems, found.compared, found.contradicted, found.of_outputs) == (7, 5, 2, True)
    assert [(finding.number, finding.gold, finding.value) for finding in found.findings] == [
        (1, "A", "C"),
        (4, "4.0", "5"),
    ]
    assert found.findings[0].problem == "What is left?"


def test_all_files_that_can_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files: dict[str, object] = {
        "dataset/AddSub/AddSub.json": ADDSUB,
        "dataset/AddSub/test.json": [test_row("Joan found 70 . How many ?", "43", "The answer is 44.")],
        "dataset/SVAMP/SVAMP.json": SVAMP,
        "dataset/SingleEq/test.json": [test_row("70 shells ?", "43.0")],
        MAWPS_TRAIN: MAWPS,
    }
    pins = dict(FILES)
    for path, rows in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps(rows))
        pins[path] = PinnedFile("owner/name", "0123abc", git_blob_id(tmp_path / path), "MIT")
    monkeypatch.setattr(sources, "FILES", pins)
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    checks, missing = check_golds()
    assert [(check.source, check.set, check.contradicted) for check in checks] == [
        ("dataset/AddSub/AddSub.json", "dataset/AddSub/test.json", 0),
        (MAWPS_TRAIN, MAWPS_TRAIN, 1),
        (MAWPS_TRAIN, "dataset/AddSub/test.json", 1),
        (OUTPUTS, "dataset/AddSub/test.json", 1),
    ]
    looked_for = {*EQUATIONS, *EQUATIONS.values(), *(path for path in FILES if path.endswith("/test.json"))}
    assert missing.keys() == looked_for - files.keys()
    assert all("MODBENCH_DATA" in reason for reason in missing.values())
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.json")}


@pytest.fixture(scope="module")
def of_real_sets() -> Callable[[str, str], Any]:
    checks, _ = check_golds()
    return lambda source, path: next(check for check in checks if (check.source, check.set) == (source, path))


@pytest.mark.realdata
@real
def test_the_first_of_aqua(of_real_sets: Callable[[str, str], Any]) -> None:
    """1023.65 - 1000 = 23.65, which is (A), the gold; the worked output says (D)."""
    first = of_real_sets(OUTPUTS, "dataset/AQuA/test.json").findings[0]
    assert (first.number, first.gold, first.value) == (1, "A", "D")


@pytest.mark.realdata
@real
def test_mawps_against_floats(of_real_sets: Callable[[str, str], Any]) -> None:
    """As many solved equations as `eval` finds on text that a pattern has cleared, and as the math mix leaves out."""
    found = of_real_sets(MAWPS_TRAIN, MAWPS_TRAIN)
    rows = json.loads((Path(os.environ["MODBENCH_DATA"]) / MAWPS_TRAIN).read_text())
    bad = set()
    for number, row in enumerate(rows, 1):
        unknown, _, right = row["equation"].partition("=")
        solved = unknown.isalpha() and set(right) <= set("0123456789.+-*/() ")
        if solved and abs(eval(right) - float(row["ans"])) > 1e-3:
            bad.add(number)
    assert {finding.number for finding in found.findings} == bad
    assert (len(bad), found.compared, found.contradicted, found.rounded) == (40, 1887, 18, 22)
    for finding in found.findings:
        off = abs(Fraction(rows[finding.number - 1]["ans"]) - Fraction(finding.value))
        assert off > Fraction(9, 10_000)
