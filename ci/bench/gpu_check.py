"""Whether the ensemble does on this machine's GPUs what it does on a CPU: a verdict per check, as JSON.

    python ci/bench/gpu_check.py
    python ci/bench/gpu_check.py --model Qwen/Qwen2.5-7B --only quantized_4bit --only split
    python ci/bench/gpu_check.py --device cpu

A check is `ok`, `failed` (with the error) or `skipped` (with what is missing: a GPU, a package); the exit code is 1 if
one failed. Each runs in a process of its own, so that a crash takes no other with it. `--device cpu` rehearses on the
CPU what needs no GPU. The checks are in gpu_checks.py and gpu_speed.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from typing import Any

import gpu_checks  # noqa: F401 (adds its checks to the list)
import gpu_speed  # noqa: F401
from gpu_tools import CHECKS, Setup, Skip, missing
from ratios import print_report


def run_here(name: str, model: str, device: str, k: int) -> dict[str, Any]:
    """One check in this process: its verdict, and what it found or the error."""
    start = time.perf_counter()
    try:
        found = CHECKS[name].run(Setup(model, device, k))
        verdict: dict[str, Any] = {"verdict": "ok", **found}
    except Skip as reason:
        return {"verdict": "skipped", "reason": str(reason)}
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename}:{place.lineno}"
        verdict = {"verdict": "failed", "error": f"{type(error).__name__}: {error}"[:2000], "where": where}
    return verdict | {"seconds": round(time.perf_counter() - start, 1)}


def run_apart(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One check in a process of its own."""
    command = [sys.executable, __file__, "--run", name, "--model", options.model, "--device", options.device]
    command += ["--k", str(options.k)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
    except subprocess.TimeoutExpired:
        return {"verdict": "failed", "error": f"not done after {options.timeout} seconds"}
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        return {"verdict": "failed", "error": f"exit code {done.returncode}: {done.stderr[-2000:]}"}
    return json.loads(lines[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="the embedded model, a folder or a hub id")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", action="append", choices=CHECKS, metavar="CHECK", help=", ".join(CHECKS))
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--timeout", type=int, default=1800, help="seconds per check")
    parser.add_argument("--run", choices=CHECKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print("\n" + json.dumps(run_here(options.run, options.model, options.device, options.k)))
        return 0
    report = {}
    for name in options.only or CHECKS:
        reason = missing(CHECKS[name], options.device)
        report[name] = {"verdict": "skipped", "reason": reason} if reason else run_apart(name, options)
        print(f"{name}: {report[name]['verdict']}", file=sys.stderr)
    print_report(model=options.model, on=options.device, checks=report)
    return int(any(found["verdict"] == "failed" for found in report.values()))


if __name__ == "__main__":
    sys.exit(main())
