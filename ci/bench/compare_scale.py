"""What a comparison of many methods on many samples takes, as JSON on standard output.

    python ci/bench/compare_scale.py
    python ci/bench/compare_scale.py --methods 20 --samples 1000000 --tasks 4 --seeds 1

Draws compact outcomes of METHODS methods on SAMPLES documents each, spread over TASKS tasks: verdicts, document keys,
digests of the prompts and marks of what was trained on, all that any run leaves once it is read. Compares them and
renders all tables in every format. `seconds` is the wall time of that and `cpu_seconds` the processor's; `peak_mib` the
highest memory of the whole process, outcomes and packages included (`outcomes_mib`: before the comparison began).
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import numpy as np

from modbench.comparison.compare import compare
from modbench.comparison.outcomes import Asked, RunOutcomes, TaskOutcomes, documents_digest
from modbench.report.formats import FORMATS
from modbench.report.tables import render


def draw(methods: int, samples: int, tasks: int, seeds: int) -> list[RunOutcomes]:
    """Runs whose verdicts depend on a common difficulty of each document, so that solved sets overlap."""
    rng = np.random.default_rng(0)
    runs: dict[tuple[int, int], dict[str, TaskOutcomes]] = {
        (method, seed): {} for method in range(methods) for seed in range(seeds)
    }
    for task in range(tasks):
        n = samples // tasks
        keys = tuple(f"{task:032x}{number:032x}" for number in range(n))
        documents = documents_digest(keys)
        prompts = rng.integers(2**63, size=n, dtype=np.uint64)
        difficulty = rng.normal(size=n, scale=2.0)
        for (method, _), of in runs.items():
            ability = method / methods
            correct = difficulty < ability + rng.normal(size=n)
            of[f"task_{task}"] = TaskOutcomes(
                documents=documents,
                correct=correct,
                keys=keys,
                seen=rng.random(n) < 0.01,
                conditions={"metric": "exact_match"},
                asked=Asked(prompts.copy()),
            )
    return [RunOutcomes(f"method_{method}", seed, of, "none") for (method, seed), of in runs.items()]


def peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", type=int, default=20)
    parser.add_argument("--samples", type=int, default=1_000_000, help="documents of each method, over all tasks")
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    runs = draw(options.methods, options.samples, options.tasks, options.seeds)
    report: dict[str, Any] = vars(options) | {"outcomes_mib": peak_mib()}
    begin, begin_cpu = time.perf_counter(), time.process_time()
    found = compare(runs)
    compared = time.perf_counter()
    sizes = {format: len(render(found, format, clean=True, every_seed=True)) for format in FORMATS}
    end = time.perf_counter()
    report |= {
        "compare_seconds": round(compared - begin, 2),
        "render_seconds": round(end - compared, 2),
        "seconds": round(end - begin, 2),
        "cpu_seconds": round(time.process_time() - begin_cpu, 2),
        "peak_mib": peak_mib(),
        "tests": len([p for row in found.differences for p in row.p_values]),
        "characters": sizes,
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
