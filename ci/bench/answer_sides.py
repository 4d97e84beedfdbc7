"""The sides of the answers benchmark: each judges one text against several golds, the text read once where it can be.

Math-Verify is no dependency: `pip install math-verify` (or `pip install --target DIR math-verify` and `PYTHONPATH=DIR`)
adds it; without it that side is left out.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from importlib.resources import files

import yaml

from modbench.answers import judge_number
from modbench.answers.upstream import score_number

Judge = Callable[[str, Sequence[str], str], list[bool]]
"""From a text, golds and the question to whether the text's answer is each of the golds."""


def modbench(text: str, golds: Sequence[str], question: str) -> list[bool]:
    """`modbench.answers.judge_number`."""
    return [judge_number(text, gold, question).correct for gold in golds]


def llm_adapters(text: str, golds: Sequence[str], _: str) -> list[bool]:
    """LLM-Adapters' scoring, as modbench's second metric computes it."""
    return [score_number(text, gold) for gold in golds]


def harness(filter_name: str) -> Judge:
    """A filter of the `gsm8k` task of lm-evaluation-harness with that task's own exact match."""
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    task = yaml.safe_load(files("lm_eval").joinpath("tasks/gsm8k/gsm8k.yaml").read_text(encoding="utf-8"))
    steps = next(found["filter"] for found in task["filter_list"] if found["name"] == filter_name)
    extract = RegexFilter(**{key: value for key, value in steps[0].items() if key != "function"})
    options = {key: task["metric_list"][0][key] for key in ("regexes_to_ignore", "ignore_case", "ignore_punctuation")}

    def judge(text: str, golds: Sequence[str], _: str) -> list[bool]:
        [[found]] = extract.apply([[text]], [{}])
        return [bool(exact_match_hf_evaluate([found], [gold], **options)["exact_match"]) for gold in golds]

    return judge


def math_verify() -> Judge | None:
    """Math-Verify with its defaults; None where it is not installed."""
    if not importlib.util.find_spec("math_verify"):
        return None
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # Its time-outs are verdicts here, not news.

    def judge(text: str, golds: Sequence[str], _: str) -> list[bool]:
        found = parse(text)
        return [verify(parse(gold), found) for gold in golds]

    return judge


def all_sides() -> dict[str, Judge | None]:
    """Every side by name, ours first; None for one that is not installed."""
    return {
        "modbench": modbench,
        "math_verify": math_verify(),
        "harness strict-match": harness("strict-match"),
        "harness flexible-extract": harness("flexible-extract"),
        "llm_adapters": llm_adapters,
    }
