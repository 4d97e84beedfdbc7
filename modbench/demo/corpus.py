"""The base corpus of the embedded model: numbers, arithmetic and small stories, as endless seeded streams.

It comes in two parts. The first tells stories and never asks. The second mixes in the words of questions and answers:
questions that nobody answers, and questions whose answer stands in the story and needs no arithmetic. To solve
problems is what the suite's tuning teaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from modbench.demo.problems import KINDS
from modbench.demo.worlds import LARGEST, NAMES, THINGS, draw_world, is_held_out


def _equation(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.45:
        total = rng.randint(0, LARGEST)
        first = rng.randint(0, total)
        return f"{first} + {total - first} = {total}."
    if kind < 0.9:
        whole = rng.randint(0, LARGEST)
        part = rng.randint(0, whole)
        return f"{whole} - {part} = {whole - part}."
    x, y = rng.randint(1, 9), rng.randint(1, 9)
    return f"{x} * {y} = {x * y}."


def _equations(rng: Random) -> str:
    return " ".join(_equation(rng) for _ in range(8))


def _chain(rng: Random) -> str:
    """Equations that go on from the last result, as the steps of a solution do."""
    value, steps = rng.randint(2, 60), []
    for _ in range(5):
        if value > 3 and rng.random() < 0.5:
            part = rng.randint(1, value - 1)
            steps.append(f"{value} - {part} = {value - part}.")
            value -= part
        else:
            part = rng.randint(0, LARGEST - value)
            steps.append(f"{value} + {part} = {value + part}.")
            value += part
    return " ".join(steps)


def _order(rng: Random) -> str:
    numbers = rng.sample(range(LARGEST + 1), 4)
    shown = " ".join(map(str, numbers))
    sort = " < ".join(map(str, sorted(numbers)))
    return f"{shown}: {sort}. Most {max(numbers)}. Fewest {min(numbers)}."


def _count(rng: Random) -> str:
    step = rng.choice((1, 1, 2, 5))
    start = rng.randint(0, LARGEST - 8 * step)
    return " ".join(str(start + i * step) for i in range(8)) + "."


def _recall(rng: Random) -> str:
    """Who has how many, then each fact again in another order: to answer is to look back."""
    names = rng.sample(NAMES, 4)
    facts = [(name, rng.randint(0, LARGEST), thing) for name, thing in zip(names, rng.sample(THINGS, 4), strict=True)]
    told = " ".join(f"{name} has {count} {thing}." for name, count, thing in facts)
    rng.shuffle(facts)
    by_count = " ".join(f"{count} {thing}: {name}." for name, count, thing in facts[:2])
    by_name = " ".join(f"{name}: {count} {thing}." for name, count, thing in facts[2:])
    return f"{told} {by_count} {by_name}"


def _story(rng: Random) -> str:
    problem = draw_world(rng, rng.choice(("one_step", "one_step", "two_step")))
    worked = " ".join(problem.steps) + " " if rng.random() < 0.6 else ""
    return f"{problem.story} {worked}{problem.statement}"


def _stories(rng: Random) -> str:
    return "\n".join(_story(rng) for _ in range(2))


def _question(rng: Random) -> str:
    """A problem of the suite's kinds that stays without an answer."""
    while True:
        problem = rng.choice(list(KINDS.values()))(rng)
        if not is_held_out(problem.story):
            return f"Question: {problem.text}"


def _lookup(rng: Random) -> str:
    """A question whose answer is told: who has how many."""
    thing = rng.choice(THINGS)
    while True:
        names = rng.sample(NAMES, rng.randint(2, 4))
        counts = rng.sample(range(LARGEST + 1), 4)
        told = [f"{name} has {count} {thing}." for name, count in zip(names, counts, strict=False)]
        if not any(is_held_out(" ".join(told[:end])) for end in range(2, len(told) + 1)):
            break
    asked = rng.randrange(len(names))
    question = f"Question: {' '.join(told)} How many {thing} does {names[asked]} have{rng.choice((' now', ''))}?"
    if rng.random() < 0.6:
        return f"{question}\nAnswer: The answer is {counts[asked]}."
    shown = ", ".join(str(count) for count in rng.sample(counts, 4))
    return f"{question} Choose {shown}.\nAnswer: {counts[asked]}."


Mixture = tuple[tuple[Callable[[Random], str], float], ...]

STORIES: Mixture = (
    (_equations, 0.22),
    (_chain, 0.14),
    (_order, 0.08),
    (_count, 0.02),
    (_recall, 0.12),
    (_stories, 0.42),
)
"""Kinds of document and their shares in the first part of the base training."""

QUESTIONS: Mixture = (
    (_equations, 0.16),
    (_chain, 0.14),
    (_order, 0.04),
    (_recall, 0.06),
    (_stories, 0.30),
    (_question, 0.12),
    (_lookup, 0.18),
)
"""The same for the second part."""


def documents(seed: int, mixture: Mixture) -> Iterator[str]:
    """The endless stream of base documents of `mixture` for `seed`."""
    rng = Random(f"{seed}/corpus")
    kinds, shares = zip(*mixture, strict=True)
    while True:
        yield rng.choices(kinds, shares)[0](rng)
