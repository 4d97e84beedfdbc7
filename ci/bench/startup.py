"""What modbench costs when Python starts: the hook, the import and `modbench --help`, as JSON on standard output.

Usage: python ci/bench/startup.py [repetitions], in an environment where modbench is installed. Times are in
milliseconds: the median over the repetitions and their spread (interquartile range). `hook_import` is the interpreter's
own measure of importing the hook module; the others are wall times of whole processes, run in turn.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "bare_without_hook": [sys.executable, "-c", "pass"],
    "bare_with_hook": [sys.executable, "-c", "pass"],
    "import_modbench": [sys.executable, "-c", "import modbench"],
    "modbench_help": [str(Path(sys.executable).with_name("modbench")), "--help"],
}


def wall_time(name: str) -> float:
    """Milliseconds that the command of this name takes, from start to exit; raises CalledProcessError if it fails."""
    env = {**os.environ, "MODBENCH_NO_HOOK": "1" if name == "bare_without_hook" else "0"}
    start = time.perf_counter()
    subprocess.run(COMMANDS[name], env=env, stdout=subprocess.DEVNULL, check=True)
    return 1e3 * (time.perf_counter() - start)


def hook_import_time() -> float:
    """Milliseconds that a fresh interpreter spends on importing the hook, what it imports included."""
    command = [sys.executable, "-X", "importtime", "-c", "pass"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    line = re.search(r"\|\s*(\d+) \|\s*modbench_lm_eval_hook$", report, re.MULTILINE)
    if line is None:
        sys.exit("the hook is not installed here: pip install modbench first")
    return int(line[1]) / 1e3


def summary(times: list[float]) -> dict[str, float]:
    """Median and interquartile range, rounded to the microsecond."""
    low, median, high = statistics.quantiles(times, n=4)
    return {"median": round(median, 3), "spread": round(high - low, 3)}


def main() -> None:
    """Measures everything in turn, so that a change of the machine's load meets all alike."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    times: dict[str, list[float]] = {"hook_import": [], **{name: [] for name in COMMANDS}}
    for _ in range(repetitions):
        times["hook_import"].append(hook_import_time())
        for name in COMMANDS:
            times[name].append(wall_time(name))
    print(json.dumps({"unit": "ms", "repetitions": repetitions, **{k: summary(v) for k, v in times.items()}}, indent=2))


if __name__ == "__main__":
    main()
