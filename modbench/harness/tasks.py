"""What the task files under `tasks/` call by `!function`: documents, prompts, answer extraction, verdicts.

Every document has the fields `instruction` and `answer` (text), and `choices` (list of texts) where there are any.
The harness passes its metadata to `custom_dataset` functions along with `dataset_kwargs`: hence their `**_`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from modbench.answers.upstream import last_number, within
from modbench.data.prompts import get_prompt
from modbench.data.sources import locate
from modbench.demo.problems import draw_set

if TYPE_CHECKING:
    from datasets import Dataset

INVALID = "[invalid]"
"""What stands for the extracted answer where a response has none, as in the harness's own filters."""

DEMO_COUNT = 400
DEMO_SEED = 1


def pinned_documents(data_file: str, **_: Any) -> dict[str, Dataset]:
    """The problems of a test set of LLM-Adapters, `data_file` being its key in `modbench.data.sources.FILES`."""
    from datasets import Dataset

    rows = json.loads(locate(data_file).read_text(encoding="utf-8"))
    documents = [{"instruction": row["instruction"], "answer": str(row["answer"])} for row in rows]
    return {"test": Dataset.from_list(documents)}


def demo_documents(problems: str, **_: Any) -> dict[str, Dataset]:
    """The held-out problems of one kind of the embedded suite, `problems` being a key of `KINDS`."""
    from datasets import Dataset

    documents: list[dict[str, Any]] = []
    for problem in draw_set(problems, count=DEMO_COUNT, seed=DEMO_SEED, held_out=True):
        choices = {"choices": list(problem.choices)} if problem.choices else {}
        documents.append({"instruction": problem.text, "answer": problem.answer} | choices)
    return {"test": Dataset.from_list(documents)}


def alpaca_prompt(doc: dict[str, Any]) -> str:
    """The document's instruction in the prompt `alpaca`."""
    return get_prompt("alpaca").render(doc["instruction"])


def qa_prompt(doc: dict[str, Any]) -> str:
    """The document's instruction in the prompt `qa`."""
    return get_prompt("qa").render(doc["instruction"])


def extract_last_number(responses: Iterable[Sequence[str]], docs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The harness's filter function: for each response of each document its last number, or `INVALID`."""
    return [[last_number(response) or INVALID for response in of_document] for of_document in responses]


def score_number(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """`acc` is 1 if the extracted number is within 0.001 of the answer, else 0."""
    return {"acc": float(within(results[0], doc["answer"]))}


def score_text(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """`acc` is 1 if the extracted text is the answer, else 0."""
    return {"acc": float(results[0] == doc["answer"])}
