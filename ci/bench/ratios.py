"""Paired timings: run the sides in turn, many times, and report the ratios of each round to the first side."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Side = Callable[[], Any]


def measure(sides: dict[str, Side], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of every side in every round; the order turns round by round, so that drift falls on all alike."""
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warmup, rounds):
        for name in names if number % 2 else reversed(names):
            start = time.perf_counter()
            sides[name]()
            synchronize()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def synchronize() -> None:
    """Waits for the GPU, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ratios(seconds: dict[str, list[float]], to: str) -> dict[str, dict[str, float]]:
    """Of each side: median over rounds of (seconds of `to`) / (its seconds), the speed relative to `to`; quartiles."""
    report = {}
    for name, values in seconds.items():
        found = sorted(base / own for base, own in zip(seconds[to], values, strict=True))
        low, _, high = statistics.quantiles(found, n=4) if len(found) > 1 else (found[0],) * 3
        report[name] = {
            "speed": statistics.median(found),
            "quartiles": [low, high],
            "seconds": statistics.median(values),
        }
    return report


def print_report(**report: Any) -> None:
    """The report as JSON on stdout, with the machine."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    report["machine"] = {"device": device, "threads": torch.get_num_threads(), "cores": os.cpu_count()}
    json.dump(report, sys.stdout, indent=2)
    print()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
