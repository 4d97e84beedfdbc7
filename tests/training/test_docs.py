"""The scripts in docs/training.md run as they stand, with fewer steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from modbench import MoDModel
from modbench.checkpoints import resolve_model

ROOT = Path(__file__).parents[2]
SCRIPTS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/training.md").read_text(encoding="utf-8"), re.DOTALL)
FEWER = {
    "max_steps=40": "max_steps=2",
    "max_steps=20": "max_steps=2",
    "(0, 320, 16)": "(0, 32, 16)",
    "_steps=20": "_steps=2",
}


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(SCRIPTS)), ids=["trainer", "loop", "trl"])
def test_a_script_leaves_an_adapter(tmp_path: Path, number: int) -> None:
    if "trl" in SCRIPTS[number]:
        pytest.importorskip("trl")
    for name, script in (("tune.py", SCRIPTS[0]), ("main.py", SCRIPTS[number])):
        for many, few in FEWER.items():
            script = script.replace(many, few)
        (tmp_path / name).write_text(script)
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "CI": "1"}
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    MoDModel.from_pretrained(AutoModelForCausalLM.from_pretrained(resolve_model("demo")), tmp_path / "adapter")
