"""`modbench eval`: what it prints and leaves, how it goes on, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from modbench import resources
from modbench.candidate import Candidate
from modbench.cli.eval import eval_command
from modbench.comparison.join import join
from modbench.comparison.load import from_record
from modbench.errors import ModbenchError
from modbench.evaluation import Job
from modbench.harness import evaluate as harness
from modbench.harness.asking import Questions
from modbench.leaderboard import from_runs
from modbench.methods import METHODS
from modbench.prompt_file import PromptFile, write_prompt_file
from modbench.records import read_record, read_run_samples
from modbench.runner import Benchmark
from modbench.stats.accuracy import Estimate
from modbench.suites import load_suite
from modbench.summary import Line, group_lines, summary

from ..chat_models import TEMPLATES, chat_model

TASKS = ("modbench_demo_one_step", "modbench_demo_choice")
LIMIT = 4


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries stay as talkative for other tests as they were."""
    monkeypatch.setattr("modbench.cli.grid.quiet", lambda: None)


def evaluate(out: Path, **options: Any) -> Path:
    options = {"tasks": ",".join(TASKS), "limit": LIMIT, "format": "csv", **options}
    eval_command(**options, out=out)
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def adapter_with(folder: Path, file: PromptFile) -> Path:
    shutil.copytree(resources.folder("demo-adapter"), folder)
    write_prompt_file(folder, file)
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished evaluation of the embedded model with its adapter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modbench.cli.grid.quiet", lambda: None)
        return evaluate(tmp_path_factory.mktemp("done") / "out", adapter="demo")


def test_it_leaves_what_a_run_leaves(done: Path) -> None:
    assert set(files(done)) == {
        "record.json",
        "identity.json",
        "log.jsonl",
        *(f"samples/{task}.jsonl" for task in TASKS),
    }
    record = read_record(done)
    samples = read_run_samples(done, record)
    assert [len(of_task) for of_task in samples.values()] == [LIMIT] * len(TASKS)
    assert (record.suite, record.prompt, record.training, record.recipe) == ("eval", "qa", None, {})
    assert record.late_layers == [7, 8, 9] and record.model.name == "demo" and record.evaluation.tokens
    stored = load_file(resources.folder("demo-adapter") / "adapter_model.safetensors")
    assert record.parameters.lora == sum(tensor.numel() for tensor in stored.values())
    mixture = load_file(resources.folder("demo-adapter") / "mod_model.safetensors")
    assert record.parameters.router == mixture["router.weight"].numel()
    assert record.parameters.norms == sum(t.numel() for t in mixture.values()) - record.parameters.router


def test_the_table_follows_from_the_samples(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(done, adapter="demo")
    rows = {row["task"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert list(rows) == list(TASKS)
    for task, samples in read_run_samples(done, read_record(done)).items():
        row = rows[task]
        assert int(row["n"]) == LIMIT
        for metric in samples[0].metrics.keys() - {"no_answer", "unreadable"}:
            values = [sample.metrics[metric] for sample in samples]
            if metric == "acc" and "exact_match" in samples[0].metrics:
                assert row["acc"] == "" and values == [sample.metrics["exact_match"] for sample in samples]
                continue
            assert float(row[metric]) == pytest.approx(statistics.mean(values))
            assert float(row[f"{metric}_stderr"]) == pytest.approx(statistics.stdev(values) / math.sqrt(LIMIT))
        assert int(row["no_answer"]) == sum(sample.outcome == "no_answer" for sample in samples)
    log = [json.loads(line) for line in (done / "log.jsonl").read_text().splitlines()]
    (cost,) = [entry for entry in log if entry.get("task") == TASKS[0]]
    assert float(rows[TASKS[0]]["tokens_per_second"]) == pytest.approx(cost["tokens"] / cost["seconds"])
    assert rows[TASKS[1]]["tokens_per_second"] == ""  # a choice by log-likelihood generates nothing


def test_called_again_it_does_nothing(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(done)
    monkeypatch.setattr(harness, "open_model", None)
    evaluate(done, adapter="demo")
    assert files(done) == before


def test_another_evaluation_does_not_get_its_folder(done: Path) -> None:
    before = files(done)
    base = {"adapter": None, "model": "demo"}
    for other in (base, {"limit": 3}, {"prompt": "alpaca"}, {"num_fewshot": 1}, {"batch_size": 2}):
        with pytest.raises(ModbenchError, match="holds something else: name another --out"):
            evaluate(done, **{"adapter": "demo"} | other)
    assert files(done) == before


def test_a_cut_evaluation_goes_on_and_ends_as_if_undisturbed(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = harness.answer_task

    def cut(lm: Any, loaded: Any, *rest: Any) -> Any:
        found = answer(lm, loaded, *rest)
        if loaded.config.task == TASKS[1]:
            raise KeyboardInterrupt
        return found

    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(harness, "answer_task", cut)
        evaluate(out, adapter="demo")
    assert not (out / "record.json").exists() and [p.name for p in (out / "samples").iterdir()] == [f"{TASKS[0]}.jsonl"]
    asked: list[str] = []
    opened = harness.open_model

    def deaf(*arguments: Any) -> Any:
        lm = opened(*arguments)
        monkeypatch.setattr(lm, "_loglikelihood_tokens", lambda *a, **k: asked.append("again"))
        return lm

    monkeypatch.setattr(harness, "open_model", deaf)
    evaluate(out, adapter="demo")
    assert asked == []  # the answers were in the request cache
    for task in TASKS:
        assert (out / "samples" / f"{task}.jsonl").read_bytes() == (done / "samples" / f"{task}.jsonl").read_bytes()
    assert not (out / "cache").exists()


def test_too_many_examples_are_refused_before_anything_is_left(tmp_path: Path) -> None:
    with pytest.raises(ModbenchError, match="has 400 examples to show, not 999"):
        evaluate(tmp_path / "out", num_fewshot=999)
    assert not (tmp_path / "out").exists()


def test_what_is_refused_before_its_first_answer_does_not_hold_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise ModbenchError("no memory left")

    with monkeypatch.context() as patch, pytest.raises(ModbenchError, match="no memory left"):
        patch.setattr(harness, "answer_task", fail)
        evaluate(tmp_path / "out")
    assert not (tmp_path / "out" / "record.json").exists()
    evaluate(tmp_path / "out", num_fewshot=1, limit=1, tasks=TASKS[0])
    assert read_record(tmp_path / "out").identity["num_fewshot"] == 1


def test_without_a_folder_and_tasks_it_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    eval_command(limit=1)
    (record,) = tmp_path.rglob("record.json")
    assert record.parent == tmp_path / "runs" / "eval" / "modbench-demo" / "seed-0"
    assert len(read_record(record.parent).tasks) == 3


# As a suite does it


@pytest.fixture
def suite(tmp_path: Path) -> str:
    """The demo suite with a few problems, asked otherwise than its tasks are by themselves, as a file."""
    import yaml

    demo = yaml.safe_load((resources.folder("suites") / "demo.yaml").read_text())
    settings = {"prompt": "plain", "generation": {"max_gen_toks": 24}, "eval_batch_size": 3}
    tasks = {"modbench_demo_one_step": 5, "modbench_demo_choice": 3}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({**demo, **settings, "tasks": tasks, "name": "few"}))
    return str(tmp_path / "suite.yaml")


def test_a_suite_is_asked_as_its_runs_are(suite: str, tmp_path: Path) -> None:
    benchmark = Benchmark(load_suite(suite), tmp_path / "runs")
    (run,) = benchmark.plan([METHODS["base"]], [0])
    eval_command(suite=suite, runs=tmp_path / "runs")
    folder = tmp_path / "runs" / "eval" / "few" / "base" / "seed-0"
    assert benchmark.find(run) is None and not (tmp_path / "runs" / "few").exists()
    theirs = benchmark.run(run, lambda _: None)
    mine = read_record(folder)
    assert (mine.suite, mine.method, mine.model, mine.data) == ("few", "base", theirs.model, theirs.data)
    assert {name: mine.identity[name] for name in theirs.identity.keys() & mine.identity.keys()} == {
        name: theirs.identity[name] for name in theirs.identity.keys() - {"method", "seed"}
    }
    assert mine.identity.keys() - theirs.identity.keys() == {"suite", "adapter"}
    sides = [from_record(folder, mine), from_record(benchmark.folder(run), theirs)]
    joined, notes = join([replace(side, method=name) for side, name in zip(sides, ("mine", "theirs"), strict=True)])
    assert notes == []
    for task in mine.tasks:
        one, other = (side.tasks[task] for side in joined)
        assert (one.documents, one.conditions, one.correct.tolist()) == (
            other.documents,
            other.conditions,
            other.correct.tolist(),
        )
        assert "generation" in one.conditions["prompt"] and "plain" in one.conditions["prompt"]
    eval_command(suite=suite, adapter="demo", runs=tmp_path / "runs")
    tuned = tmp_path / "runs" / "eval" / "few" / "modbench-demo" / "seed-0"
    board = from_runs([sides[1], from_record(tuned, read_record(tuned))])
    assert [row.name for row in board.rows] == ["base seed 0", "modbench-demo seed 0"]


def test_its_precision_model_and_batch_size_can_be_others(suite: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(resources.folder("demo"), model)
    eval_command(suite=suite, model=str(model), dtype="bfloat16", batch_size=2, out=tmp_path / "out")
    record = read_record(tmp_path / "out")
    assert (record.model.name, record.suite) == ("model", "few")
    assert (record.identity["dtype"], record.identity["eval_batch_size"]) == ("bfloat16", 2)


def test_the_same_questions_without_a_suite_are_another_evaluation(tmp_path: Path) -> None:
    job = Job(Candidate.find("demo", None), Questions({TASKS[0]: 1}, None), "float32", 16)
    assert job.folder(tmp_path) != replace(job, suite="demo").folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tasks": "gsm8k", "limit": 3}, "--suite says how to ask: leave --tasks, --limit out"),
        ({"prompt": "qa", "num_fewshot": 0}, "leave --prompt, --num-fewshot out"),
        ({"apply_chat_template": False}, "leave --apply-chat-template out"),
        ({"suite": "demmo"}, "did you mean demo"),
        ({"suite": "nowhere.yaml"}, "no suite file nowhere.yaml"),
        ({"adapter": "mod_k@4"}, "is called like the method mod_k@4, for which its record would pass"),
    ],
    ids=str,
)
def test_what_does_not_go_with_a_suite_is_one_line(
    options: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(resources.folder("demo-adapter"), "mod_k@4")
    with pytest.raises(ModbenchError) as error:
        eval_command(**{"suite": "demo", **options})
    assert says in str(error.value) and "\n" not in str(error.value)
    assert not Path("runs").exists()


def test_with_nothing_named_it_is_the_embedded_model_with_its_adapter(done: Path) -> None:
    before = files(done)
    evaluate(done)
    assert files(done) == before


def test_what_was_trained_on_is_known_only_without_an_adapter(done: Path, tmp_path: Path) -> None:
    base = evaluate(tmp_path / "out", model="demo", limit=2)
    assert read_record(base).method == "base" and read_record(base).parameters.total == 0
    for folder, seen in ((base, False), (done, None)):
        samples = read_run_samples(folder, read_record(folder))
        assert {sample.seen for of_task in samples.values() for sample in of_task} == {seen}


def test_an_adapter_is_asked_as_it_was_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(chat_model(tmp_path / "model"))
    template = TEMPLATES["eos ends a turn"]
    chat = adapter_with(tmp_path / "a", PromptFile(prompt="plain", apply_chat_template=True, chat_template=template))
    out = evaluate(tmp_path / "out", model=model, adapter=str(chat), limit=1)
    identity = read_record(out).identity
    assert identity["apply_chat_template"] and {task["prompt"] for task in identity["tasks"].values()} == {"plain"}
    assert read_record(out).prompt == "plain" and read_record(out).method == "a"
    assert "modbench: warning" not in capsys.readouterr().err
    evaluate(tmp_path / "other", model=model, adapter=str(chat), limit=1, apply_chat_template=False, prompt="qa")
    assert "apply_chat_template" not in read_record(tmp_path / "other").identity
    assert "was trained with a chat template: add" in capsys.readouterr().err


def test_groups_have_both_means(done: Path) -> None:
    (one,) = summary(done, ["modbench_demo_one_step"])
    other = Line("other", 12, {"exact_match": Estimate(0.25, 0.1)}, 3, None, 5.0)
    by_task, by_problem = group_lines("both", [one, other])
    p, p_error = one.metrics["exact_match"]
    q, q_error = other.metrics["exact_match"]
    assert p_error is not None and q_error is not None
    assert by_task.metrics.keys() == by_problem.metrics.keys() == {"exact_match"}
    assert by_task.metrics["exact_match"] == pytest.approx(((p + q) / 2, math.hypot(p_error, q_error) / 2))
    assert by_problem.metrics["exact_match"] == pytest.approx(
        ((4 * p + 12 * q) / 16, math.hypot(4 * p_error, 12 * q_error) / 16)
    )
    assert (by_task.n, by_task.no_answer, by_task.unreadable) == (16, one.no_answer + 3, None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tasks": "modbench_demo_onestep"}, "did you mean modbench_demo_one_step"),
        ({"tasks": ","}, "--tasks names nothing"),
        ({"adapter": "no/such/folder"}, "no adapter"),
        ({"model": "no/such/folder"}, "no model 'no/such/folder'"),
        ({"prompt": "alpacca"}, "did you mean alpaca"),
        ({"dtype": "float3"}, "did you mean float32"),
        ({"format": "cvs"}, "did you mean csv"),
        ({"apply_chat_template": True}, "no chat template"),
        ({"model": "MODEL", "tasks": None}, "name what to evaluate on"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    if options.get("model") == "MODEL":
        options = options | {"model": str(resources.folder("demo"))}
    with pytest.raises(ModbenchError) as error:
        evaluate(tmp_path / "out", **options)
    assert says in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out" / "record.json").exists() and not (tmp_path / "out" / "samples").exists()


def test_a_broken_adapter_is_one_line(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(resources.folder("demo-adapter"), adapter)
    (adapter / "prompt.json").write_text("{}")
    with pytest.raises(ModbenchError, match="is not what modbench wrote"):
        evaluate(tmp_path / "out", adapter=str(adapter))
    assert not (tmp_path / "out").exists()
    (adapter / "prompt.json").unlink()
    (adapter / "mod_model.safetensors").write_bytes(b"junk")
    with pytest.raises(ModbenchError, match=r"mod_model\.safetensors is not a whole safetensors file"):
        evaluate(tmp_path / "out", adapter=str(adapter))
