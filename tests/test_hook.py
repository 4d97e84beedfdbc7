"""The start-up hook, in fresh interpreters with a small stand-in for lm_eval."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = Path(__file__).resolve().parents[1] / "hook"
REGISTRY = """
class Registry(dict):
    def register(self, name, target):
        self[name] = target
model_registry = Registry()
"""
SHOW = "from lm_eval.api.registry import model_registry; print(dict(model_registry))"
REGISTERED = "{'hf': 1, 'mod-hf': 'modbench.harness.mod_hf:ModHF'}"


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A package lm_eval as far as the hook needs it; importing its models adds to an entry named hf."""
    for package in ("lm_eval", "lm_eval/api", "lm_eval/models"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "lm_eval/api/registry.py").write_text(REGISTRY)
    (tmp_path / "lm_eval/models/__init__.py").write_text(
        "from lm_eval.api.registry import model_registry as r\nr['hf'] = r.get('hf', 0) + 1\n"
    )
    return tmp_path


def python(code: str, *folders: Path, **env: str) -> str:
    """What `code` prints, both streams together, when Python starts with the hook read from the source tree."""
    start = f"import site; site.addsitedir({str(HOOK)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [HOOK, *folders, HOOK.parent])), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


COUNT = "import sys; print(sum(type(f).__name__ == 'Watcher' for f in sys.meta_path))"


def test_waits_and_costs_no_import(fake: Path) -> None:
    assert python(COUNT, fake) == "1"
    assert python("import sys; print({'lm_eval', 'modbench', 'torch'} & set(sys.modules))", fake) == "set()"


def test_registers_after_the_import_and_leaves(fake: Path) -> None:
    assert python(f"import lm_eval.models\n{SHOW}\n{COUNT}", fake) == f"{REGISTERED}\n0"


def test_a_model_module_imported_first_counts_too(fake: Path) -> None:
    (fake / "lm_eval/models/huggingface.py").touch()
    assert python(f"import lm_eval.models.huggingface\n{SHOW}", fake) == REGISTERED


def test_is_switched_off(fake: Path) -> None:
    out = python(f"import lm_eval.models\n{SHOW}\n{COUNT}", fake, MODBENCH_NO_HOOK="1")
    assert out == "{'hf': 1}\n0"


def test_reload_looking_and_reading_work_as_before(fake: Path) -> None:
    code = (
        "import importlib.util, inspect, sys\n"
        "importlib.util.find_spec('lm_eval.models'); importlib.util.find_spec('lm_eval.models')\n"
        "import lm_eval.models as m\n"
        "assert type(m.__loader__) is importlib.machinery.SourceFileLoader and m.__spec__.loader is m.__loader__\n"
        "assert 'exec_module' not in vars(m.__loader__) and 'hf' in inspect.getsource(m)\n"
        "importlib.reload(m)\n"
    )
    assert python(code + SHOW, fake) == REGISTERED.replace("1", "2")


def test_other_finders_are_asked_in_their_turn(fake: Path) -> None:
    code = (
        "import sys\n"
        "asked = []\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        asked.append(name)\n"
        "sys.meta_path.insert(0, Finder()); sys.meta_path.insert(2, Finder())\n"
        "import lm_eval.models\n"
        "print(asked.count('lm_eval.models'))\n"
    )
    assert python(code + SHOW, fake) == f"2\n{REGISTERED}"


def test_a_failed_import_fails_as_it_would_and_can_be_repeated(fake: Path) -> None:
    (fake / "lm_eval/models/__init__.py").write_text(
        "from lm_eval.api.registry import model_registry as r\nr['hf'] = r.get('hf', 0) + 1\nif r['hf'] == 1: 1 / 0\n"
    )
    code = "try:\n    import lm_eval.models\nexcept ZeroDivisionError:\n    import lm_eval.models\n"
    assert python(code + SHOW, fake) == REGISTERED.replace("1", "2")


@pytest.mark.parametrize("registry", ["", "model_registry = None", "raise RuntimeError('no registry')"])
def test_an_lm_eval_without_our_registry_is_left_alone(fake: Path, registry: str) -> None:
    (fake / "lm_eval/api/registry.py").write_text(registry)
    (fake / "lm_eval/models/__init__.py").write_text("value = 3")
    assert python("import lm_eval.models\nprint(lm_eval.models.value)", fake) == "3"


def test_a_loader_that_cannot_be_followed_still_loads(fake: Path) -> None:
    code = (
        "import sys, importlib.machinery\n"
        "class Loader:\n"
        "    __slots__ = ()\n"
        "    def create_module(self, spec): return None\n"
        "    def exec_module(self, module): module.value = 4\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'lm_eval.models': return importlib.machinery.ModuleSpec(name, Loader())\n"
        "sys.meta_path.insert(1, Finder())\n"
        "import lm_eval.models\n"
        "print(lm_eval.models.value)\n"
    )
    assert python(code, fake) == "4"


def test_absent_lm_eval_and_uninstalled_modbench_say_nothing_new(fake: Path) -> None:
    block = "import sys; sys.modules['modbench'] = None\n"
    assert python(f"{block}import lm_eval.models\n{SHOW}", fake) == "{'hf': 1}"
    block = "import sys; sys.modules['lm_eval'] = None\n"
    assert python(f"{block}try:\n    import lm_eval.models\nexcept ImportError:\n    print('absent')", fake) == "absent"


def test_the_pth_line_alone_is_silent(tmp_path: Path) -> None:
    (tmp_path / "hook.pth").write_text((HOOK / "modbench_lm_eval_hook.pth").read_text())
    code = f"import site, sys; sys.modules['modbench_lm_eval_hook'] = None; site.addsitedir({str(tmp_path)!r})"
    assert python(code) == ""


def test_with_the_harness_itself() -> None:
    code = "import sys, lm_eval.models\nfrom lm_eval.api.registry import model_registry as r\n"
    code += "print(r._objs['mod-hf'], 'hf' in r, 'torch' in sys.modules)"
    assert python(code) == "modbench.harness.mod_hf:ModHF True False"
