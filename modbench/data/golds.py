"""Golds that cannot be right, or worked outputs that cannot: equations, golds and outputs held against each other."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from modbench.answers import Outcome, judge_choice, judge_number
from modbench.data.choices import choices_of
from modbench.data.download import Unavailable
from modbench.data.equations import UnsupportedEquation, clean_number, solve_linear
from modbench.data.math_mix import MAWPS_TRAIN
from modbench.data.overlap import normalized, question_of
from modbench.data.problem_sets import TEST_SETS
from modbench.data.rows import rows
from modbench.data.worked import TOLERANCE

EQUATIONS = {
    "dataset/AddSub/AddSub.json": "dataset/AddSub/test.json",
    "dataset/SingleEq/SingleEq.json": "dataset/SingleEq/test.json",
    "dataset/MultiArith/MultiArith.json": "dataset/MultiArith/test.json",
    "dataset/SVAMP/SVAMP.json": "dataset/SVAMP/test.json",
    "dataset/mawps/testset.json": "dataset/mawps/test.json",
}
"""The files that state equations, each with the test set of the same problems."""

OUTPUTS = "worked outputs"


@dataclass(frozen=True)
class Finding:
    """A gold and what contradicts it: the `value` that an equation gives or that a worked output arrives at.

    `number` counts the problems of the set from 1; `evidence` is the equation, or the whole output. `rounded` says that
    the gold is no more than the value of the equation, rounded to the places that the gold has.
    """

    set: str
    number: int
    problem: str
    gold: str
    value: str
    evidence: str
    rounded: bool = False


@dataclass(frozen=True)
class Check:
    """The golds of `set` held against `source`: an equation file, or the set's own worked outputs.

    Of the `problems`, so many could be `compared`; the rest have no equation or output, or one that cannot be read.
    """

    source: str
    set: str
    problems: int
    compared: int
    findings: list[Finding]

    @property
    def of_outputs(self) -> bool:
        """Whether worked outputs were compared, not equations."""
        return self.source == OUTPUTS

    @property
    def contradicted(self) -> int:
        """Golds that differ by more than rounding."""
        return sum(not finding.rounded for finding in self.findings)

    @property
    def rounded(self) -> int:
        """Golds that differ by rounding only."""
        return len(self.findings) - self.contradicted


def check_golds() -> tuple[list[Check], dict[str, str]]:
    """All checks that the files at hand allow, and the files that cannot be had with the reason; changes nothing.

    Raises ModbenchError if a file is not the pinned one.
    """
    checks: list[Check] = []
    missing: dict[str, str] = {}

    def available(path: str) -> list[dict[str, Any]]:
        try:
            return rows(path)
        except Unavailable as error:
            missing[path] = str(error)
            return []

    tests = {path: available(path) for path in TEST_SETS}
    for source, path in EQUATIONS.items():
        stated = available(source)
        if stated and tests[path]:
            checks.append(against_equations(source, stated, path, tests[path]))
    if training := available(MAWPS_TRAIN):
        checks.append(against_equations(MAWPS_TRAIN, training, MAWPS_TRAIN, training))
        # It holds problems of several test sets, with their equations.
        elsewhere = [against_equations(MAWPS_TRAIN, training, path, tests[path]) for path in EQUATIONS.values()]
        checks += [check for check in elsewhere if check.compared]
    checks += [worked_outputs(path, problems) for path, problems in tests.items() if any(map(_output, problems))]
    return checks, missing


def against_equations(source: str, stated: list[dict[str, Any]], path: str, problems: list[dict[str, Any]]) -> Check:
    """Golds of the `problems` of `path` against the equations that the rows of `source` state for the same questions.

    A gold may differ by 0.001, upstream's tolerance. Where one question has several equations, one has to agree.
    """
    equations: dict[str, dict[str, Fraction]] = {}
    for row in stated:
        question, equation = _stated(row)
        try:
            equations.setdefault(normalized(question), {})[equation] = solve_linear(equation)
        except UnsupportedEquation:
            continue
    findings, compared = [], 0
    for number, row in enumerate(problems, 1):
        question, gold = _asked(row)
        solutions = equations.get(normalized(question_of(question)))
        if source == path:  # a set that states its own equations: each row by its own
            solutions = {own: solutions[own] for own in [_stated(row)[1]] if solutions and own in solutions}
        expected = _decimal(gold)
        if not solutions or expected is None:
            continue
        compared += 1
        if all(abs(value - expected) > TOLERANCE for value in solutions.values()):
            equation, value = next(iter(solutions.items()))
            # Half a unit in the last place of the gold, 5.0 counting as 5.
            half = Fraction(1, 2 * 10 ** len(gold.partition(".")[2].rstrip("0")))
            rounded = any(abs(value - expected) <= half for value in solutions.values())
            findings.append(Finding(path, number, question, gold, clean_number(value), equation, rounded))
    return Check(source, path, len(problems), compared, findings)


def worked_outputs(path: str, problems: list[dict[str, Any]]) -> Check:
    """Golds of the `problems` of `path` against the answers that their worked outputs arrive at."""
    findings, compared = [], 0
    for number, row in enumerate(problems, 1):
        (question, gold), output = _asked(row), _output(row)
        if not output:
            continue
        choices = choices_of(question)
        verdict = judge_choice(output, gold, choices) if choices else judge_number(output, gold, question)
        compared += verdict.answer is not None
        if verdict.outcome is Outcome.WRONG and verdict.answer is not None:
            findings.append(Finding(path, number, question_of(question).strip(), gold, verdict.answer, output))
    return Check(OUTPUTS, path, len(problems), compared, findings)


def _asked(row: dict[str, Any]) -> tuple[str, str]:
    """Question and gold of a training row of MAWPS or of a test row."""
    if "original_text" in row:
        return row["original_text"], str(row["ans"])
    return row["instruction"], str(row["answer"])


def _decimal(gold: str) -> Fraction | None:
    try:
        return Fraction(gold.replace(",", ""))
    except ValueError:
        return None


def _output(row: dict[str, Any]) -> str:
    return str(row.get("output") or "").strip()


def _stated(row: dict[str, Any]) -> tuple[str, str]:
    """Question and equation of a row: MAWPS's, SVAMP's or the one that the other three sets share."""
    if "original_text" in row:
        return row["original_text"], row["equation"]
    if "Equation" in row:
        return f"{row['Body']} {row['Question']}", row["Equation"]
    return row["sQuestion"], ";".join(row["lEquations"])
