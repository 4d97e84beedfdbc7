from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from modbench.cli.app import app
from modbench.data import sources
from modbench.data.problem_sets import TEST_SETS
from modbench.data.sources import FILES, PinnedFile, git_blob_id

ROOT = Path(__file__).parents[2]
NUTS = "Tom has {} nuts . He eats {} of them . How many nuts does Tom have now ?"
TRAINING = [
    {"instruction": text, "input": "", "output": "So."}
    for text in (NUTS.format(3, 2), "Why does a cat purr | at night?", NUTS.format(8, 5), "What is a sofa made of?")
]
TESTS = [
    {"instruction": text, "input": "", "output": "1", "answer": "1"} for text in (NUTS.format(3, 2), NUTS.format(7, 1))
]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A training file in the current folder, and one pinned test set in MODBENCH_DATA."""
    path = tmp_path / "data" / "dataset/AddSub/test.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(TESTS))
    pin = PinnedFile("owner/name", "0123abc", git_blob_id(path), "MIT")
    monkeypatch.setattr(sources, "FILES", FILES | {"dataset/AddSub/test.json": pin})
    monkeypatch.setenv("MODBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(json.dumps(TRAINING, indent=1))
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TRAINING))
    return tmp_path


def modbench(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments])


def done(*arguments: str) -> str:
    result = modbench(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("format", ["table", "markdown", "latex"])
def test_tables(here: Path, format: str) -> None:
    text = done("mine.json", "--format", format)
    assert "Training set mine.json: 4 examples, 1 of them a test problem, 1 more near one" in text
    row = next(line for line in text.splitlines() if "AddSub" in line)
    assert [cell for cell in row.replace("|", " ").replace("&", " ").split() if cell != "\\\\"] == [
        *("dataset/AddSub/test.json", "2", "1", "1", "0", "50.0", "50.0", "0.0", "1", "1")
    ]
    assert NUTS.format(7, 1)[:40] in text
    for missing in TEST_SETS[1:]:
        assert missing in text.split("Not compared")[1].replace("\\", "")


def test_csv(here: Path) -> None:
    counts, pairs, repeated, missing = (
        list(csv.DictReader(io.StringIO(block))) for block in done("mine.json", "--format", "csv").split("\n\n")
    )
    assert [(row["training set"], row["exact"], row["near_share"]) for row in counts] == [("mine.json", "1", "0.5")]
    assert [(row["match"], row["similarity"], row["test no."]) for row in pairs] == [
        ("exact", "1.0", "1"),
        ("near", "1.0", "2"),
    ]
    assert [(row["set"], row["exact"], row["near"]) for row in repeated] == [
        ("mine.json", "0", "1"),
        ("dataset/AddSub/test.json", "0", "1"),
    ]
    assert len(missing) == 14


def test_json(here: Path) -> None:
    found = json.loads(done("mine.jsonl", "--format", "json", "--examples", "0"))
    (training,) = found["training"]
    assert (training["examples"], training["exact"], training["near"]) == (4, 1, 1)
    assert training["against"][0]["clean_share"] == 0 and training["against"][0]["pairs"] == []
    assert found["not_compared"].keys() == {*TEST_SETS[1:]}


@pytest.mark.parametrize("name", ["mine.json", "mine.jsonl"])
def test_a_clean_file_is_clean(here: Path, name: str) -> None:
    before = Path(name).read_bytes()
    done(name, "--write-clean", "clean.json")
    text = Path("clean.json").read_text()
    rows = json.loads(text) if name == "mine.json" else [json.loads(line) for line in text.splitlines()]
    assert rows == [TRAINING[1], TRAINING[3]] and Path(name).read_bytes() == before
    (again,) = json.loads(done("clean.json", "--format", "json"))["training"]
    assert (again["exact"], again["near"], again["against"][0]["clean"]) == (0, 0, 2)


def test_beside_the_clean_file_it_says_what_was_not_compared(here: Path) -> None:
    result = modbench("mine.json", "--write-clean", "clean.json")
    assert f"2 of 4 examples; NOT compared with {', '.join(TEST_SETS[1:])}," in result.stderr
    result = modbench("mine.json", "--against", "dataset/AddSub/test.json", "--write-clean", "clean.json")
    assert result.stderr.endswith("2 of 4 examples\n")


def test_a_set_is_not_compared_with_itself_under_another_name(here: Path) -> None:
    found = json.loads(done("mine.json", "--against", "./mine.json", "--against", "mine.jsonl", "--format", "json"))
    assert [against["name"] for against in found["training"][0]["against"]] == ["mine.jsonl"]


def test_near_ones_may_stay(here: Path) -> None:
    done("mine.json", "--write-clean", "clean.json", "--keep-near")
    assert json.loads(Path("clean.json").read_text()) == TRAINING[1:]


def test_other_test_sets(here: Path) -> None:
    found = json.loads(done("mine.json", "--against", "mine.jsonl", "--format", "json"))
    (against,) = found["training"][0]["against"]
    assert (against["name"], against["exact"], found["not_compared"]) == ("mine.jsonl", 4, {})


def test_pinned_training_sets_that_cannot_be_had_are_named(here: Path) -> None:
    result = modbench()
    assert "nothing to compare" in str(result.exception)
    found = json.loads(done("--suite", "demo", "--format", "json", "--examples", "0"))
    names = [against["name"] for against in found["training"][0]["against"]]
    assert names == ["demo/one_step", "demo/two_step", "demo/choice", "dataset/AddSub/test.json"]
    assert found["training"][0]["exact"] == 0  # the embedded suite draws both from one generator, but never the same


def test_golds(here: Path) -> None:
    found = json.loads(done("--golds", "--format", "json"))
    (check,) = found["checks"]
    assert (check["set"], check["compared"], check["contradicted"]) == ("dataset/AddSub/test.json", 2, 0)
    assert "dataset/AddSub/AddSub.json" in found["not_checked"]
    for format in ("table", "markdown", "latex", "csv"):
        text = done("--golds", "--format", format)
        assert "worked outputs" in text and "dataset/SVAMP/SVAMP.json" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.json"], "neither a file nor a pinned one"),
        (["mine.json", "--write-clean", "mine.json"], "is the training file itself"),
        (["mine.json", "mine.jsonl", "--write-clean", "clean.json"], "name exactly one"),
        (["mine.json", "--write-clean", "data"], "data is a folder"),
        (["mine.json", "--write-clean", "new/clean.json"], "there is no folder new"),
        (["mine.json", "--against", "mine.json"], "nothing to compare"),
        (["mine.json", "--against", "./mine.json"], "nothing to compare"),
        (["--suite", "demo", "--write-clean", "clean.json"], "no file to write anew"),
        (["mine.json", "--golds"], "leave the other arguments out"),
        (["dataset/boolq/train.json"], "is not in MODBENCH_DATA"),
        (["mine.json", "--format", "tabel"], "did you mean table"),
    ],
)
def test_wrong_use_is_said_and_writes_nothing(here: Path, arguments: list[str], says: str) -> None:
    result = modbench(*arguments)
    assert says in str(result.exception)
    assert not Path("clean.json").exists() and json.loads(Path("mine.json").read_text()) == TRAINING


def test_an_audit_needs_no_torch(here: Path) -> None:
    script = (
        "import sys\n"
        "from modbench.cli.app import app\n"
        "app(['audit', 'mine.json', '--against', 'mine.jsonl'], standalone_mode=False)\n"
        "assert not {'torch', 'transformers', 'datasets', 'lm_eval'} & sys.modules.keys(), 'heavy'\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
