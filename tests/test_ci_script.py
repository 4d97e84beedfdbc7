"""The script and the workflow of CI, with planted regressions."""

from __future__ import annotations

import hashlib
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

from modbench import resources
from modbench.cli.app import app
from modbench.leaderboard import locate, read_leaderboard

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


SMALL = {"modbench_demo_one_step": 40, "modbench_demo_two_step": 40}
EVALUATION = ("--suite", "small.yaml")


def modbench_in(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with the package in `tree`, whatever is installed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(tree), "REPORTS": str(tree / "reports")}
    return subprocess.run(command, env=environment, cwd=tree, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with a copy of the package, a smaller demo suite, and a leaderboard of the shipped adapter on it."""
    tree = tmp_path_factory.mktemp("sound")
    for name in ("modbench", "tasks", "leaderboards"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    demo = yaml.safe_load((tree / "modbench" / "suites" / "demo.yaml").read_text())
    (tree / "small.yaml").write_text(yaml.safe_dump(demo | {"tasks": SMALL}))
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


def ci(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = arguments or ("board.json", "modbench-demo", "demo", *EVALUATION)
    return modbench_in(tree, "bash", str(ROOT / "ci" / "check.sh"), *given)


@pytest.mark.long
def test_the_script_of_ci_is_green_on_what_is_sound(sound: Path) -> None:
    done = ci(sound)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: of 3 checks 3 passed" in done.stdout
    assert {path.name for path in (sound / "reports").iterdir()} == {"check.md", "check.xml"}


def test_the_leaderboard_of_the_demo_suite_has_the_shipped_adapter() -> None:
    board = read_leaderboard(locate("demo"))
    (row,) = [row for row in board.measured if row.method == "modbench-demo"]
    files = sorted(resources.folder("demo-adapter").glob("*.safetensors"))
    digests = "".join(f"{file.name}:{hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files)
    assert row.adapter == hashlib.sha256(digests.encode()).hexdigest() and len(files) == 2
    runs = next(row for row in board.measured if row.method == "mod_k")
    assert row.outcomes is not None and runs.outcomes is not None
    assert {task: (of.documents, of.conditions) for task, of in row.outcomes.items()} == {
        task: (of.documents, of.conditions) for task, of in runs.outcomes.items()
    }
    assert 'leaderboards/demo.json" modbench-demo demo --suite demo' in (ROOT / "ci" / "check.sh").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("board.json",), 2, "usage: "),
        (("board.json", "modbench-demo", "no/such/folder"), 2, "no adapter"),
        (("board.json", "modbench-demo", "demo", "--suite", "demos"), 2, "did you mean demo"),
    ],
)
def test_what_it_cannot_evaluate_is_bad_input(arguments: tuple[str, ...], code: int, says: str, tmp_path: Path) -> None:
    done = modbench_in(tmp_path, "env", f"PYTHONPATH={ROOT}", "bash", str(ROOT / "ci" / "check.sh"), *arguments)
    assert done.returncode == code and says in done.stderr, done.stderr


def test_an_evaluation_that_breaks_off_is_no_regression(tmp_path: Path) -> None:
    (tmp_path / "modbench").mkdir()
    (tmp_path / "modbench" / "__init__.py").write_text("raise RuntimeError('planted')")
    done = ci(tmp_path)
    assert done.returncode == 3 and "the evaluation broke off with exit code 1" in done.stderr, done.stderr


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
