"""What a piece of work costs: seconds and peak memory."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Self


class Cost:
    """Context manager: `seconds` of the block and `peak_memory_bytes` of the process (of the GPU if one is used).

    On Linux the process's high-water mark is reset at the start, so that runs in one process do not share a peak;
    where that cannot be done the peak is None, never a wrong number.
    """

    seconds = 0.0
    peak_memory_bytes: int | None = None

    def __enter__(self) -> Self:
        import torch

        self._cuda = torch.cuda.is_available()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            self._reset = _reset_peak()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        import torch

        self.seconds = time.perf_counter() - self._start
        if self._cuda:
            self.peak_memory_bytes = torch.cuda.max_memory_allocated()
        elif self._reset:
            self.peak_memory_bytes = _peak()


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak() -> int | None:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(match[1]) * 1024 if match else None
