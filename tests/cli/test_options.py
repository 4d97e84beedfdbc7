"""The options that name runs: the same for every command, and what they change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from modbench.cli.app import app
from modbench.cli.grid import chosen_methods, prepare
from modbench.cli.options import Grid, complete_methods
from modbench.errors import ModbenchError
from modbench.methods import NAMES

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def grid(folder: Path, *methods: str, **options: Any) -> Grid:
    return Grid(methods=list(methods), runs=[folder / "runs"], **options)


def config(folder: Path, name: str = "adapter_config.json", **fields: Any) -> Path:
    (folder / name).write_text(json.dumps({"peft_type": "IA3", **fields}))
    return folder / name


@pytest.mark.parametrize(
    "command", [COMMANDS["run"], COMMANDS["compare"], COMMANDS["leaderboard"].commands["add"]], ids=lambda c: c.name
)
def test_the_commands_share_their_options(command: Any) -> None:
    own = {parameter.name: parameter for parameter in command.params}
    shared = {parameter.name: parameter for parameter in COMMANDS["run"].params}
    for name in Grid.__dataclass_fields__:
        assert own[name].opts == shared[name].opts and own[name].default == shared[name].default
    assert own["methods"].required and own["suite"].default == "demo"


def test_completion_offers_names_that_begin_so() -> None:
    assert complete_methods("") == list(NAMES)
    assert complete_methods("mod_k_t") == ["mod_k_top1", "mod_k_top2"]


def test_the_peft_configuration_is_part_of_the_identity_of_peft_methods_alone(tmp_path: Path) -> None:
    names = ("mod_k", "peft_mod_k")
    _, (plain, one) = prepare(grid(tmp_path, *names, peft_config=config(tmp_path)))
    _, (same, moved) = prepare(grid(tmp_path, *names, peft_config=config(tmp_path, "b.json", revision="main")))
    benchmark, (unchanged, other) = prepare(
        grid(tmp_path, *names, peft_config=config(tmp_path, "c.json", fan_in_fan_out=True))
    )
    _, (without,) = prepare(grid(tmp_path, "mod_k"))
    assert plain.identity == same.identity == unchanged.identity == without.identity
    assert "peft" not in plain.identity["recipe"]
    assert one.identity == moved.identity != other.identity
    assert one.identity["recipe"]["peft"] == {"peft_type": "IA3"}
    assert benchmark.folder(one) != benchmark.folder(other)


def test_lora_dora_and_peft_differ(tmp_path: Path) -> None:
    names = ("lora_all", "dora_all", "peft_all", "lora_exit_0")
    _, runs = prepare(grid(tmp_path, *names, peft_config=config(tmp_path)))
    assert len({json.dumps(run.identity["method"], sort_keys=True) for run in runs}) == len(names)


def test_the_papers_settings_hold_whatever_the_defaults_are(tmp_path: Path) -> None:
    suite = tmp_path / "mine.yaml"
    benchmark, _ = prepare(grid(tmp_path, "mod_k"))
    fields = benchmark.suite.model_dump(mode="json")
    fields["recipe"]["ensemble_learning_rate"] = 0.01
    suite.write_text(json.dumps(fields))
    _, (default, no_distill) = prepare(grid(tmp_path, "mod_k", "mod_k_no_distill", suite=str(suite)))
    _, (paper, same) = prepare(grid(tmp_path, "mod_k", "mod_k_no_distill", suite=str(suite), paper=True))
    assert default.identity["recipe"]["ensemble_learning_rate"] == 0.01
    assert paper.identity["recipe"]["ensemble_learning_rate"] is None
    expected = {"distill_weight": 0.1, "distill_detach": True, "router_init": "zeros", "router_input": "normed"}
    assert {name: paper.identity["ensemble"][name] for name in expected} == expected
    assert same.identity["ensemble"]["distill_weight"] == no_distill.identity["ensemble"]["distill_weight"] == 0


def test_training_sparse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, (dense, plain) = prepare(grid(tmp_path, "mod_k_top2", "mod_k"))
    _, (sparse, same) = prepare(grid(tmp_path, "mod_k_top2", "mod_k", train_top_k=True))
    assert not dense.identity["ensemble"]["train_top_k"] and sparse.identity["ensemble"]["train_top_k"]
    assert plain.identity == same.identity
    assert capsys.readouterr().err == ""
    chosen_methods(["mod_k_top1"], paper=False, train_top_k=True)
    assert "softmax of one score is 1" in capsys.readouterr().err
    with pytest.raises(ModbenchError, match="name one, such as mod_k_top2"):
        chosen_methods(["mod_k"], paper=False, train_top_k=True)


def test_the_format_of_questions_is_part_of_the_identity_where_it_is_not_the_suites(tmp_path: Path) -> None:
    _, (base, tuned) = prepare(grid(tmp_path, "base", "mod_k"))
    _, same = prepare(grid(tmp_path, "base", "mod_k", prompt="qa", apply_chat_template=False))
    assert [run.identity for run in same] == [base.identity, tuned.identity]
    assert not {"prompt", "apply_chat_template", "generation", "num_fewshot"} & base.identity.keys()
    assert all("prompt" not in task for task in base.identity["tasks"].values())
    benchmark, (other, _) = prepare(grid(tmp_path, "base", "mod_k", prompt="plain", apply_chat_template=True))
    assert benchmark.suite.prompt == "plain" and benchmark.suite.apply_chat_template
    assert other.identity["apply_chat_template"] is True
    assert {task["prompt"] for task in other.identity["tasks"].values()} == {"plain"}
    with pytest.raises(ModbenchError, match="did you mean plain"):
        prepare(grid(tmp_path, "base", prompt="plan"))


@pytest.mark.realdata
def test_the_papers_questions_are_for_the_papers_tasks(tmp_path: Path) -> None:
    here = {"suite": "smollm2-math", "model": "demo", "tasks": "modbench_addsub,modbench_boolq_mc"}
    benchmark, (run,) = prepare(grid(tmp_path, "base", paper=True, **here))
    suite = benchmark.suite
    assert (suite.prompt, suite.eval_batch_size) == ("llm_adapters", 1)
    assert run.identity["generation"] == {"num_beams": 4, "until": ["### Response:"]}
    assert run.identity["tasks"]["modbench_addsub"]["prompt"] == "llm_adapters"
    assert "prompt" not in run.identity["tasks"]["modbench_boolq_mc"]
    benchmark, _ = prepare(grid(tmp_path, "base", paper=True, prompt="alpaca", **here))
    assert benchmark.suite.prompt == "alpaca"
    _, (plain,) = prepare(grid(tmp_path, "base", **here))
    assert "generation" not in plain.identity and "prompt" not in plain.identity["tasks"]["modbench_addsub"]
    demo, _ = prepare(grid(tmp_path, "base", paper=True))
    assert (demo.suite.prompt, demo.suite.generation, demo.suite.eval_batch_size) == ("qa", None, 64)


@pytest.mark.realdata
def test_groups_are_their_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modbench.harness.asking.task_identity", lambda task: {})  # not all of its data is needed
    benchmark, _ = prepare(grid(tmp_path, "base", tasks="modbench_demo_choice,modbench_math,modbench_addsub", limit=3))
    assert len(benchmark.suite.tasks) == 8 and set(benchmark.suite.tasks.values()) == {3}
