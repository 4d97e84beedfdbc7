"""Where a run happens: package versions, processor, threads."""

from __future__ import annotations

import platform
import re
from importlib.metadata import version
from pathlib import Path

from modbench.records import Environment

PACKAGES = ("modbench", "torch", "transformers", "peft", "lm_eval", "datasets", "accelerate", "tokenizers")


def environment() -> Environment:
    """This process's environment, for a record."""
    import torch

    return Environment(
        packages={name: version(name) for name in PACKAGES},
        hardware=hardware(),
        threads=torch.get_num_threads(),
        python=platform.python_version(),
    )


def hardware() -> str:
    """The accelerator in words, or the processor."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        match = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()
