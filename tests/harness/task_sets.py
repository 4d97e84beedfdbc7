"""The task files by kind, and a task of them as the harness loads it."""

from __future__ import annotations

from functools import cache
from typing import Any

from modbench.demo.problems import KINDS
from modbench.resources import folder

DEMO = {f"modbench_demo_{kind}": kind for kind in KINDS}
MATH = {
    "modbench_addsub": ("AddSub", 395),
    "modbench_aqua": ("AQuA", 254),
    "modbench_gsm8k": ("gsm8k", 1319),
    "modbench_mawps": ("mawps", 238),
    "modbench_multiarith": ("MultiArith", 600),
    "modbench_singleeq": ("SingleEq", 508),
    "modbench_svamp": ("SVAMP", 1000),
}
COMMONSENSE = {
    "modbench_arc_challenge": ("ARC-Challenge", 1172),
    "modbench_arc_easy": ("ARC-Easy", 2376),
    "modbench_boolq": ("boolq", 3270),
    "modbench_hellaswag": ("hellaswag", 10042),
    "modbench_openbookqa": ("openbookqa", 500),
    "modbench_piqa": ("piqa", 1838),
    "modbench_social_iqa": ("social_i_qa", 1954),
    "modbench_winogrande": ("winogrande", 1267),
}
CHOICES = {f"{name}_mc": source for name, source in COMMONSENSE.items()}
GENERATED = MATH | COMMONSENSE
GROUPS = {"modbench_math": MATH, "modbench_commonsense": COMMONSENSE, "modbench_commonsense_mc": CHOICES}


@cache
def manager_with(**metadata: Any) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(folder("tasks")), include_defaults=False, metadata=metadata or None)


def load(manager: Any, name: str, shots: int = 0) -> Any:
    task = manager.load([name])["tasks"][name]
    task.set_config("num_fewshot", shots)
    task.set_fewshot_seed(1234)
    return task


def requests(task: Any) -> list[Any]:
    task.build_all_requests(rank=0, world_size=1)
    return [instance.arguments for instance in task.instances]
