"""Small worlds to reason about, of which the base corpus tells stories and the embedded suite asks.

Everything is drawn from a seeded `random.Random`; nothing is read from disk. A *story* states facts ("Ann has 12
apples. Ann finds 7 more."), a *problem* asks about a story and knows its worked solution. Whether a story belongs to
the test sets or to training text is decided by a digest of the story itself (`is_held_out`), so that no test problem
can appear in any training text, whatever the seeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from modbench.data.overlap import normalized

NAMES = (
    "Ann",
    "Ben",
    "Cara",
    "Dan",
    "Ella",
    "Finn",
    "Gina",
    "Hugo",
    "Iris",
    "Jack",
    "Kate",
    "Leo",
    "Mia",
    "Noah",
    "Olga",
    "Paul",
    "Rosa",
    "Sam",
    "Tara",
    "Victor",
)
THINGS = (
    "apples",
    "books",
    "cards",
    "coins",
    "cups",
    "eggs",
    "hats",
    "keys",
    "nuts",
    "pears",
    "pens",
    "plums",
    "rings",
    "shells",
    "stamps",
    "toys",
)
GAINS = ("finds", "buys", "gets", "wins", "makes")
LOSSES = ("loses", "sells", "drops", "breaks", "uses")
BOXES = ("boxes", "bags", "jars")
LARGEST = 99
"""Every number in a story, a sum or an answer is an integer from 0 to this: each is one token."""


@dataclass(frozen=True)
class Problem:
    """A story, a question about it, and the solution.

    `steps` are the equations of the worked solution in order; `statement` says the answer as a story would, and
    `choices` are the possible answers of a multiple-choice problem (empty otherwise).
    """

    story: str
    question: str
    steps: tuple[str, ...]
    statement: str
    answer: str
    choices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"{self.story} {self.question}"

    @property
    def solution(self) -> str:
        """The worked solution that tuning teaches."""
        if self.choices:
            return f"{self.answer}."
        return " ".join((*self.steps, f"The answer is {self.answer}."))


def is_held_out(story: str) -> bool:
    """Whether a story belongs to the test sets (one in eight do), decided by the SHA-256 of its normalized text."""
    return hashlib.sha256(normalized(story).encode()).digest()[0] < 32


def _addends(rng: Random) -> tuple[int, int]:
    total = rng.randint(4, LARGEST)
    first = rng.randint(2, total - 2)
    return first, total - first


def _minuend(rng: Random) -> tuple[int, int]:
    whole = rng.randint(4, LARGEST)
    return whole, rng.randint(2, whole - 2)


def _plus(a: int, b: int) -> str:
    return f"{a} + {b} = {a + b}."


def _minus(a: int, b: int) -> str:
    return f"{a} - {b} = {a - b}."


def _two_names(rng: Random) -> tuple[str, str]:
    first, second = rng.sample(NAMES, 2)
    return first, second


def _gain(rng: Random) -> Problem:
    a, thing, (x, y) = rng.choice(NAMES), rng.choice(THINGS), _addends(rng)
    story = f"{a} has {x} {thing}. {a} {rng.choice(GAINS)} {y} more."
    return _change(a, thing, story, (_plus(x, y),), x + y)


def _loss(rng: Random) -> Problem:
    (a, b), thing, (x, y) = _two_names(rng), rng.choice(THINGS), _minuend(rng)
    event = f"gives {y} to {b}" if rng.random() < 0.4 else f"{rng.choice(LOSSES)} {y}"
    return _change(a, thing, f"{a} has {x} {thing}. {a} {event}.", (_minus(x, y),), x - y)


def _change(name: str, thing: str, story: str, steps: tuple[str, ...], left: int) -> Problem:
    question = f"How many {thing} does {name} have now?"
    return Problem(story, question, steps, f"Now {name} has {left} {thing}.", str(left))


def _compare(rng: Random) -> Problem:
    (a, b), thing = _two_names(rng), rng.choice(THINGS)
    more = rng.random() < 0.5
    x, y = _addends(rng) if more else _minuend(rng)
    value = x + y if more else x - y
    story = f"{a} has {x} {thing}. {b} has {y} {'more' if more else 'fewer'} than {a}."
    step = _plus(x, y) if more else _minus(x, y)
    return Problem(story, f"How many {thing} does {b} have?", (step,), f"{b} has {value} {thing}.", str(value))


def _together(rng: Random) -> Problem:
    (a, b), thing, (x, y) = _two_names(rng), rng.choice(THINGS), _addends(rng)
    story = f"{a} has {x} {thing}. {b} has {y} {thing}."
    question = f"How many {thing} do {a} and {b} have together?"
    statement = f"Together {a} and {b} have {x + y} {thing}."
    return Problem(story, question, (_plus(x, y),), statement, str(x + y))


def _groups(rng: Random) -> Problem:
    a, thing, box = rng.choice(NAMES), rng.choice(THINGS), rng.choice(BOXES)
    x, y = rng.randint(2, 9), rng.randint(2, 9)
    story = f"{a} has {x} {box}. Each holds {y} {thing}."
    question = f"How many {thing} does {a} have?"
    return Problem(story, question, (f"{x} * {y} = {x * y}.",), f"{a} has {x * y} {thing}.", str(x * y))


def _two_changes(rng: Random) -> Problem:
    (a, b), thing = _two_names(rng), rng.choice(THINGS)
    count = rng.randint(4, 60)
    story, steps = f"{a} has {count} {thing}.", []
    for _ in range(2):
        if count > 3 and (rng.random() < 0.5 or count > LARGEST - 4):
            part = rng.randint(2, count - 1)
            event = f"gives {part} to {b}" if rng.random() < 0.4 else f"{rng.choice(LOSSES)} {part}"
            steps.append(_minus(count, part))
            count -= part
        else:
            part = rng.randint(2, LARGEST - count)
            event = f"{rng.choice(GAINS)} {part} more"
            steps.append(_plus(count, part))
            count += part
        story += f" {a} {event}."
    return _change(a, thing, story, tuple(steps), count)


def _compare_together(rng: Random) -> Problem:
    (a, b), thing = _two_names(rng), rng.choice(THINGS)
    more = rng.random() < 0.5
    x = rng.randint(3, 40)
    y = rng.randint(2, LARGEST - 2 * x) if more else rng.randint(2, x - 1)
    other = x + y if more else x - y
    story = f"{a} has {x} {thing}. {b} has {y} {'more' if more else 'fewer'} than {a}."
    steps = (_plus(x, y) if more else _minus(x, y), _plus(x, other))
    question = f"How many {thing} do {a} and {b} have together?"
    statement = f"Together {a} and {b} have {x + other} {thing}."
    return Problem(story, question, steps, statement, str(x + other))


def _groups_change(rng: Random) -> Problem:
    a, thing, box = rng.choice(NAMES), rng.choice(THINGS), rng.choice(BOXES)
    x, y = rng.randint(2, 9), rng.randint(2, 9)
    held = x * y
    story = f"{a} has {x} {box}. Each holds {y} {thing}."
    if rng.random() < 0.5:
        part = rng.randint(2, LARGEST - held)
        story, step, left = f"{story} {a} {rng.choice(GAINS)} {part} more.", _plus(held, part), held + part
    else:
        part = rng.randint(2, held - 1)
        story, step, left = f"{story} {a} {rng.choice(LOSSES)} {part}.", _minus(held, part), held - part
    return _change(a, thing, story, (f"{x} * {y} = {held}.", step), left)


WORLDS: dict[str, tuple[Callable[[Random], Problem], ...]] = {
    "one_step": (_gain, _loss, _compare, _together, _groups),
    "two_step": (_two_changes, _compare_together, _groups_change),
}
"""The worlds that stories are drawn from, by the number of equations that solve them."""


def draw_world(rng: Random, kind: str) -> Problem:
    """One plain story of `kind` from the training side, with its question and solution."""
    while True:
        problem = rng.choice(WORLDS[kind])(rng)
        if not is_held_out(problem.story):
            return problem
