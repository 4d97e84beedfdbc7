"""Rows of the harness's sample files as it had them in memory: on the way to disk it makes texts of numbers."""

from __future__ import annotations

from typing import Any

QUESTIONS = ("instruction", "question", "query")
"""Where the documents of most tasks have their question."""


def as_logged(row: dict[str, Any]) -> dict[str, Any]:
    """`row` with the arguments of each request as a list, log-likelihoods as numbers, and the number of a choice as
    such. Raises KeyError, TypeError or ValueError for what the harness did not write."""
    arguments, target = row["arguments"], row["target"]
    if isinstance(arguments, dict):
        arguments = [list(of.values()) for of in arguments.values()]
    filtered = [[float(of[0]), *of[1:]] if isinstance(of, list) else of for of in row["filtered_resps"]]
    choice = bool(filtered) and isinstance(filtered[0], list) and str(target).isdecimal()
    return row | {"arguments": arguments, "filtered_resps": filtered, "target": int(target) if choice else target}


def instruction_of(row: dict[str, Any]) -> str | None:
    """The question of the document, else all that the model was shown."""
    for name in QUESTIONS:
        if isinstance(row["doc"].get(name), str):
            return str(row["doc"][name])
    prompt = as_logged(row)["arguments"][0][0]
    return prompt if isinstance(prompt, str) else None
