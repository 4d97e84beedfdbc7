from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator

import pytest

from modbench.harness.registration import NAME, TARGET, register


@pytest.fixture
def registry() -> Iterator[dict[str, object]]:
    """The harness's table of model types, without ours at first, and as it was at the end."""
    import lm_eval.models  # noqa: F401
    from lm_eval.api.registry import model_registry

    before = dict(model_registry._objs)
    model_registry._objs.pop(NAME, None)
    yield model_registry._objs
    model_registry._objs.clear()
    model_registry._objs.update(before)


def test_registers_a_lazy_entry_once(registry: dict[str, object]) -> None:
    others = dict(registry)
    register()
    register()
    assert registry == {**others, "mod-hf": "modbench.harness.mod_hf:ModHF"}


def test_an_entry_found_by_the_harness_itself_stays(registry: dict[str, object]) -> None:
    found = importlib.metadata.EntryPoint(NAME, TARGET, "lm_eval.models")
    registry[NAME] = found
    register()
    assert registry[NAME] is found


def test_a_class_that_is_loaded_already_stays(registry: dict[str, object]) -> None:
    class ModHF: ...

    registry[NAME] = ModHF
    register()
    assert registry[NAME] is ModHF


def test_the_harness_keeps_its_own_models_when_we_come_first() -> None:
    code = (
        "from modbench.harness.registration import register; register();"
        "from lm_eval.api.registry import model_registry as r; print('hf' in r, 'mod-hf' in r)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_the_entry_point_names_the_same_class() -> None:
    try:
        entries = importlib.metadata.distribution("modbench").entry_points
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("modbench is not installed in this environment")
    assert [(e.name, e.value) for e in entries if e.group == "lm_eval.models"] == [(NAME, TARGET)]


def test_python_m_runs_the_command_of_the_harness() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "modbench.harness", "--help"], capture_output=True, text=True, check=True
    )
    theirs = subprocess.run([sys.executable, "-m", "lm_eval", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout == theirs.stdout
