"""What a wheel, an sdist and an editable install hold, tried in an environment of their own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PINS = [
    Requirement(line)
    for line in (ROOT / "ci/constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: object, cwd: Path = ROOT, **env: str) -> str:
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MODBENCH_NO_HOOK")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**inherited, **env}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def is_shipped(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


# The pinned set


def test_every_constraint_pins_one_release_without_a_local_label() -> None:
    names = [canonicalize_name(pin.name) for pin in PINS]
    assert len(names) == len(set(names)) > 50
    for pin in PINS:
        (specifier,) = pin.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, pin
        assert "+" not in specifier.version, pin
        assert pin.url is None and not pin.extras and pin.marker is None, pin
    assert "torch==2.13.0" in map(str, PINS)
    assert "modbench" not in names


def test_every_dependency_is_pinned_at_the_minor_version_of_its_lower_bound() -> None:
    pins = {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in PINS}
    for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]:
        need = Requirement(line)
        pinned = pins[canonicalize_name(need.name)]
        assert pinned in need.specifier, f"{need} is pinned at {pinned}"


def test_every_package_that_is_imported_is_a_dependency() -> None:
    imported = set()
    for path in (ROOT / "modbench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    names = {canonicalize_name({"yaml": "pyyaml"}.get(name, name)) for name in imported - sys.stdlib_module_names}
    assert names - {"modbench"} <= declared


# What is built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist of this tree and the wheel that is built from it, away from the tree."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    return folder


def test_the_wheel_holds_package_tasks_leaderboards_and_hook_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    shipped = {
        (path.relative_to(ROOT) if folder == "modbench" else "modbench" / path.relative_to(ROOT)).as_posix()
        for folder in ("modbench", "tasks", "leaderboards")
        for path in (ROOT / folder).rglob("*")
        if is_shipped(path)
    }
    hook = {"modbench_lm_eval_hook.pth", "modbench_lm_eval_hook.py"}
    assert {name for name in names if ".dist-info/" not in name} == shipped | hook
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


# What is installed


class Installed(NamedTuple):
    """A Python with modbench installed over this environment's packages, and the folder that modbench must lie in."""

    python: Path
    home: Path


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp(request.param)
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (site / "these_packages.pth").write_text(sysconfig.get_path("purelib"))
    (wheel,) = built.glob("*.whl")
    what = ["-e", ROOT] if request.param == "editable" else [wheel]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--ignore-installed"]
    run(*pip, "--no-build-isolation", *what)
    return Installed(python, ROOT if request.param == "editable" else site)


@pytest.mark.parametrize("name", ["tasks", "leaderboards"])
def test_the_installed_package_knows_its_files_from_anywhere(installed: Installed, name: str, tmp_path: Path) -> None:
    files = {path.relative_to(ROOT / name) for path in (ROOT / name).rglob("*") if is_shipped(path)}
    code = (
        f"import modbench; from modbench.resources import folder; print(modbench.__file__, folder({name!r}), sep='\\n')"
    )
    module, found = map(Path, run(installed.python, "-c", code, cwd=tmp_path).splitlines())
    assert module == installed.home / "modbench/__init__.py"
    assert found == (ROOT / name if installed.home == ROOT else installed.home / "modbench" / name)
    assert {path.relative_to(found) for path in found.rglob("*") if is_shipped(path)} == files != set()


def test_the_stock_harness_knows_mod_hf_after_installation(installed: Installed, tmp_path: Path) -> None:
    python = installed.python
    code = (
        "import sys; import modbench_lm_eval_hook as hook; print(hook.__file__);"
        "print({'lm_eval', 'modbench', 'torch'} & set(sys.modules));"
        "import lm_eval.models; from lm_eval.api.registry import model_registry as r; print(r._objs.get('mod-hf'))"
    )
    module, loaded, entry = run(python, "-c", code, cwd=tmp_path).splitlines()
    assert Path(module).is_relative_to(python.parents[1])
    assert (loaded, entry) == ("set()", "modbench.harness.mod_hf:ModHF")
    assert run(python, "-c", code, cwd=tmp_path, MODBENCH_NO_HOOK="1").endswith("None")
