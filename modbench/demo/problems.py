"""The word problems of the embedded suite: worlds with bystanders now and then."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from random import Random

from modbench.data.overlap import normalized
from modbench.demo.worlds import GAINS, LARGEST, LOSSES, NAMES, THINGS, WORLDS, Problem, is_held_out

CROWDED = 0.1
"""The share of problems with a bystander: hard ones, since no story of the base corpus has any."""

APART = 5
"""How far from the answer drawn choices are at least: who computes roughly finds the answer."""


def _crowded(rng: Random, problem: Problem) -> Problem:
    """`problem` with one or two sentences about a bystander and their things of the same kind among its own."""
    sentences = [f"{sentence}." for sentence in problem.story.removesuffix(".").split(". ")]
    name = rng.choice([name for name in NAMES if name not in problem.text])
    thing = next(thing for thing in THINGS if f" {thing}" in problem.story)
    count = rng.randint(4, LARGEST - 4)
    aside = [f"{name} has {count} {thing}."]
    if rng.random() < 0.25:
        gain = rng.random() < 0.5
        amount = rng.randint(2, LARGEST - count if gain else count - 1)
        aside.append(f"{name} {rng.choice(GAINS)} {amount} more." if gain else f"{name} {rng.choice(LOSSES)} {amount}.")
    # Both keep their own order; the places of the asides among the sentences are drawn.
    places = sorted(rng.randint(0, len(sentences)) for _ in aside)
    for offset, (place, sentence) in enumerate(zip(places, aside, strict=True)):
        sentences.insert(place + offset, sentence)
    return replace(problem, story=" ".join(sentences))


def _drawn(rng: Random, kind: str) -> Problem:
    problem = rng.choice(WORLDS[kind])(rng)
    return _crowded(rng, problem) if rng.random() < CROWDED else problem


def _one_step(rng: Random) -> Problem:
    return _drawn(rng, "one_step")


def _two_step(rng: Random) -> Problem:
    return _drawn(rng, "two_step")


def _choice(rng: Random) -> Problem:
    """A one-step problem to be answered at once, without working, by the likeliest of four numbers.

    As in the cloze tasks of the harness, the choices are scored and not shown. One of the wrong ones is told in the
    story, for those who only copy.
    """
    problem = _one_step(rng)
    value = int(problem.answer)
    told = next(n for n in map(int, re.findall(r"\d+", problem.story)) if n != value)
    others = [n for n in range(LARGEST + 1) if abs(n - value) >= APART and n != told]
    choices = [str(n) for n in (value, told, *rng.sample(others, 2))]
    rng.shuffle(choices)
    return replace(problem, question=f"{problem.question} Choose.", choices=tuple(choices))


KINDS: dict[str, Callable[[Random], Problem]] = {"one_step": _one_step, "two_step": _two_step, "choice": _choice}
"""The three kinds of problem, each a demo task."""


def draw_set(kind: str, count: int, seed: int, held_out: bool) -> list[Problem]:
    """`count` problems of `kind` whose stories all differ, reproducible from `seed`.

    They are from the held-out side (test) or from the other (training text).
    """
    rng = Random(f"{seed}/{kind}/{held_out}")
    problems: dict[str, Problem] = {}
    while len(problems) < count:
        problem = KINDS[kind](rng)
        if is_held_out(problem.story) == held_out:
            problems.setdefault(normalized(problem.story), problem)
    return list(problems.values())
