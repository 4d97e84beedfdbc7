"""What `modbench rescore` takes for many stored samples, as JSON on standard output.

    python ci/bench/rescore.py
    python ci/bench/rescore.py --count 200000 --runs RUNS

Writes a run of COUNT samples and one of a tenth of them, and judges each anew in a process of its own, as the command
does it: read, judge, count and write. The texts are the responses stored under RUNS (samples/*.jsonl of tasks whose
answer is a number), or else the worked solutions of GSM8K, over and over, every other one with the gold of the next.
`seconds` is the wall time without the start of Python, `cpu_seconds` the processor's; `peak_mib` the highest memory of
the process, which is flat if both runs have the same.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice, pairwise
from pathlib import Path

from modbench.data.sources import locate
from modbench.harness.samples import Tally, kind_of
from modbench.records import (
    Environment,
    Evaluation,
    ModelInfo,
    Parameters,
    Record,
    Sample,
    identity_digest,
    iter_samples,
    samples_file,
    utc_now,
    write_record,
    write_samples,
)
from modbench.rescore import rescore

TASK = "modbench_gsm8k"


def worked_solutions() -> list[tuple[str | None, str, str]]:
    """Question, solution and gold of every problem of GSM8K."""
    rows = [
        json.loads(line)
        for split in ("train", "test")
        for line in locate(f"grade_school_math/data/{split}.jsonl").open(encoding="utf-8")
    ]
    return [(row["question"], row["answer"], row["answer"].rpartition("####")[2].strip()) for row in rows]


def stored(runs: Path) -> list[tuple[str | None, str, str]]:
    """Question (None: not stored), response and gold of every sample under `runs` whose answer is a number."""
    files = (path for path in sorted(runs.rglob("samples/*.jsonl")) if kind_of(path.stem) == "number")
    return [(sample.question, sample.response, sample.gold) for path in files for sample in iter_samples(path)]


def samples(texts: list[tuple[str | None, str, str]], count: int) -> Iterator[Sample]:
    """`count` samples from `texts`, over and over, as an evaluation by older rules would have left them."""
    for number, (this, other) in enumerate(islice(pairwise(cycle(texts)), count)):
        question, response, gold = this
        yield Sample(
            doc_id=number,
            doc_hash=f"{number:064x}",
            response=response,
            answer=None,
            gold=gold if number % 2 else other[2],
            metrics={"acc": 0.0},
            question=question,
        )


def write_run(folder: Path, texts: list[tuple[str | None, str, str]], count: int) -> None:
    """A finished run of `count` samples."""
    tally = Tally()

    def counted() -> Iterator[Sample]:
        for sample in samples(texts, count):
            tally.add(sample)
            yield sample

    write_samples(samples_file(folder, TASK), counted())
    record = Record(
        suite="bench",
        method="base",
        seed=0,
        identity={},
        identity_digest=identity_digest({}),
        model=ModelInfo(name="none", revision=None, sha256="0" * 64),
        data={},
        data_report=None,
        prompt="alpaca",
        recipe={},
        environment=Environment(packages={}, hardware="", threads=1, python=""),
        parameters=Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None),
        late_layers=[],
        gates=None,
        training=None,
        evaluation=Evaluation(seconds=0, tokens=None, peak_memory_bytes=None),
        tasks={TASK: tally.result()},
        created=utc_now(),
    )
    write_record(folder, record)


def measure(folder: Path) -> dict[str, float]:
    """Judges the run in `folder` anew: figures of this process."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    (change,) = rescore(folder)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    assert change.after is not None
    return {
        "samples": change.after.n,
        "correct": change.after.correct,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "samples_per_second": round(change.after.n / seconds),
        "microseconds_per_sample": round(1e6 * seconds / change.after.n, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="samples, at least 10")
    parser.add_argument("--runs", type=Path, help="a folder with runs, whose responses are the texts")
    options = parser.parse_args()
    texts = stored(options.runs) if options.runs else worked_solutions()
    report: dict[str, object] = {"texts": str(options.runs or "GSM8K"), "different_texts": len(texts)}
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool,
    ):
        for name, count in (("tenth", options.count // 10), ("all", options.count)):
            run = Path(folder) / name
            write_run(run, texts, count)
            report[name] = pool.apply(measure, (run,))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
