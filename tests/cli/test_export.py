"""`modbench export`: what it says, what it refuses, and that the harness scores its folder as it scores the adapter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modbench import resources
from modbench.cli.export import export_command
from modbench.errors import ModbenchError

ADAPTER = resources.folder("demo-adapter")
TASKS = ("modbench_demo_one_step", "modbench_demo_choice")


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries stay as talkative for other tests as they were."""
    monkeypatch.setattr("modbench.cli.grid.quiet", lambda: None)


def changed(source: Path, to: Path, file: str, **fields: Any) -> Path:
    """A copy of the folder `source` in which a JSON file has other `fields`."""
    shutil.copytree(source, to)
    path = to / file
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return to


def test_what_it_says_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export_command(str(ADAPTER), tmp_path / "out", dtype="bfloat16", check=2)
    difference, answers, where = capsys.readouterr().out.splitlines()
    assert difference.startswith("largest difference of a logit: ")
    assert answers.startswith("changed answers: ") and " of 2 (" in answers
    assert where == f"{tmp_path / 'out'}: bfloat16, load it with trust_remote_code=True"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "modeling_mod.py",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_an_adapter_without_ensemble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(ADAPTER, plain, ignore=shutil.ignore_patterns("mod_*"))
    export_command(str(plain), tmp_path / "out", model="demo")
    assert capsys.readouterr().out.splitlines()[-1].endswith("no ensemble: a plain model of transformers")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == "llama"


def refuse(says: str, out: Path, adapter: Path | str = ADAPTER, **options: Any) -> None:
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(ModbenchError, match=says) as caught:
        export_command(str(adapter), out, **options)
    assert "\n" not in str(caught.value)
    assert sorted(out.parent.rglob("*")) == before


def test_bad_input(tmp_path: Path) -> None:
    config, out = "mod_config.json", tmp_path / "out"
    refuse("did you mean bfloat16", out, dtype="bfloat")
    refuse("no adapter folder", out, tmp_path / "nothing")
    refuse("nothing is overwritten", changed(ADAPTER, tmp_path / "mine", config))
    refuse("add --model", out, changed(ADAPTER, tmp_path / "nameless", config, base_model_name_or_path=None))
    gone = changed(ADAPTER, tmp_path / "gone", config, base_model_name_or_path=str(tmp_path / "models" / "gone"))
    refuse("give --model a folder", out, gone)
    quantized = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    base = changed(resources.folder("demo"), tmp_path / "base", "config.json", quantization_config=quantized)
    refuse("bitsandbytes", out, model=str(base))
    refuse("load that base instead", out, changed(ADAPTER, tmp_path / "other", config, base_fingerprint="0" * 64))


def test_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "modbench", "export", str(tmp_path / "nothing"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("modbench: no adapter") and len(done.stderr.splitlines()) == 1


@pytest.mark.long
def test_the_harness_scores_both_the_same(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("lm_eval")
    if not script.exists():
        pytest.skip("the lm_eval script is not installed beside this Python")
    export_command(str(ADAPTER), tmp_path / "out")
    environment = {name: value for name, value in os.environ.items() if name != "MODBENCH_NO_HOOK"}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    environment |= {"HF_MODULES_CACHE": str(tmp_path / "modules")}
    results, said = [], []
    for model, arguments in (
        ("hf", f"pretrained={tmp_path / 'out'},trust_remote_code=True"),
        ("mod-hf", f"pretrained=demo,peft={ADAPTER}"),
    ):
        command = [str(script), "--model", model, "--model_args", arguments, "--tasks", ",".join(TASKS)]
        command += ["--include_path", str(resources.folder("tasks")), "--limit", "12", "--batch_size", "4"]
        command += ["--device", "cpu", "--log_samples", "--output_path", str(tmp_path / model)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        (file,) = (tmp_path / model).glob("*/results_*.json")
        results.append(json.loads(file.read_text())["results"])
        (file,) = file.parent.glob(f"samples_{TASKS[0]}_*.jsonl")
        said.append([row["resps"] for row in map(json.loads, file.read_text().splitlines())])
    assert set(results[0]) == set(TASKS) and results[0] == results[1]
    assert said[0] == said[1] and len(said[0]) == 12
