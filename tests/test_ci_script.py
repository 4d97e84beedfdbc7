"""The script and the workflow of CI, with planted regressions."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from typer.main import get_command

from modbench.cli.app import app

ROOT = Path(__file__).parents[1]


def test_the_workflow_says_what_there_is() -> None:
    workflow = yaml.safe_load((ROOT / "ci" / "github-actions.yml").read_text())
    triggers = workflow[True]  # what YAML makes of `on`
    assert {"push", "schedule", "workflow_dispatch"} <= triggers.keys()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    said: dict[str, list[str]] = {}
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            program, *arguments = shlex.split(step.get("run", "")) or ["-"]
            said.setdefault(name, []).append(program)
            if program == "modbench":
                commands[arguments[0]].make_context(arguments[0], arguments[1:])
            elif program.startswith("ci/"):
                assert os.access(ROOT / program, os.X_OK)
    assert "ci/check.sh" in said["adapter"] and said["retrain"].count("modbench") == 2
    assert "ci/check.sh" in (ROOT / ".ci" / "run").read_text()


EVALUATION = ("--limit", "40", "--tasks", "modbench_demo_one_step,modbench_demo_two_step")


def modbench_in(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with the package in `tree`, whatever is installed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(tree), "REPORTS": str(tree / "reports")}
    return subprocess.run(command, env=environment, cwd=tree, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with a copy of the package and a leaderboard of its shipped adapter."""
    tree = tmp_path_factory.mktemp("sound")
    for name in ("modbench", "tasks", "leaderboards"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    python = (sys.executable, "-m", "modbench")
    for command in (
        (*python, "eval", "--adapter", "demo", "--out", "out/run", *EVALUATION),
        (*python, "leaderboard", "add", "out/run", "--to", "board.json"),
    ):
        done = modbench_in(tree, *command)
        assert done.returncode == 0, done.stderr
    return tree


def planted(sound: Path, tree: Path, file: str, old: str, new: str) -> Path:
    """A copy of the tree in which `old` stands no longer in `file`."""
    shutil.copytree(sound, tree)
    text = (tree / file).read_text()
    assert text.count(old) == 1
    (tree / file).write_text(text.replace(old, new))
    return tree


def ci(tree: Path) -> subprocess.CompletedProcess[str]:
    return modbench_in(tree, "bash", str(ROOT / "ci" / "check.sh"), "board.json", "demo", *EVALUATION)


@pytest.mark.long
def test_the_script_of_ci_is_green_on_what_is_sound(sound: Path) -> None:
    done = ci(sound)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: of 3 checks 3 passed" in done.stdout
    assert {path.name for path in (sound / "reports").iterdir()} == {"check.md", "check.xml"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "old", "new", "worse"),
    [
        ("modbench/ensemble/mixture.py", "scores = F.linear(", "scores = -F.linear(", ["one_step", "two_step"]),
        ("modbench/answers/verdict.py", "settle(response)\n", "settle(response.split('.')[0])\n", ["two_step"]),
    ],
    ids=["router", "extraction rule"],
)
def test_a_planted_regression_turns_it_red(
    file: str, old: str, new: str, worse: list[str], sound: Path, tmp_path: Path
) -> None:
    tree = planted(sound, tmp_path / "tree", file, old, new)
    done = ci(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    for task in worse:
        assert f"modbench-demo seed 0 demo_{task} accuracy: regressed: significantly worse" in done.stdout
    assert "question: " in done.stdout and "response: " in done.stdout
    failures = ElementTree.parse(tree / "reports" / "check.xml").getroot().iter("failure")
    assert [str(failure.get("message")).split(" accuracy")[0].split("demo_")[1] for failure in failures] == worse


@pytest.mark.long
def test_another_adapter_is_not_taken_for_the_same(sound: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tree = tmp_path / "tree"
    shutil.copytree(sound, tree)
    file = tree / "modbench" / "demo" / "adapter" / "mod_model.safetensors"
    tensors = load_file(file)
    save_file(tensors | {"router.weight": -tensors["router.weight"]}, file, metadata={"format": "pt"})
    done = ci(tree)
    assert done.returncode == 3 and "another or an unknown adapter: that takes 5 seeds" in done.stdout, done.stderr
