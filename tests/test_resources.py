from __future__ import annotations

from pathlib import Path

import pytest

from modbench import resources
from modbench.errors import ModbenchError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "somewhere" / "modbench"
    folder.mkdir(parents=True)
    monkeypatch.setattr(resources, "PACKAGE", folder)
    return folder


@pytest.mark.parametrize("name", ["tasks", "suites", "leaderboards"])
def test_the_folder_in_the_package_comes_before_the_one_beside_it(package: Path, name: str) -> None:
    beside = package.parent / name
    beside.mkdir()
    assert resources.folder(name) == beside
    inside = package / name
    inside.mkdir()
    assert resources.folder(name) == inside


def test_the_embedded_model_and_its_adapter(package: Path) -> None:
    for name, place in {"demo": "base", "demo-adapter": "adapter"}.items():
        with pytest.raises(ModbenchError, match=r"python -m modbench\.demo\.build"):
            resources.folder(name)
        (package / "demo" / place).mkdir(parents=True)
        assert resources.folder(name) == package / "demo" / place


def test_a_missing_folder_is_named_with_the_remedy(package: Path) -> None:
    with pytest.raises(ModbenchError, match="tasks is missing: install modbench again"):
        resources.folder("tasks")


def test_another_name_gets_the_nearest() -> None:
    with pytest.raises(ModbenchError, match="did you mean tasks"):
        resources.folder("task")


def test_this_checkout_or_installation_has_its_leaderboards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (resources.folder("leaderboards") / "README.md").is_file()
