"""ci/bench/gpu_check.py where there is no GPU: it runs to its end and says what it could not check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def gpu_check(*options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and verdicts."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "ci/bench/gpu_check.py"), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)["checks"]


def test_without_a_gpu_everything_is_skipped_with_the_reason() -> None:
    code, checks = gpu_check()
    assert code == 0
    assert {"bfloat16", "quantized_4bit", "quantized_8bit", "split", "offload", "compiled_decoding"} <= checks.keys()
    assert {"autocast_bfloat16", "decode", "train_step", "fused_losses", "nothing_is_kept"} <= checks.keys()
    for found in checks.values():
        assert found["verdict"] == "skipped" and "needs a GPU" in found["reason"]


@pytest.mark.long
def test_a_rehearsal_on_the_cpu() -> None:
    names = ["float32", "bfloat16", "float16", "offload", "autocast_bfloat16", "autocast_float16_with_scaler", "split"]
    code, checks = gpu_check("--device", "cpu", *(word for name in names for word in ("--only", name)))
    assert code == 0, checks
    assert checks.pop("split")["verdict"] == "skipped"
    assert list(checks) == names[:-1]
    assert {found["verdict"] for found in checks.values()} == {"ok"}
    assert len({checks[name]["fingerprint"] for name in ("float32", "bfloat16", "float16")}) == 1
    assert checks["offload"]["everything"]["logits_error"] == 0


@pytest.mark.long
def test_a_check_that_fails_is_reported(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    code, checks = gpu_check("--device", "cpu", "--model", str(tmp_path), "--only", "float32")
    assert code == 1
    assert checks["float32"]["verdict"] == "failed" and checks["float32"]["error"]
