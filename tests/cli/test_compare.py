"""`modbench compare` on finished runs, wherever they lie: nothing is run, nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from modbench.cli.app import app
from modbench.cli.compare import is_path, parse_margin
from modbench.errors import ModbenchError
from modbench.records import Parameters, Record

MakeRun = Callable[..., tuple[Path, Record]]
LORA = {"one": [True, True, False, False], "two": [True, False]}
MOD = {"one": [True, False, True, False], "two": [True, True]}


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments])


def refused(*arguments: str) -> str:
    result = compare(*arguments)
    assert isinstance(result.exception, ModbenchError) and result.stdout == "", result.output
    return str(result.exception)


@pytest.fixture
def runs(make_run: MakeRun) -> Path:
    for seed in (0, 1):
        make_run("lora_all", LORA, seed)
        make_run("mod_k", MOD, seed)
    nothing = Parameters(lora=0, norms=0, router=0, total=0, overhead_percent=None)
    unsolved = {task: [False] * len(of) for task, of in LORA.items()}
    return make_run("base", unsolved, training=None, parameters=nothing)[0].parent.parent


def test_folders_in_place_of_methods(runs: Path) -> None:
    before = sorted(runs.rglob("*"))
    found = json.loads(compare(f"{runs}/lora_all", f"ours={runs}/mod_k", "--format", "json").stdout)
    assert [row["method"] for row in found["methods"]] == ["lora_all", "ours"]
    assert (found["baseline"], found["margin"], found["seeds"]) == ("lora_all", 0, [0, 1])
    assert [pair["only_b"] for pair in found["overlaps"]] == [4]
    everything = json.loads(compare(str(runs), "--baseline", "base", "--margin", "2.5pp", "-f", "json").stdout)
    assert [row["method"] for row in everything["methods"]] == ["base", "lora_all", "mod_k"]
    assert (everything["baseline"], everything["margin"]) == ("base", 0.025)
    assert sorted(runs.rglob("*")) == before


def test_one_label_for_several_folders(runs: Path) -> None:
    names = [f"a={runs}/lora_all/seed-0", f"a:7={runs}/mod_k/seed-0"]
    text = compare(*names, "--every-seed").stdout
    assert "Mean over seeds: 0, 7" in text and "a 7 50.0 100.0" in " ".join(text.split())
    assert "are both a seed 0" in refused(names[0], f"a={runs}/mod_k/seed-0")


def test_show(runs: Path) -> None:
    text = compare(str(runs), "--show", "only:mod_k", "--limit-shown", "1").stdout
    assert text.startswith(
        "only:mod_k: 2 problems solved by mod_k and not solved by base, lora_all (seed 0); the first 1"
    )
    assert "hash-2" in text and "correct: 4" in text
    found = json.loads(compare(str(runs), "--show", "only:mod_k-lora_all", "-f", "json").stdout)
    assert [(of["task"], of["document"], of["seed"]) for of in found["documents"]] == [
        (task, document, seed) for seed in (0, 1) for task, document in (("one", "hash-2"), ("two", "hash-1"))
    ]
    assert "did you mean mod_k" in refused(str(runs), "--show", "only:mod_kk")


def test_intersect(runs: Path, make_run: MakeRun) -> None:
    other = make_run("mod_k", {"one": [True, False]}, 5)[0]
    names = f"x={runs}/lora_all/seed-0", f"y:0={other}"
    assert "two is not in y seed 0" in refused(*names)
    text = compare(*names, "--intersect").stdout
    assert "Problems: one 2" in text and "Note: one: reduced to the 2 documents that all runs answered" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--margin", "1"], "--margin 1: give percentage points"),
        (["--margin", "1%"], "such as 1pp"),
        (["--baseline", "mod"], "did you mean mod_k"),
        (["--over", "base"], "--over"),
        (["--limit", "3"], "with folders leave them out"),
        (["--format", "tabel"], "did you mean table"),
    ],
)
def test_bad_options(runs: Path, arguments: list[str], says: str) -> None:
    assert says in refused(str(runs), *arguments)


def test_bad_folders(runs: Path, tmp_path: Path) -> None:
    assert "holds no run" in refused(f"{tmp_path}/none")
    file = runs / "mod_k" / "seed-0" / "samples" / "one.jsonl"
    file.write_text(file.read_text()[:-5])
    assert "cut off" in refused(str(runs))
    file.write_text("".join(f"{line}\n" for line in file.read_text().splitlines()[:-1]))
    assert "record.json says" in refused(str(runs))
    record = runs / "mod_k" / "seed-1" / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"schema_version": 99}))
    assert "schema_version is 99" in refused(f"{runs}/mod_k/seed-1")


def test_margins() -> None:
    assert [parse_margin(text) for text in ("0pp", "1pp", "0.5 pp", "12.25pp")] == pytest.approx(
        [0, 0.01, 0.005, 0.1225]
    )
    for text in ("", "pp", "-1pp", "1", "1%", "1e1pp", "100pp", "nanpp", "1,5pp", ".5pp"):
        with pytest.raises(ModbenchError, match="percentage points"):
            parse_margin(text)


def test_what_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "mod_k", "mod_k@4"):
        (tmp_path / name).mkdir()
    assert all(map(is_path, ("mine", "./mod_k", "a=b", "a:1=b", "runs/demo")))
    assert not any(map(is_path, ("mod_k", "mod_k@4", "lora_all", "yours")))
