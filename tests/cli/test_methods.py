"""`modbench methods`: in words at once, in numbers for any config."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from modbench.cli.app import app
from modbench.errors import ModbenchError
from modbench.methods import FAMILIES, METHODS

from .test_bad_input import modbench

LLAMA = {
    "model_type": "llama",
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
}


def test_in_words_it_lists_every_method_and_imports_nothing_heavy(tmp_path: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "modbench", "methods", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    rows = json.loads(listed.stdout)
    assert [row["method"] for row in rows] == [*METHODS, *FAMILIES]
    assert all(row["trains"] for row in rows)
    imported = {name.partition(".")[0] for name in re.findall(r"\|\s+(\S+)$", listed.stderr, re.MULTILINE)}
    assert "modbench" in imported and not imported & {"torch", "transformers", "peft", "huggingface_hub"}
    some = modbench("methods", "mod_k@4", "lora_exit_2", "--format", "csv", cwd=tmp_path)
    assert [row[:2] for row in csv.reader(io.StringIO(some.stdout))] == [
        ["method", "k"],
        ["mod_k@4", "4"],
        ["lora_exit_2", "3"],
    ]


def call(*arguments: str) -> None:
    """`modbench methods ARGUMENTS` in this process, which has torch already."""
    typer.main.get_command(app)(["methods", *arguments], standalone_mode=False)


def test_in_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "peft.json").write_text(json.dumps({"peft_type": "IA3", "inference_mode": True}))
    call("--params", "--model", str(tmp_path), "--peft-config", str(tmp_path / "peft.json"), "--paper")
    told = capsys.readouterr()
    assert told.err == ""
    assert "LoRA: r = 32 on q_proj, k_proj, v_proj, up_proj, down_proj\n" in told.out
    rows = {line.split()[0]: line.split() for line in told.out.splitlines() if line.split()[:1]}
    assert set(METHODS) <= set(rows)
    one_layer = 32 * (3 * (32 + 32) + 2 * (32 + 48))
    assert rows["lora_not_k"][1:] == ["3", f"{3 * one_layer:,}", "0", "0", f"{3 * one_layer:,}", "0", "%"]
    assert rows["mod_k"][1:5] == ["3", f"{3 * one_layer:,}", "64", "96"]
    assert rows["peft_all"][2:5] == [f"{6 * (32 + 32 + 48):,}", "0", "0"]  # k, v and the input of down_proj
    assert "99.5 % fewer than the late layers' LoRA" in told.out and "49.8 % fewer than lora_all" in told.out


def test_for_programs_it_prints_nothing_but_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", "n_layer": 5, "n_embd": 16, "n_head": 2}))
    call("mod_k@2", "--params", "--model", str(tmp_path), "--suite", "demo", "-f", "json")
    told = capsys.readouterr()
    (row,) = json.loads(told.out)
    lora, norms, router = 3 * 16 * (16 + 3 * 16), 2 * 16, 2 * 16
    expected = {"method": "mod_k@2", "k": 2, "lora": lora, "norms": norms, "router": router}
    assert {key: row[key] for key in expected} == expected
    assert row["total"] == lora + norms + router
    assert row["overhead_percent"] == pytest.approx(100 * (norms + router) / lora)
    assert "r = 16 on c_attn, as PEFT does not find all on this gpt2 of q_proj" in told.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--params"], "--params needs --model"),
        (["--model", "demo"], "add --params"),
        (["--paper"], "add --params"),
        (["mod_kk"], "did you mean mod_k"),
        (["--params", "--model", "no such/model"], "a folder with a config.json"),
        (["peft_all", "--params", "--model", "demo"], "--peft-config"),
        (["mod_k", "--params", "--model", "demo", "--peft-config", "p.json"], "--peft-config is for"),
        (["mod_k@11", "--params", "--model", "demo"], "10"),
        (["--params", "--model", "demo", "--suite", "demoo"], "did you mean demo"),
        (["--format", "tabel"], "table"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(arguments: list[str], says: str) -> None:
    with pytest.raises(ModbenchError, match=says) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
