"""The methods by name: what each means, which names there are, how a wrong one is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from modbench.ensemble import MoDConfig
from modbench.ensemble.config import PAPER
from modbench.errors import ModbenchError
from modbench.methods import METHODS, NAMES, get_method
from modbench.records.schema import PLAIN_NAME

DEPTH = 10


def test_every_method_of_the_design_has_its_name() -> None:
    for name in (
        *("base", "lora_not_k", "lora_all", "mod_k", "lora_all_mod_k", "lora_exit_0", "lora_exit_9"),
        *("mod_k_no_distill", "mod_k_no_norm", "mod_k_uniform", "mod_k_last", "mod_k_top1", "mod_k_top3"),
        *("dora_not_k", "dora_all", "dora_mod_k", "dora_all_mod_k"),
        *("peft_not_k", "peft_all", "peft_mod_k", "peft_all_mod_k", "mod_k@4", "mod_k_top4@5", "peft_mod_k@10"),
    ):
        method = get_method(name)
        assert method.name == name
        assert max(method.tuned_layers(DEPTH), default=0) < DEPTH
        assert method.mod_config().k <= DEPTH


def test_names_that_are_offered_exist_and_can_name_folders() -> None:
    import re

    assert set(METHODS) < set(NAMES) and len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        assert get_method(name).name == name and re.fullmatch(PLAIN_NAME, name)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("base", 0),
        ("lora_not_k", 7),
        ("lora_all", 10),
        ("mod_k", 7),
        ("mod_k@1", 9),
        ("mod_k@10", 0),
        ("dora_mod_k@4", 6),
        ("peft_all_mod_k@4", 10),
        ("mod_k_last", 7),
        ("lora_exit_0", 10),
        ("lora_exit_1", 9),
        ("lora_exit_9", 1),
    ],
)
def test_the_first_layers_are_tuned(name: str, layers: int) -> None:
    assert get_method(name).tuned_layers(DEPTH) == list(range(layers))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("lora_all", {"k": 1, "router": "last", "distill_weight": 0.0}),
        ("mod_k", {"k": 3}),
        ("mod_k@4", {"k": 4}),
        ("mod_k_no_distill", {"k": 3, "distill_weight": 0.0}),
        ("mod_k_no_norm", {"k": 3, "train_norms": False}),
        ("mod_k_uniform", {"k": 3, "router": "uniform"}),
        ("mod_k_last", {"k": 3, "router": "last", "distill_weight": 0.0}),
        ("mod_k_top2", {"k": 3, "top_k": 2}),
        ("mod_k_top4@6", {"k": 6, "top_k": 4}),
        ("lora_exit_2", {"k": 3, "router": "first", "train_norms": False, "distill_weight": 0.0}),
    ],
)
def test_the_ensemble_of_a_method(name: str, config: dict[str, object]) -> None:
    assert get_method(name).mod_config() == MoDConfig(**config)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mod_kk", "did you mean mod_k"),
        ("lora_exit", "lora_exit_1"),
        ("mod_k_top", "mod_k_top1"),
        ("dora_al", "dora_all"),
        ("lora_exit_2@3", "leave @3 out"),
        ("mod_k_top4", "of k = 3 late layers 4"),
        ("mod_k_top0", "at least 1"),
        ("mod_k_top3@2", "of k = 2 late layers 3"),
        ("mod_k@0", "mod_k@4"),
        ("mod_k@", "mod_k@4"),
        ("mod_k@03", "mod_k@4"),
        ("mod_k@３", "mod_k@4"),
        ("mod_k_top02", "did you mean mod_k_top2"),
        ("../mod_k", "unknown method"),
        ("", "unknown method"),
    ],
)
def test_a_wrong_name_is_refused(name: str, says: str) -> None:
    with pytest.raises(ModbenchError, match=f"^[^\n]*{says}"):
        get_method(name)


@pytest.mark.parametrize("name", ["mod_k@11", "lora_exit_10", "lora_all@11"])
def test_what_needs_more_layers_than_there_are_is_refused(name: str) -> None:
    with pytest.raises(ModbenchError, match=f"^{name}: .*{DEPTH}"):
        get_method(name).tuned_layers(DEPTH)


def test_the_papers_settings_leave_a_methods_own_alone() -> None:
    assert get_method("mod_k").with_ensemble(**PAPER).mod_config() == MoDConfig.paper(k=3)
    assert get_method("mod_k_uniform").with_ensemble(**PAPER).mod_config() == MoDConfig.paper(k=3, router="uniform")
    assert get_method("mod_k_no_distill").with_ensemble(**PAPER).mod_config().distill_weight == 0
    assert get_method("lora_all").with_ensemble(**PAPER) == get_method("lora_all")


def test_the_names_need_no_torch() -> None:
    code = (
        "import sys, modbench.methods, modbench.suites; assert not {'torch', 'peft', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
