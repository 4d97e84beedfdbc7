"""Every task file: what it says, what it needs, and the real sets that are here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modbench.data.download import Unavailable
from modbench.data.pools import POOLS
from modbench.data.sources import FILES
from modbench.errors import ModbenchError
from modbench.harness.task_files import (
    check_task,
    default_prompt,
    expand,
    group_files,
    group_tasks,
    read_task,
    task_files,
)
from modbench.resources import folder

from .task_sets import CHOICES, COMMONSENSE, DEMO, GENERATED, GROUPS, load

needs_data = pytest.mark.skipif(not os.environ.get("MODBENCH_DATA"), reason="MODBENCH_DATA is not set")


def test_every_file_is_a_task_or_group_known_here(manager: Any) -> None:
    names = sorted([*GENERATED, *CHOICES, *DEMO, *GROUPS])
    assert len(names) == 7 + 8 + 8 + 3 + 3
    files = [path for path in folder("tasks").rglob("*") if path.is_file()]
    assert sorted(path.stem for path in files if path.suffix == ".yaml") == names
    assert all(path.name.startswith("_") and path.name.endswith("_yaml") for path in files if path.suffix != ".yaml")
    assert sorted(manager.all_tasks) == names and sorted(manager.all_groups) == sorted(GROUPS)
    assert sorted([*task_files(), *group_files()]) == names and sorted(group_files()) == sorted(GROUPS)


@pytest.mark.parametrize("name", [*GENERATED, *CHOICES, *DEMO])
def test_every_task_says_what_it_is(name: str) -> None:
    settings = read_task(name)
    source = settings["dataset_kwargs"]
    assert settings["task"] == name and settings["metadata"]["version"] >= 1.0
    if name in DEMO:
        assert source == {"problems": DEMO[name], "pool": f"demo/{DEMO[name]}"}
    else:
        file, count = (GENERATED | CHOICES)[name]
        assert source["data_file"] == f"dataset/{file}/test.json" and source["data_file"] in FILES
        assert source["count"] == count and source["pool"] in POOLS
    if settings["output_type"] == "generate_until":
        kind = "letter" if name == "modbench_aqua" else "label" if name in COMMONSENSE else "number"
        assert settings["metadata"]["answer"] == kind
        assert settings["process_results"] == f"modbench.harness.tasks.score_{kind}"
        assert [metric["metric"] for metric in settings["metric_list"]] == [
            "exact_match",
            "llm_adapters",
            "no_answer",
            "unreadable",
        ]
        assert [metric["higher_is_better"] for metric in settings["metric_list"]] == [True, True, False, False]
        most = 40 if name in DEMO else 32 if name in COMMONSENSE else 256
        assert settings["generation_kwargs"]["max_gen_toks"] == most
        assert "filter_list" not in settings
    assert default_prompt(name) == ("qa" if name in DEMO else None if name in CHOICES else "alpaca")


@pytest.mark.parametrize("name", GROUPS)
def test_groups(name: str) -> None:
    assert sorted(group_tasks(name)) == sorted(GROUPS[name])
    assert expand(["gsm8k", name, "modbench_demo_choice", name]) == [
        "gsm8k",
        *group_tasks(name),
        "modbench_demo_choice",
    ]


def test_names_and_prompts_are_checked() -> None:
    for name in ("modbench_addsub", "gsm8k", "modbench_boolq_mc"):
        check_task(name, "llm_adapters")
        check_task(name, None)
    with pytest.raises(ModbenchError, match="unknown task 'modbench_adsub': did you mean modbench_addsub"):
        check_task("modbench_adsub", "alpaca")
    with pytest.raises(ModbenchError, match="modbench_math is a group: name its tasks, which are modbench_addsub, "):
        check_task("modbench_math", None)
    with pytest.raises(ModbenchError, match="unknown prompt 'llm_adapter': did you mean llm_adapters"):
        check_task("gsm8k", "llm_adapter")
    assert default_prompt("gsm8k") is None


def test_a_task_whose_data_cannot_be_had(manager: Any, data: Path) -> None:
    (data / "dataset/AddSub/test.json").unlink()
    with pytest.raises(Unavailable, match=r"dataset/AddSub/test\.json is not in MODBENCH_DATA"):
        manager.load(["modbench_addsub"])


def test_a_task_is_built_asked_and_scored_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from lm_eval.tasks import TaskManager\n"
        "from modbench.resources import folder\n"
        "manager = TaskManager(include_path=str(folder('tasks')), include_defaults=False)\n"
        "task = manager.load(['modbench_demo_one_step'])['tasks']['modbench_demo_one_step']\n"
        "task.set_fewshot_seed(1)\n"
        "doc = task.eval_docs[0]\n"
        "task.fewshot_context(doc, num_fewshot=2)\n"
        "assert task.process_results(doc, [doc['answer']])['exact_match'] == 1\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules), 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_the_module_of_the_task_files_needs_neither_datasets_nor_lm_eval() -> None:
    program = (
        "import sys, modbench.harness.task_files, modbench.harness.tasks\n"
        "assert not {'torch', 'datasets', 'lm_eval', 'numpy', 'sympy'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.realdata
@needs_data
@pytest.mark.parametrize("name", GENERATED)
def test_real_sets(manager: Any, name: str) -> None:
    file, size = GENERATED[name]
    path = Path(os.environ["MODBENCH_DATA"]) / f"dataset/{file}/test.json"
    if not path.exists():
        pytest.skip(f"{file} is not here")
    rows = json.loads(path.read_text())
    assert len(rows) == size
    for form in (name, f"{name}_mc") if name in COMMONSENSE else (name,):
        task = load(manager, form)
        docs = task.eval_docs
        assert docs["instruction"][:] == [row["instruction"] for row in rows]
        if form == name:
            right = [task.process_results(doc, [doc["answer"]]) for doc in docs]
            assert all(scores["exact_match"] == scores["llm_adapters"] == 1 for scores in right)
        else:
            assert all(doc["answer"] in doc["choices"] and doc["question"] for doc in docs)
