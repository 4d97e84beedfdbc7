"""What the task files under `tasks/` call by `!function`: documents, few-shot examples, verdicts.

Every document has the fields `instruction` and `answer` (text); `choices` (list of texts) where there are any, and
then `answer` is the text of one of them. An example has `response` too, the worked answer.
The harness passes its metadata to `custom_dataset` functions along with `dataset_kwargs`: hence their `**_`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from modbench.data.choices import choices_of
from modbench.data.overlap import question_of
from modbench.data.pools import Shot, Sifted, read_pool
from modbench.data.rows import rows
from modbench.demo.problems import draw_set
from modbench.demo.worlds import Problem
from modbench.harness.scoring import Kind, score

if TYPE_CHECKING:
    from datasets import Dataset

DEMO_COUNT = 400
DEMO_SEED = 1
DEMO_POOL = "demo/"
"""How the pools of the demo tasks begin; what follows is a key of `modbench.demo.problems.KINDS`."""

YES_NO = {"true": "yes", "false": "no"}
"""What stands for BoolQ's labels as choices."""


def documents(data_file: str, **_: Any) -> dict[str, Dataset]:
    """The problems of a test set of LLM-Adapters, `data_file` being its key in `modbench.data.sources.FILES`."""
    return _test_split([{"instruction": row["instruction"], "answer": str(row["answer"])} for row in rows(data_file)])


def choice_documents(data_file: str, **_: Any) -> dict[str, Dataset]:
    """The same problems for scoring by log-likelihood: with `question` and `choices` read from the instruction."""
    return _test_split([_choice_document(row["instruction"], row["answer"]) for row in rows(data_file)])


def demo_documents(problems: str, **_: Any) -> dict[str, Dataset]:
    """The held-out problems of one kind of the embedded suite, `problems` being a key of `KINDS`."""
    return _test_split([_demo_document(problem) for problem in _demo_problems(problems, held_out=True)])


def examples(pool: str, choices: bool) -> list[dict[str, Any]]:
    """The few-shot examples of `pool` as documents, with `choices` if the task scores them.

    Raises what `read_pool` raises.
    """
    if pool.startswith(DEMO_POOL):
        drawn = _demo_problems(pool.removeprefix(DEMO_POOL), held_out=False)
        return [_demo_document(problem) | {"response": problem.solution} for problem in drawn]
    return [_example(shot, choices) for shot in pool_of(pool).shots]


def pool_of(name: str) -> Sifted:
    """The pool of few-shot examples `name`; says on stderr, once, with which test sets it could not be compared.

    Raises what `read_pool` raises.
    """
    if name.startswith(DEMO_POOL):
        drawn = _demo_problems(name.removeprefix(DEMO_POOL), held_out=False)
        return Sifted([Shot(problem.text, problem.answer, problem.solution) for problem in drawn])
    sifted = read_pool(name)
    if sifted.missing:
        _warn(f"examples of {name} may be problems of {', '.join(sifted.missing)}: these test sets cannot be had")
    return sifted


@cache
def _warn(message: str) -> None:
    sys.stderr.write(f"modbench: warning: {message}\n")


def worked_response(doc: dict[str, Any]) -> str:
    """What an example shows as its response."""
    return str(doc["response"])


def score_number(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The metrics of `modbench.harness.scoring.score` for an answer that is a number."""
    return _scored("number", doc, results)


def score_letter(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The same for an answer that is one of the letters A to E."""
    return _scored("letter", doc, results)


def score_label(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The same for an answer that is a label such as `solution1`."""
    return _scored("label", doc, results)


def right_choice(doc: dict[str, Any]) -> int:
    """Which of the choices is the answer."""
    index: int = doc["choices"].index(doc["answer"])
    return index


def filled_blanks(doc: dict[str, Any]) -> list[str]:
    """WinoGrande's sentence up to its blank, with each choice put in."""
    before = doc["question"].partition("_")[0]
    return [before + choice for choice in doc["choices"]]


def after_blank(doc: dict[str, Any]) -> str:
    """WinoGrande's sentence after its blank: what is scored in the context of either choice."""
    return str(doc["question"].partition("_")[2].strip())


def score_contexts(doc: dict[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """`acc` of the choice whose context makes the rest likeliest; `acc_norm` is equal, since the rest is one text."""
    best = max(range(len(results)), key=lambda number: results[number][0])
    right = float(best == right_choice(doc))
    return {"acc": right, "acc_norm": right}


def _test_split(rows: list[dict[str, Any]]) -> dict[str, Dataset]:
    from datasets import Dataset

    return {"test": Dataset.from_list(rows)}


def _scored(kind: Kind, doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    return score(kind, doc["instruction"], results[0], doc["answer"]).metrics


def _choice_document(instruction: str, answer: str) -> dict[str, Any]:
    question, choices = question_of(instruction).strip(), choices_of(instruction)
    if answer in YES_NO:
        choices = YES_NO
    elif answer.startswith("ending"):
        question, choices = _clean(question), {label: _clean(text) for label, text in choices.items()}
    return {
        "instruction": instruction,
        "question": question,
        "choices": list(choices.values()),
        "answer": choices[answer],
    }


def _clean(text: str) -> str:
    """HellaSwag's text without the marks that WikiHow left in it, as the harness's own task does it."""
    lines = text.strip().replace(" [title]", ". ").split("\n")
    return "\n".join(_without_brackets(line) for line in lines).replace("  ", " ")


def _without_brackets(line: str) -> str:
    # Behind the last "]" nothing closes: each "[" there would be followed to the end of the line.
    closed, end, rest = line.rpartition("]")
    return re.sub(r"\[.*?\]", "", closed + end) + rest


def _example(shot: Shot, choices: bool) -> dict[str, Any]:
    if choices:
        return _choice_document(shot.instruction, shot.answer)
    return {"instruction": shot.instruction, "answer": shot.answer, "response": shot.response}


def _demo_problems(kind: str, held_out: bool) -> list[Problem]:
    return draw_set(kind, count=DEMO_COUNT, seed=DEMO_SEED, held_out=held_out)


def _demo_document(problem: Problem) -> dict[str, Any]:
    choices = {"choices": list(problem.choices)} if problem.choices else {}
    return {"instruction": problem.text, "answer": problem.answer} | choices
