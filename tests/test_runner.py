"""The main job as a user runs it: nothing twice, nothing overwritten, nothing lost to a kill."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modbench import resources
from modbench.harness.mod_hf import ModHF
from modbench.methods import get_method
from modbench.records import lock_run, read_record, read_samples
from modbench.runner import Benchmark, Run
from modbench.suites import Suite, load_suite

LIMIT = 8
BATCH = 4
HEAVY = {"torch", "transformers", "peft", "lm_eval", "datasets", "accelerate"}


def tiny_fields(**changes: Any) -> dict[str, Any]:
    """The suite `demo`, made small."""
    fields = load_suite("demo").model_dump(mode="json")
    fields["training"]["count"] = 48
    fields["recipe"] |= {"epochs": 1, "batch_size": 8, "gradient_accumulation": 1, "warmup_steps": 2}
    fields["tasks"] = dict.fromkeys(fields["tasks"], LIMIT)
    return fields | {"name": "tiny", "eval_batch_size": BATCH} | changes


def benchmark(runs: Path, **changes: Any) -> Benchmark:
    return Benchmark(Suite.model_validate(tiny_fields(**changes)), runs)


def planned(of: Benchmark, method: str = "base", seed: int = 0) -> Run:
    (run,) = of.plan([get_method(method)], [seed])
    return run


def command(folder: Path, *arguments: str) -> list[str]:
    """`modbench compare ARGUMENTS` on the tiny suite, to be run in `folder`, which is made ready for it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.yaml").write_text(json.dumps(tiny_fields()))
    return [sys.executable, "-m", "modbench", "compare", *arguments, "--suite", "tiny.yaml"]


def compare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *arguments), cwd=folder, capture_output=True, text=True, timeout=300)


def stamps(folder: Path) -> dict[str, int]:
    """Every file under `folder` with its time of change; a file that goes away meanwhile is left out."""
    found = {}
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            try:
                found[str(path.relative_to(folder))] = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with undisturbed, finished runs of two methods, and the table that was printed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = compare(folder, "base", "mod_k")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.long
def test_a_run_leaves_what_it_should(finished: tuple[Path, str]) -> None:
    runs = finished[0] / "runs" / "tiny"
    tasks = {f"samples/{task}.jsonl" for task in tiny_fields()["tasks"]}
    common = {"record.json", "identity.json", "log.jsonl", ".lock"} | tasks
    assert set(stamps(runs / "base" / "seed-0")) == common
    tuned = set(stamps(runs / "mod_k" / "seed-0"))
    assert {path for path in tuned if not path.startswith("adapter/")} == common | {"training.json"}
    assert {"adapter/mod_config.json", "adapter/mod_model.safetensors", "adapter/adapter_model.safetensors"} <= tuned
    record = read_record(runs / "mod_k" / "seed-0")
    assert record.training is not None and record.training.examples == 48 and record.training.steps == 6
    assert record.gates is not None and sum(record.gates) == pytest.approx(1, abs=1e-5)
    assert {task: result.n for task, result in record.tasks.items()} == tiny_fields()["tasks"]
    assert record.evaluation.tokens and record.evaluation.seconds > 0


@pytest.mark.long
def test_called_again_it_does_nothing_imports_nothing_and_says_the_same(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    before = stamps(folder / "runs")
    python, *rest = command(folder, "base", "mod_k")
    again = subprocess.run([python, "-X", "importtime", *rest], cwd=folder, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (0, printed)
    assert stamps(folder / "runs") == before
    imported = {name.partition(".")[0] for name in re.findall(r"\|\s+(\S+)$", again.stderr, re.MULTILINE)}
    assert "modbench" in imported and not imported & HEAVY


@pytest.mark.long
def test_no_run_makes_missing_runs_an_error(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    before = stamps(folder / "runs")
    assert compare(folder, "base", "mod_k", "--no-run").stdout == printed
    other = compare(folder, "base", "mod_k", "--no-run", "--limit", "4")
    assert other.returncode == 2 and other.stdout == ""
    assert re.fullmatch(r"modbench: not run yet: base seed 0, mod_k seed 0; .*\n", other.stderr)
    assert stamps(folder / "runs") == before


CLAIM = {".lock", "identity.json"}


def moment(folder: Path, process: subprocess.Popen[bytes], ignored: set[str] = CLAIM) -> None:
    """Waits until `process` has begun to work in `folder`: until more than the `ignored` files, its claim, changes."""

    def seen() -> dict[str, int]:
        return {path: at for path, at in stamps(folder).items() if Path(path).name not in ignored}

    before, deadline = seen(), time.monotonic() + 120
    while process.poll() is None and seen() == before and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.long
def test_killed_at_random_moments_it_ends_as_if_undisturbed(finished: tuple[Path, str], tmp_path: Path) -> None:
    whole, cut = (folder / "runs" / "tiny" / "mod_k" / "seed-0" for folder in (finished[0], tmp_path))
    draw = random.Random(0)
    for _ in range(5):
        process = subprocess.Popen(command(tmp_path, "mod_k"), cwd=tmp_path, stderr=subprocess.DEVNULL)
        moment(cut, process)
        time.sleep(draw.uniform(0, 1.2))
        process.kill()
        process.wait()
        assert_whole_or_absent(cut, whole)
    done = compare(tmp_path, "mod_k")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in cut.parent.iterdir()] == ["seed-0"]
    for file in (whole / "samples").iterdir():
        assert (cut / "samples" / file.name).read_bytes() == file.read_bytes()
    mine, theirs = read_record(cut), read_record(whole)
    for field in ("identity", "tasks", "gates", "parameters", "data"):
        assert getattr(mine, field) == getattr(theirs, field)
    assert_whole_or_absent(cut, whole)


def assert_whole_or_absent(cut: Path, whole: Path) -> None:
    """What is under its final name in `cut` is what an undisturbed run has there."""
    if (cut / "record.json").exists():
        read_record(cut)
        assert {path.name for path in (cut / "samples").glob("*.jsonl")} == set(os.listdir(whole / "samples"))
    for file in (cut / "samples").glob("*.jsonl"):
        assert len(read_samples(file)) == LIMIT
    if (cut / "adapter").exists():
        assert set(os.listdir(cut / "adapter")) == set(os.listdir(whole / "adapter"))
        for file in (whole / "adapter").iterdir():
            assert (cut / "adapter" / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.long
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "base"),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        # Where the tests run in the background, the signal is ignored, and children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    moment(tmp_path / "runs", process, ignored={"identity.json"})
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    # 130 is what a shell makes of the signal; Python ends by it where the interrupt came in text that was executed.
    assert process.returncode in (130, -signal.SIGINT)
    assert said.decode().splitlines()[-1] == "modbench: stopped; the same command goes on from here"
    assert "Traceback" not in said.decode()


@pytest.mark.long
def test_a_run_that_another_process_works_on_is_left_alone(tmp_path: Path) -> None:
    of = benchmark(tmp_path / "runs")
    folder = of.folder(planned(of))
    with lock_run(folder):
        before = stamps(folder)
        refused = compare(tmp_path, "base")
        assert refused.returncode == 2 and refused.stdout == ""
        assert "another process is working on" in refused.stderr.splitlines()[-1]
        assert stamps(folder) == before


@pytest.mark.parametrize(
    ("task", "step"), [("modbench_demo_one_step", "_model_generate"), ("modbench_demo_choice", "_model_call")]
)
def test_a_cut_evaluation_goes_on_from_its_last_finished_batch(
    task: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls, cut_at = getattr(ModHF, step), 0, 0

    def counted(self: ModHF, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == cut_at:
            raise KeyboardInterrupt
        return original(self, *args, **kwargs)

    monkeypatch.setattr(ModHF, step, counted)
    undisturbed, cut = (benchmark(tmp_path / name, tasks={task: LIMIT}) for name in ("undisturbed", "cut"))
    expected = undisturbed.run(planned(undisturbed), lambda _: None)
    batches, calls, cut_at = calls, 0, 2
    assert batches >= 2
    with pytest.raises(KeyboardInterrupt):
        cut.run(planned(cut), lambda _: None)
    assert cut.find(planned(cut)) is None
    calls, cut_at = 0, 0
    found = cut.run(planned(cut), lambda _: None)
    assert calls == batches - 1
    assert found.tasks == expected.tasks
    files = [of.folder(planned(of)) / "samples" / f"{task}.jsonl" for of in (undisturbed, cut)]
    mine, theirs = (read_samples(file) for file in files)
    assert mine == theirs


def test_another_identity_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    tasks = {"modbench_demo_choice": 4}
    first, other = benchmark(tmp_path, tasks=tasks), benchmark(tmp_path, tasks={"modbench_demo_choice": 3})
    record = first.run(planned(first), lambda _: None)
    before = stamps(first.folder(planned(first)))
    assert other.find(planned(other)) is None
    assert other.run(planned(other), lambda _: None).tasks["modbench_demo_choice"].n == 3
    assert other.folder(planned(other)) != first.folder(planned(first))
    assert stamps(first.folder(planned(first))) == before
    assert first.run(planned(first), lambda _: None) == first.find(planned(first)) == record
    assert stamps(first.folder(planned(first))) == before


def test_finished_runs_count_wherever_they_lie(tmp_path: Path) -> None:
    tasks = {"modbench_demo_choice": 4}
    there = benchmark(tmp_path / "there", tasks=tasks)
    record = there.run(planned(there), lambda _: None)
    here = Benchmark(there.suite, tmp_path / "here", others=[tmp_path / "nowhere", tmp_path / "there"])
    run = planned(here)
    assert here.missing([run]) == [] and here.find(run) == record
    assert here.finished([run]) == [(there.folder(run), record)]
    assert here.missing([planned(here, seed=1)]) and not (tmp_path / "here").exists()


RECIPE = tiny_fields()["recipe"]


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "bfloat16"},
        {"eval_batch_size": 2},
        {"tasks": {"modbench_demo_choice": LIMIT}},
        {"training": {"source": "demo", "count": 40}},
        {"training": {"source": "demo", "count": 48, "seed": 1}},
        {"recipe": RECIPE | {"learning_rate": RECIPE["learning_rate"] / 2}},
        {"recipe": RECIPE | {"max_length": RECIPE["max_length"] + 1}},
        {"recipe": RECIPE | {"lora": RECIPE["lora"] | {"alpha": RECIPE["lora"]["alpha"] + 1}}},
    ],
    ids=["dtype", "batch", "tasks", "count", "drawn otherwise", "learning rate", "length", "alpha"],
)
def test_what_makes_another_run(changes: dict[str, Any], tmp_path: Path) -> None:
    one, other = benchmark(tmp_path), benchmark(tmp_path, **changes)
    assert planned(one, "mod_k").identity != planned(other, "mod_k").identity


def test_seeds_methods_and_weights_make_other_runs_and_words_do_not(tmp_path: Path) -> None:
    of = benchmark(tmp_path)
    runs = of.plan([get_method(name) for name in ("base", "lora_all", "mod_k", "mod_k@2")], [0, 1])
    assert len({json.dumps(run.identity, sort_keys=True) for run in runs}) == len(runs)
    reworded = benchmark(tmp_path, description="the same in other words", seeds=[4, 5])
    assert planned(of, "mod_k").identity == planned(reworded, "mod_k").identity

    model = tmp_path / "model"
    shutil.copytree(resources.folder("demo"), model)
    assert planned(benchmark(tmp_path, model=str(model)), "mod_k").identity == planned(of, "mod_k").identity
    with (model / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    assert planned(benchmark(tmp_path, model=str(model)), "mod_k").identity != planned(of, "mod_k").identity


def test_planning_writes_nothing(tmp_path: Path) -> None:
    of = benchmark(tmp_path / "runs")
    assert of.finished(of.plan([get_method("base"), get_method("mod_k")], [0])) == []
    assert not any(tmp_path.iterdir())
