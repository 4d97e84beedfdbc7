"""A process that is killed at a chosen step on the disk, without one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """What no handler of errors catches."""


def kill_at(patch: pytest.MonkeyPatch, at: int, look: Callable[[], object] = lambda: None) -> Callable[[], int]:
    """Makes the `at`-th step on the disk, and every later one, raise `Killed` in its place; returns a count of steps.

    Steps are renames, replacements, removals of folders, flushes and new folders; `look` is called before each.
    """
    steps = 0

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **kwargs: Any) -> Any:
            nonlocal steps
            look()
            steps += 1
            if steps >= at:
                raise Killed
            return step(*args, **kwargs)

        return stepping

    for module, name in ((os, "rename"), (os, "replace"), (os, "fsync"), (shutil, "rmtree"), (Path, "mkdir")):
        patch.setattr(module, name, counted(getattr(module, name)))
    return lambda: steps
