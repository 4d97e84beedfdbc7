"""Makes the stock `lm_eval` command of release 0.4.13 know `--model mod-hf`, which that release cannot discover.

The file `modbench_lm_eval_hook.pth` beside this module imports it whenever Python starts, so it does next to nothing:
it puts a finder on `sys.meta_path` that waits for `lm_eval.models` and, once that import is done, has modbench add its
lazy entry. It never raises and never prints. `MODBENCH_NO_HOOK=1` switches it off.
"""

# No other imports, `__future__` and `contextlib` included: each would be paid for at every start of Python.
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

WATCHED = "lm_eval.models"


class Watcher:
    """A finder that finds nothing by itself: it passes on what the later finders say of `lm_eval.models`."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "ModuleSpec | None":
        """The spec of `lm_eval.models`, whose loader will call us after the import; None for any other name."""
        if name != WATCHED:
            return None
        try:
            for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    self._follow(spec.loader)
                    return spec
        except Exception:
            pass
        return None

    def _follow(self, loader: "Any") -> None:
        # The loader stays the one that was found, for reload, inspect and pkgutil: only this one call is wrapped.
        original = loader.exec_module

        def exec_module(module: "ModuleType") -> None:
            vars(loader).pop("exec_module", None)
            original(module)
            self._finish()

        loader.exec_module = exec_module

    def _finish(self) -> None:
        try:
            sys.meta_path.remove(self)
            from modbench.harness.registration import register

            register()
        except Exception:
            pass


if os.environ.get("MODBENCH_NO_HOOK") != "1":
    sys.meta_path.insert(0, Watcher())
