"""Output folders of lm-evaluation-harness, written as it writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STAMP = "2025-01-02T03-04-05.678901"
LATER = "2026-01-02T03-04-05.678901"


def generated(doc_id: int, response: str, answer: str, right: bool) -> dict[str, Any]:
    """A row of a task with generated answers, as it is on disk."""
    return {
        "doc_id": doc_id,
        "doc": {"question": f"How many are {doc_id}?", "answer": "4"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": f"Q: How many are {doc_id}?\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [[response]],
        "filtered_resps": [answer],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "doc_hash": f"hash-{doc_id}",
        "exact_match": float(right),
    }


def chosen(doc_id: int, likelihoods: Sequence[float], right: int) -> dict[str, Any]:
    """A row of a task with choices: numbers have become texts."""
    return {
        "doc_id": doc_id,
        "doc": {"query": f"Which is {doc_id}?"},
        "target": str(right),
        "arguments": {f"gen_args_{i}": {"arg_0": "Q:", "arg_1": f" choice {i}"} for i in range(len(likelihoods))},
        "resps": [[[str(value), "False"]] for value in likelihoods],
        "filtered_resps": [[str(value), "False"] for value in likelihoods],
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": f"hash-{doc_id}",
        "acc": float(max(range(len(likelihoods)), key=likelihoods.__getitem__) == right),
    }


def write(
    folder: Path,
    stamp: str = STAMP,
    config: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
    **tasks: Sequence[dict[str, Any]],
) -> Path:
    """An output folder; `config` is added to each task's settings, `top` to the results file itself."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {
        "results": {},
        "configs": {task: {"task": task, "metadata": {"version": 1.0}} | dict(config or {}) for task in tasks},
        "n-samples": {
            task: {"original": 9, "effective": len({row["doc_id"] for row in of})} for task, of in tasks.items()
        },
        "model_name": "tiny",
    }
    (folder / f"results_{stamp}.json").write_text(json.dumps(results | dict(top or {})))
    for task, rows in tasks.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"samples_{task}_{stamp}.jsonl").write_text(lines)
    return folder
