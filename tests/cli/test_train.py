"""`modbench train`: an adapter and nothing else, found again by `modbench run`, with its format beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modbench.cli.options import Grid
from modbench.cli.run import run
from modbench.cli.train import train
from modbench.errors import ModbenchError
from modbench.prompt_file import PromptFile, read_prompt_file
from modbench.records import read_record
from modbench.suites import load_suite

from ..chat_models import TEMPLATES, chat_model


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries stay as talkative for other tests as they were."""
    monkeypatch.setattr("modbench.cli.grid.quiet", lambda: None)


def options(folder: Path, *methods: str, **changes: Any) -> dict[str, Any]:
    """Those that `train` and `run` share, for the suite `demo` made small."""
    fields = load_suite("demo").model_dump(mode="json") | {"name": "tiny"}
    fields["training"]["count"] = 16
    fields["recipe"] |= {"epochs": 1, "batch_size": 8, "warmup_steps": 1}
    fields["tasks"] = {"modbench_demo_one_step": 2}
    suite = folder / "tiny.yaml"
    suite.write_text(json.dumps(fields))
    given = Grid(list(methods), suite=str(suite), runs=[folder / "runs"])
    return vars(given) | changes


def test_what_it_trains_is_what_run_evaluates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, out = options(tmp_path, "mod_k"), tmp_path / "deep" / "out"
    train(**given, out=out)
    assert capsys.readouterr().out == f"{out}\n"
    folder = tmp_path / "runs" / "tiny" / "mod_k" / "seed-0"
    assert {file.name: file.read_bytes() for file in out.iterdir()} == {
        file.name: file.read_bytes() for file in (folder / "adapter").iterdir()
    }
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert read_prompt_file(out) == PromptFile(prompt="qa", apply_chat_template=False, chat_template=None)
    assert not (folder / "record.json").exists() and not (folder / "samples").exists()
    before = (folder / "training.json").stat().st_mtime_ns
    run(**given)
    assert capsys.readouterr().out == f"{folder / 'record.json'}\n"
    assert (folder / "training.json").stat().st_mtime_ns == before
    assert read_record(folder).tasks["modbench_demo_one_step"].n == 2


def test_the_chat_format_is_stored_and_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(chat_model(tmp_path / "model"))
    given = options(tmp_path, "lora_all", model=model, apply_chat_template=True, prompt="plain")
    run(**given, yes=True)
    record = read_record(tmp_path / "runs" / "tiny" / "lora_all" / "seed-0")
    assert record.identity["apply_chat_template"] and record.prompt == record.identity["prompt"] == "plain"
    stored = read_prompt_file(tmp_path / "runs" / "tiny" / "lora_all" / "seed-0" / "adapter")
    template = TEMPLATES["eos ends a turn"]
    assert stored == PromptFile(prompt="plain", apply_chat_template=True, chat_template=template)
    assert "modbench: warning" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("methods", "changes", "says"),
    [
        (("base",), {}, "base trains nothing"),
        (("mod_k", "lora_all"), {}, "--out takes one adapter, not 2"),
        (("mod_k",), {"seeds": "0,1"}, "--out takes one adapter, not 2"),
        (("mod_k",), {"apply_chat_template": True}, "no chat template"),
        (("mod_k",), {"prompt": "alpacca"}, "did you mean alpaca"),
    ],
)
def test_bad_input(methods: tuple[str, ...], changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ModbenchError) as error:
        train(**options(tmp_path, *methods, **changes), out=tmp_path / "out")
    assert says in str(error.value)
    assert not (tmp_path / "out").exists() and not list(tmp_path.rglob("adapter"))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(ModbenchError, match="nothing is overwritten"):
        train(**options(tmp_path, "mod_k"), out=tmp_path / "out")
    assert not (tmp_path / "runs").exists()
