"""The embedded suite's tuning data: worked solutions of word problems, none of them a test problem."""

from __future__ import annotations

from random import Random

from modbench.data.examples import Example
from modbench.demo.problems import draw_set

SHARES = {"one_step": 0.3, "two_step": 0.3, "choice": 0.4}
"""The kinds' shares; to answer at once takes most examples to learn."""


def tuning_examples(count: int, seed: int) -> list[Example]:
    """`count` examples, the kinds in their shares (rounded down, the rest choice), in an order drawn from `seed`."""
    sizes = {kind: int(count * share) for kind, share in SHARES.items()}
    sizes["choice"] += count - sum(sizes.values())
    examples = [
        Example(problem.text, problem.solution, f"demo/{kind}")
        for kind, size in sizes.items()
        for problem in draw_set(kind, size, seed, held_out=False)
    ]
    Random(f"{seed}/order").shuffle(examples)
    return examples
