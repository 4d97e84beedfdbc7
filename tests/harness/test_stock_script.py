"""The unmodified `lm_eval` script with `--model mod-hf`, as users run it: one test for each way to call it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from modbench import resources
from modbench.data.prompts import get_prompt
from modbench.harness.mod_hf import ModHF
from modbench.harness.task_files import group_files, group_tasks, task_files

from ..made_up import pin, problem_sets, training_sets

LM_EVAL = Path(sys.executable).with_name("lm_eval")
LIMIT = 4
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not LM_EVAL.exists(), reason="the lm_eval script is not installed beside this Python"),
]


def run_script(tmp_path: Path, tasks: list[str], include: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`lm_eval --model mod-hf` on `tasks`, run to its end."""
    command = [str(LM_EVAL), "--model", "mod-hf", "--tasks", ",".join(tasks), "--include_path", str(include)]
    command += ["--limit", str(LIMIT), "--output_path", str(tmp_path / "out"), "--log_samples", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "MODBENCH_NO_HOOK"}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)


def lm_eval(tmp_path: Path, tasks: list[str], include: Path, *arguments: str) -> tuple[dict[str, Any], str, Path]:
    """Results, what was printed, and the folder of the results, of `lm_eval --model mod-hf` on `tasks`."""
    done = run_script(tmp_path, tasks, include, *arguments)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "out").glob("*/results_*.json")
    return json.loads(file.read_text()), done.stdout, file.parent


def samples(folder: Path, task: str) -> list[dict[str, Any]]:
    (file,) = folder.glob(f"samples_{task}_*.jsonl")
    return sorted(map(json.loads, file.read_text().splitlines()), key=lambda row: int(row["doc_id"]))


@pytest.fixture(scope="module")
def our_tasks() -> Path:
    """What a user's shell puts in for `$(modbench tasks --path)`."""
    command = [sys.executable, "-m", "modbench", "tasks", "--path"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.removesuffix("\n"))


@pytest.fixture
def foreign_tasks(tmp_path: Path) -> Path:
    """Two tasks in the harness's own style, on a JSON file: few-shot generation, and choices."""
    rows = [{"q": f"What is {n} + 2?", "a": str(n + 2), "options": ["1", str(n + 2), "9"]} for n in range(3, 9)]
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "rows.json").write_text(json.dumps(rows))
    shared = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"train": str(folder / "rows.json"), "test": str(folder / "rows.json")}},
        "test_split": "test",
        "fewshot_split": "train",
        "num_fewshot": 2,
        "doc_to_text": "Question: {{q}}\nAnswer:",
        "metadata": {"version": 1.0},
    }
    generate = shared | {
        "task": "foreign_generate",
        "output_type": "generate_until",
        "doc_to_target": "{{a}}",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 8},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    choose = shared | {
        "task": "foreign_choose",
        "output_type": "multiple_choice",
        "doc_to_choice": "{{options}}",
        "doc_to_target": 1,
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    for task in (generate, choose):
        (folder / f"{task['task']}.yaml").write_text(json.dumps(task))
    return folder


def test_with_no_arguments_it_is_the_embedded_model_and_its_adapter(tmp_path: Path, our_tasks: Path) -> None:
    if not (resources.PACKAGE / resources.PLACES["demo-adapter"]).is_dir():
        pytest.skip("this build has no shipped adapter yet: run `python -m modbench.demo.build`")
    adapter = resources.folder("demo-adapter")
    results, printed, _ = lm_eval(tmp_path, ["modbench_demo_one_step"], our_tasks)
    assert "modbench_demo_one_step" in printed
    assert results["config"]["peft"] == str(adapter)
    assert results["config"]["mod_config"] == json.loads((adapter / "mod_config.json").read_text())


def test_with_base_and_adapter_on_our_tasks(tmp_path: Path, our_tasks: Path, mod_adapter: Path) -> None:
    base = tmp_path / "base"  # a folder of the user's: not the name "demo"
    shutil.copytree(resources.folder("demo"), base)
    tasks = ["modbench_demo_one_step", "modbench_demo_choice"]
    results, printed, folder = lm_eval(
        tmp_path,
        tasks,
        our_tasks,
        "--model_args",
        f"pretrained={base},peft={mod_adapter},dtype=float32,max_length=128",
        "--batch_size",
        "auto",
    )
    assert all(task in printed for task in tasks)
    assert "Largest batch size" in printed
    assert folder.name.endswith(mod_adapter.name), "the results lie under the adapter's name, not the base's"
    assert results["config"]["mod_config"] == json.loads((mod_adapter / "mod_config.json").read_text())

    lm = ModHF(pretrained=str(base), peft=str(mod_adapter), dtype="float32", batch_size=1, device="cpu")
    for row in samples(folder, "modbench_demo_one_step"):
        context, settings = row["arguments"]["gen_args_0"].values()
        request = Instance(request_type="generate_until", doc={}, arguments=(context, settings), idx=0)
        assert row["resps"] == [lm.generate_until([request], disable_tqdm=True)]
    rows = samples(folder, "modbench_demo_choice")
    assert [row["doc_id"] for row in rows] == list(range(LIMIT))
    for row in rows:
        for number, argument in enumerate(row["arguments"].values()):
            request = Instance(request_type="loglikelihood", doc={}, arguments=tuple(argument.values()), idx=0)
            ((expected, _),) = lm.loglikelihood([request], disable_tqdm=True)
            assert float(row["resps"][number][0][0]) == pytest.approx(expected, abs=2e-3)


def test_with_the_word_adapter_on_foreign_tasks(tmp_path: Path, foreign_tasks: Path, mod_adapter: Path) -> None:
    results, _, folder = lm_eval(
        tmp_path,
        ["foreign_generate", "foreign_choose"],
        foreign_tasks,
        "--model_args",
        f"pretrained=demo,adapter={mod_adapter}",
        "--batch_size",
        "2",
    )
    assert results["config"]["mod_config"]["k"] == 3
    assert results["config"]["model_dtype"] == "torch.float32"  # the embedded model's, unless told otherwise
    assert results["n-samples"]["foreign_generate"]["effective"] == LIMIT
    rows = samples(folder, "foreign_choose")
    right = [max(range(3), key=lambda i: float(row["filtered_resps"][i][0])) == 1 for row in rows]
    assert results["results"]["foreign_choose"]["acc,none"] == sum(right) / LIMIT


def test_with_an_adapter_that_peft_wrote(tmp_path: Path, our_tasks: Path, peft_adapter: Path) -> None:
    results, _, folder = lm_eval(
        tmp_path, ["modbench_demo_choice"], our_tasks, "--model_args", f"peft={peft_adapter}", "--batch_size", "4"
    )
    assert results["config"]["mod_config"] is None
    assert results["config"]["peft"] == str(peft_adapter)
    assert folder.name.endswith(peft_adapter.name)


def test_a_truncated_adapter_is_one_line_and_exit_code_2(our_tasks: Path, tmp_path: Path) -> None:
    shutil.copytree(resources.folder("demo-adapter"), tmp_path / "cut")
    weights = tmp_path / "cut" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    done = run_script(tmp_path, ["modbench_demo_choice"], our_tasks, "--model_args", "pretrained=demo,peft=cut")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("modbench: cut/adapter_model.safetensors is not a whole")
    assert "Traceback" not in done.stderr


@pytest.fixture
def made_up_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files in place of the public ones, in this process and in those that it starts."""
    folder = tmp_path / "data"
    pin(folder, problem_sets() | training_sets(), monkeypatch)
    places = os.pathsep.join([str(folder), *filter(None, sys.path)])
    (folder / "sitecustomize.py").write_text(
        "from pathlib import Path\n"
        "from modbench.data import sources\n"
        f"folder = Path({str(folder)!r})\n"
        "for name in sources.FILES:\n"
        "    blob = sources.git_blob_id(folder / name) if (folder / name).exists() else '0' * 40\n"
        "    sources.FILES[name] = sources.PinnedFile('owner/name', '0123abc', blob, 'MIT')\n"
    )
    monkeypatch.setenv("PYTHONPATH", places)


def test_the_groups_on_all_fifteen_sets_with_examples_and_another_prompt(
    tmp_path: Path, our_tasks: Path, made_up_data: None
) -> None:
    results, printed, folder = lm_eval(
        tmp_path,
        list(group_files()),
        our_tasks,
        "--model_args",
        "pretrained=demo",
        "--limit",
        "2",
        "--num_fewshot",
        "1",
        "--metadata",
        json.dumps({"prompt": "llm_adapters"}),
    )
    for group in group_files():
        assert group in printed and f"{group}, by size" in printed
        tasks = group_tasks(group)
        for metric in (
            ["acc,none", "acc_norm,none"] if group.endswith("_mc") else ["exact_match,none", "unreadable,none"]
        ):
            mean = sum(results["results"][task][metric] for task in tasks) / len(tasks)
            for name in (group, f"{group}::by_size"):  # of two problems each
                assert results["groups"][name][metric] == pytest.approx(mean)
    rows = samples(folder, "modbench_multiarith")
    assert len(rows) == 2
    for row in rows:
        context = row["arguments"]["gen_args_0"]["arg_0"]
        asks = get_prompt("llm_adapters").render(row["doc"]["instruction"])
        assert context.endswith(asks) and "The answer is " in context.removesuffix(asks)
        assert row["exact_match"] in (0.0, 1.0) and row["llm_adapters"] in (0.0, 1.0)


def test_it_lists_and_validates_all_of_ours(our_tasks: Path) -> None:
    names = [*task_files(), *group_files()]
    done = subprocess.run(
        [str(LM_EVAL), "validate", "--tasks", ",".join(names), "--include_path", str(our_tasks)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and "All tasks found and valid" in done.stdout
    listed = subprocess.run(
        [str(LM_EVAL), "ls", "tasks", "--include_path", str(our_tasks)], capture_output=True, text=True, timeout=300
    )
    assert all(f"|{name} " in listed.stdout for name in names)
