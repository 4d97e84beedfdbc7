from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import modbench

HEAVY = ["torch", "transformers", "peft", "lm_eval", "datasets", "accelerate", "numpy"]


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["pass", "import modbench", "import modbench.resources, modbench.errors"])
def test_starting_python_and_importing_modbench_load_nothing_heavy(statement: str) -> None:
    assert loaded_after(statement).isdisjoint(HEAVY)


def test_the_method_is_reached_from_the_top_of_the_package() -> None:
    from modbench import ensemble

    for name in ("MoDConfig", "MoDModel", "get_mod_model"):
        assert getattr(modbench, name) is getattr(ensemble, name)
        assert name in dir(modbench)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="MoDConfg"):
        _ = modbench.MoDConfg


def test_version_is_that_of_the_installed_package() -> None:
    try:
        installed = importlib.metadata.version("modbench")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("modbench is not installed in this environment")
    assert modbench.__version__ == installed
