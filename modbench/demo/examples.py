"""The embedded suite's tuning data: worked solutions of word problems, none of them a test problem."""

from __future__ import annotations

from random import Random

from modbench.data.examples import Example
from modbench.demo.problems import KINDS, draw_set


def tuning_examples(count: int, seed: int) -> list[Example]:
    """`count` examples, the three kinds in equal shares, in an order drawn from `seed`."""
    kinds = list(KINDS)
    examples = []
    for index, kind in enumerate(kinds):
        share = count // len(kinds) + (index < count % len(kinds))
        problems = draw_set(kind, share, seed, held_out=False)
        examples += [Example(problem.text, problem.solution, f"demo/{kind}") for problem in problems]
    Random(f"{seed}/order").shuffle(examples)
    return examples
