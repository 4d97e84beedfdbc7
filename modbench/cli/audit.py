"""`modbench audit`: what training data shares with test sets, and which golds cannot be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modbench.cli.options import Format, complete_suites

if TYPE_CHECKING:
    from modbench.data.problem_sets import ProblemSet

EPILOG = (
    "Examples: modbench audit dataset/mawps/trainset.json   |   "
    "modbench audit train.jsonl --write-clean clean.jsonl   |   modbench audit --suite smollm2-math   |   "
    "modbench audit --golds --format markdown"
)


def audit(
    train: Annotated[
        list[str] | None,
        typer.Argument(
            help="Training files of yours, or pinned ones by name; default: the pinned ones that can be had."
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against", help="A test set, pinned or yours; give it again for more. Default: all pinned ones."
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", help="Audit the training data of this suite.", autocompletion=complete_suites),
    ] = None,
    write_clean: Annotated[
        Path | None,
        typer.Option("--write-clean", help="Write the training file here, without what matches a test set."),
    ] = None,
    keep_near: Annotated[bool, typer.Option("--keep-near", help="Leave near matches in the clean file.")] = False,
    golds: Annotated[
        bool, typer.Option("--golds", help="Hold golds against equations and worked outputs instead.")
    ] = False,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Pairs to show per kind and set.")] = 3,
    format: Format = "table",
) -> None:
    """Compare training data with test sets: equal problems, near ones (other numbers or names), repeated ones.

    With --golds: list golds that contradict the equations of their problems, and worked outputs that contradict golds.
    """
    from modbench.cli.grid import say
    from modbench.data.audit import audit as compare_sets
    from modbench.data.audit import repeats
    from modbench.data.problem_sets import TEST_SETS, TRAINING_SETS, check_target, write_without
    from modbench.errors import ModbenchError
    from modbench.report.audit import render_audit
    from modbench.report.formats import check_format

    check_format(format)
    if golds:
        if train or against or suite or write_clean:
            raise ModbenchError("--golds looks at all pinned sets: leave the other arguments out")
        _golds(examples, format)
        return
    missing: dict[str, str] = {}
    training, own_tests = _of_suite(suite) if suite else ([], [])
    # What is named must be there; of the default sets, what cannot be had is said.
    training += _read(train) if train else [] if suite else _available(TRAINING_SETS, missing)
    tests = _read(against) if against else [*own_tests, *_available(TEST_SETS, missing)]
    if write_clean and len(training) != 1:
        raise ModbenchError("--write-clean writes one training file: name exactly one")
    if not training or not tests:
        raise ModbenchError(
            "there is nothing to compare: set MODBENCH_DATA to a folder of the pinned files, or go online"
        )
    pairs = [(one, [test for test in tests if not _same(test, one)]) for one in training]
    if not any(others for _, others in pairs):
        raise ModbenchError("there is nothing to compare: the only test set is the training set itself")
    if write_clean:
        check_target(training[0], write_clean)
    audits = [compare_sets(one, others, _bar, examples) for one, others in pairs]
    if write_clean:
        left_out = audits[0].exact if keep_near else audits[0].exact | audits[0].near
        write_without(training[0], left_out.tolist(), write_clean)
        absent = ", ".join(name for name in missing if name in TEST_SETS)
        unknown = f"; NOT compared with {absent}, which cannot be had" if absent else ""
        say(f"{write_clean}: {len(left_out) - left_out.sum():,} of {len(left_out):,} examples{unknown}")
    names = dict.fromkeys(problems.name for problems in (*training, *tests))
    everything = {problems.name: problems for problems in (*training, *tests)}
    print(render_audit(audits, [repeats(everything[name], _bar) for name in names], missing, format))


def _golds(examples: int, format: str) -> None:
    from modbench.data.golds import check_golds
    from modbench.report.golds import render_golds

    checks, missing = check_golds()
    print(render_golds(checks, missing, examples, format))


def _of_suite(name: str) -> tuple[list[ProblemSet], list[ProblemSet]]:
    """The training data of a suite, and those of its test sets that are made, not pinned."""
    from modbench.data.problem_sets import ProblemSet, from_examples
    from modbench.demo.problems import draw_set
    from modbench.harness.task_files import DEMO_COUNT, DEMO_SEED, read_task, task_files
    from modbench.suites import load_suite
    from modbench.training.sources import training_set

    suite = load_suite(name)
    kinds = [read_task(task)["dataset_kwargs"].get("problems") for task in suite.tasks if task in task_files()]
    tests = [
        ProblemSet(f"demo/{kind}", [drawn.text for drawn in draw_set(kind, DEMO_COUNT, DEMO_SEED, held_out=True)], None)
        for kind in kinds
        if kind
    ]
    return [from_examples(f"suite {suite.name}", training_set(suite.training).examples)], tests


def _read(names: Iterable[str]) -> list[ProblemSet]:
    from modbench.data.problem_sets import read_set

    return [read_set(name) for name in dict.fromkeys(names)]


def _same(one: ProblemSet, other: ProblemSet) -> bool:
    """Whether both are one set, under whatever name."""
    return one.name == other.name or bool(one.file and other.file and one.file.samefile(other.file))


def _available(names: Iterable[str], missing: dict[str, str]) -> list[ProblemSet]:
    from modbench.data.download import Unavailable
    from modbench.data.problem_sets import read_set

    found = []
    for name in names:
        try:
            found.append(read_set(name))
        except Unavailable as error:
            missing[name] = str(error)
    return found


def _bar(what: str, total: int) -> Callable[[int], object]:
    from tqdm import tqdm

    bar = tqdm(total=total, desc=what, unit=" problems", delay=2, leave=False, disable=None)

    def done(count: int) -> None:
        bar.update(count)
        if bar.n >= total:
            bar.close()

    return done
