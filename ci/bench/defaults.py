"""Which defaults of the ensemble have evidence: one factor at a time from the paper-literal setting.

    python ci/bench/defaults.py --seeds 0,1,2,3,4 --runs runs/defaults --markdown

Trains `mod_k` with each setting and seed (a finished run is reused), and prints, per setting, the accuracy of every
seed (mean over the suite's tasks), the difference to the literal setting, paired by seed, with its 95 % t interval,
and the mean gates: as JSON, or as the table of docs/defaults.md. A default changes only where that interval excludes 0.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from scipy.stats import t
from tabulate import tabulate

from modbench.ensemble.config import PAPER
from modbench.methods import get_method
from modbench.runner import Benchmark
from modbench.suites import customized, load_suite

LITERAL = "literal"
FACTORS: dict[str, dict[str, Any]] = {
    LITERAL: {},
    "distill_weight=0": {"distill_weight": 0.0},
    "distill_weight=0.01": {"distill_weight": 0.01},
    "distill_weight=1": {"distill_weight": 1.0},
    "distill_detach=False": {"distill_detach": False},
    "router_init=last": {"router_init": "last"},
    "router_input=hidden": {"router_input": "hidden"},
    "ensemble_learning_rate=x0.1": {"ensemble_learning_rate": 0.1},
    "ensemble_learning_rate=x10": {"ensemble_learning_rate": 10.0},
}
"""What differs from the literal setting: fields of MoDConfig, or the factor on the rate of norms and router."""


def benchmark_of(setting: str, method: str, suite: Any, runs: Path) -> tuple[Benchmark, Any]:
    """The benchmark and the method that a setting means."""
    fields = dict(FACTORS[setting])
    factor = fields.pop("ensemble_learning_rate", None)
    if factor is not None:
        rate = factor * suite.recipe.learning_rate
        suite = suite.model_copy(update={"recipe": suite.recipe.model_copy(update={"ensemble_learning_rate": rate})})
    plain = get_method(method)
    ensemble = {**PAPER, **plain.ensemble, **fields}
    return Benchmark(suite, runs), replace(plain, name=f"{method}+{setting}", ensemble=ensemble)


def paired(ours: list[float], literal: list[float]) -> dict[str, Any]:
    """Mean difference over seeds, its 95 % t interval, and what follows from it."""
    differences = [a - b for a, b in zip(ours, literal, strict=True)]
    mean, n = statistics.mean(differences), len(differences)
    half = float(t.ppf(0.975, n - 1)) * statistics.stdev(differences) / n**0.5 if n > 1 else float("inf")
    verdict = "better" if mean - half > 0 else "worse" if mean + half < 0 else "undecided"
    return {"difference": mean, "interval": [mean - half, mean + half], "verdict": verdict}


def table(report: dict[str, Any], seeds: list[int]) -> str:
    """The report as a Markdown table."""
    head = ["setting", *(f"seed {seed}" for seed in seeds), "mean", "difference", "95 % interval", "verdict", "gates"]
    rows = []
    for setting, found in report.items():
        gates = " ".join(f"{statistics.mean(column):.2f}" for column in zip(*found["gates"], strict=True))
        against = found["against_literal"]
        verdict = ["", "", ""]
        if against:
            low, high = against["interval"]
            verdict = [f"{against['difference']:+.1f}", f"{low:+.1f} to {high:+.1f}", against["verdict"]]
        rows.append(
            [setting, *(f"{value:.1f}" for value in found["accuracy"]), f"{found['mean']:.1f}", *verdict, gates]
        )
    return tabulate(rows, head, tablefmt="github", disable_numparse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--model", help="another base model: a folder or a hub id")
    parser.add_argument("--method", default="mod_k")
    parser.add_argument("--settings", default=",".join(FACTORS), help="which of them, separated by commas")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--markdown", action="store_true", help="a Markdown table instead of JSON")
    parser.add_argument("--runs", type=Path, default=Path("runs/defaults"))
    options = parser.parse_args()
    suite = customized(load_suite(options.suite), model=options.model)
    settings, seeds = options.settings.split(","), [int(seed) for seed in options.seeds.split(",")]
    grid = {setting: benchmark_of(setting, options.method, suite, options.runs) for setting in settings}
    records: dict[str, list[Any]] = {setting: [] for setting in settings}
    for seed in seeds:  # the outer loop: a cut sweep still compares the same seeds
        for setting, (benchmark, method) in grid.items():
            (run,) = benchmark.plan([method], [seed])
            sys.stderr.write(f"{setting} seed {seed}\n")
            records[setting].append(benchmark.run(run, lambda line: None))
    accuracy = {
        setting: [100 * statistics.mean(task.accuracy for task in record.tasks.values()) for record in rows]
        for setting, rows in records.items()
    }
    report = {
        setting: {
            "accuracy": values,
            "mean": statistics.mean(values),
            "gates": [record.gates for record in records[setting]],
            "against_literal": None if setting == LITERAL else paired(values, accuracy[LITERAL]),
        }
        for setting, values in accuracy.items()
    }
    if options.markdown:
        print(table(report, seeds))
        return
    json.dump({"suite": suite.name, "model": suite.model, "seeds": seeds, "settings": report}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
