"""Bad input: one clear line, exit code 2, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modbench.suites import load_suite


def modbench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modbench", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("modbench: "), result.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compare", "mod_kk"], "did you mean mod_k"),
        (["compare", "lora_al"], "lora_all"),
        (["compare", "mod_k@x"], "mod_k@4"),
        (["compare", "mod_k", "--suite", "demoo"], "did you mean demo"),
        (["compare", "mod_k", "--suite", "none.yaml"], "no suite file"),
        (["compare", "mod_k", "--tasks", "modbench_demo_onestep"], "modbench_demo_one_step"),
        (["compare", "mod_k", "--format", "tabel"], "table"),
        (["compare", "mod_k", "--seeds", "0,-1"], "'-1' is not a whole number"),
        (["compare", "mod_k", "--no-run"], "mod_k seed 0"),
        (["data", "pull", "dataset/AddSub/tset.json"], "dataset/AddSub/test.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_unknown_is_named_with_what_is_near(arguments: list[str], says: str, tmp_path: Path) -> None:
    assert says in one_line(modbench(*arguments, cwd=tmp_path))
    assert not any(tmp_path.iterdir())


def test_a_training_file_with_a_missing_field(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps({"instruction": "a", "output": "b"}) + "\n" + json.dumps({"instruction": "c"}) + "\n")
    said = one_line(modbench("compare", "mod_k", "--train", str(file), cwd=tmp_path))
    assert "2" in said and "output" in said and "train.jsonl" in said


def test_a_model_that_cannot_be_had(tmp_path: Path) -> None:
    said = one_line(modbench("compare", "mod_k", "--model", str(tmp_path), "--yes", cwd=tmp_path))
    assert "config.json" in said


def test_a_task_whose_data_cannot_be_had(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path / "nothing"))
    said = one_line(modbench("compare", "base", "--suite", "smollm2-math", "--model", "demo", cwd=tmp_path))
    assert "MODBENCH_DATA" in said


@pytest.mark.parametrize("method", ["mod_k@11", "lora_all@99"])
def test_k_larger_than_the_number_of_layers(method: str, tmp_path: Path) -> None:
    assert "number of layers" in one_line(modbench("compare", "base", method, cwd=tmp_path))
    assert not any(tmp_path.iterdir())


def test_missing_runs_beyond_the_demo_are_not_begun_unasked(tmp_path: Path) -> None:
    suite = tmp_path / "mine.yaml"
    fields = load_suite("demo").model_dump(mode="json") | {"name": "mine", "model": str(demo_model())}
    suite.write_text(json.dumps(fields))
    result = modbench("compare", "mod_k", "--suite", str(suite), cwd=tmp_path)
    assert result.returncode == 2
    assert "time unknown" in result.stderr and "--yes" in result.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": 1}, "colour"),
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [0, 0]}, "twice"),
        ({"seeds": [-1]}, "seeds"),
        ({"prompt": "alpacca"}, "alpaca"),
        ({"apply_chat_template": "perhaps"}, "apply_chat_template"),
        ({"tasks": {"modbench_demo_choice": 0}}, "tasks"),
    ],
)
def test_a_suite_with_a_faulty_field(change: dict[str, object], says: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(json.dumps(load_suite("demo").model_dump(mode="json") | change))
    assert says in one_line(modbench("compare", "mod_k", "--suite", "s.yaml", cwd=tmp_path))


def demo_model() -> Path:
    from modbench import resources

    return resources.folder("demo")


def test_a_runs_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    result = modbench("run", "base", "--limit", "1", cwd=tmp_path)
    assert result.returncode == 2 and result.stderr.splitlines()[-1].startswith("modbench: runs")


def test_an_unknown_harness_task_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    result = modbench("run", "mod_k", "--tasks", "gsm8kk", cwd=tmp_path)
    assert result.returncode == 2 and "did you mean gsm8k" in result.stderr
    assert "training" not in result.stderr


def test_a_model_with_truncated_weights(tmp_path: Path) -> None:
    for file in demo_model().iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    result = modbench("run", "base", "--model", str(tmp_path), "--limit", "1", "--yes", cwd=tmp_path)
    assert result.returncode == 2 and "cannot load the model" in result.stderr.splitlines()[-1]
