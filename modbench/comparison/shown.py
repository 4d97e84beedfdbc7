"""The documents of one cell of the solved sets, with what every method answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from modbench.comparison.join import join
from modbench.comparison.load import samples_of
from modbench.comparison.outcomes import RunOutcomes, document_keys
from modbench.errors import ModbenchError, unknown
from modbench.records import Sample

GRAMMAR = (
    "all; none; both:A,B (all of these, whatever others do); only:A or only:A,B (these and no other method); "
    "only:A-B (A and not B)"
)
"""How a cell is named; A and B are methods."""


@dataclass(frozen=True)
class Cell:
    """The documents that all of `solvers` solve and none of `others` does; `name` is how the user called it."""

    name: str
    solvers: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What one method responded, the answer read from it, and the verdict: an outcome, in words."""

    method: str
    verdict: str
    answer: str | None
    response: str


@dataclass(frozen=True)
class Document:
    """One problem under one seed; the question is None where the samples do not have it."""

    task: str
    key: str
    seed: int
    question: str | None
    gold: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Shown:
    """The first documents of a cell, of `total` over the `seeds` that its methods have in common."""

    cell: Cell
    seeds: tuple[int, ...]
    total: int
    documents: tuple[Document, ...]


def parse_cell(text: str, methods: Sequence[str]) -> Cell:
    """The cell that `text` names, see `GRAMMAR`; raises ModbenchError if it names none, or an unknown method."""
    kind, _, names = text.partition(":")
    if text in ("all", "none"):
        return Cell(text, tuple(methods) if text == "all" else (), tuple(methods) if text == "none" else ())
    if kind not in ("only", "both") or not names:
        raise ModbenchError(f"--show {text}: no cell is called so; write {GRAMMAR}")
    if kind == "only" and names not in methods:
        for place in (place for place, letter in enumerate(names) if letter == "-"):
            pair = names[:place], names[place + 1 :]
            if pair[0] in methods and pair[1] in methods:
                return Cell(text, pair[:1], pair[1:])
    chosen = tuple(dict.fromkeys([names] if names in methods else names.split(",")))
    for name in chosen:
        if name not in methods:
            raise unknown("method", name, methods)
    return Cell(text, chosen, tuple(name for name in methods if name not in chosen) if kind == "only" else ())


def show(runs: Sequence[RunOutcomes], cell: str, most: int, intersect: bool = False) -> Shown:
    """The first `most` documents of the cell called `cell`, seed by seed, and task by task in the order of their keys.

    Raises ModbenchError if the runs are not comparable (see `join`), for an unknown cell, if its methods have no seed
    in common, and where the responses are not at hand.
    """
    joined, _ = join(runs, intersect)
    found = parse_cell(cell, list(dict.fromkeys(run.method for run in joined)))
    named = {*found.solvers, *found.others}
    by_seed: dict[int, dict[str, RunOutcomes]] = {}
    for run in sorted(joined, key=lambda run: run.seed):
        by_seed.setdefault(run.seed, {})[run.method] = run
    common = {seed: of for seed, of in by_seed.items() if named <= of.keys()}
    if not common:
        raise ModbenchError(f"--show {cell}: its methods have no seed in common")
    places = {
        (seed, task): _places(of, task, found) for seed, of in common.items() for task in next(iter(of.values())).tasks
    }
    documents = islice(_documents(common, places), most)
    return Shown(found, tuple(common), sum(map(len, places.values())), tuple(documents))


def _places(runs: dict[str, RunOutcomes], task: str, cell: Cell) -> list[int]:
    import numpy as np

    chosen = np.ones(next(iter(runs.values())).tasks[task].n, dtype=bool)
    for method in cell.solvers:
        chosen &= runs[method].tasks[task].correct
    for method in cell.others:
        chosen &= ~runs[method].tasks[task].correct
    return [int(place) for place in chosen.nonzero()[0]]


def _documents(runs: dict[int, dict[str, RunOutcomes]], places: dict[tuple[int, str], list[int]]) -> Iterator[Document]:
    for (seed, task), chosen in places.items():
        if not chosen:
            continue
        samples = {method: _by_key(run, task) for method, run in runs[seed].items()}
        keys = next(iter(runs[seed].values())).tasks[task].keys or ()
        for key in (keys[place] for place in chosen):
            of = {method: found[key] for method, found in samples.items()}
            first = next(iter(of.values()))
            yield Document(
                task=task,
                key=key,
                seed=seed,
                question=next((sample.question for sample in of.values() if sample.question), None),
                gold=first.gold,
                answers=tuple(
                    Answer(method, _verdict(sample), sample.answer, sample.response) for method, sample in of.items()
                ),
            )


def _by_key(run: RunOutcomes, task: str) -> dict[str, Sample]:
    samples = samples_of(run, task)
    return dict(zip(document_keys(samples), samples, strict=True))


def _verdict(sample: Sample) -> str:
    if sample.outcome is not None:
        return sample.outcome.value.replace("_", " ")
    if sample.correct:
        return "correct"
    return "wrong" if sample.answer is not None else "no answer"
