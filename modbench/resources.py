"""Where the files that are not code lie: in the installed package, else in the source tree."""

from __future__ import annotations

from pathlib import Path

from modbench.errors import ModbenchError, unknown

PACKAGE = Path(__file__).resolve().parent
PLACES = {
    "tasks": "tasks",
    "suites": "suites",
    "leaderboards": "leaderboards",
    "demo": "demo/base",
    "demo-adapter": "demo/adapter",
}


def folder(name: str) -> Path:
    """The absolute path of a folder of resources, which exists.

    `tasks` holds lm-evaluation-harness YAML (what `--include_path` wants), `suites` one YAML per benchmark suite,
    `leaderboards` one JSON per suite, `demo` the embedded model with its tokenizer, `demo-adapter` its `mod_k` adapter.

    Raises ModbenchError for another name, and where the folder is missing.
    """
    if name not in PLACES:
        raise unknown("folder of resources", name, PLACES)
    for root in (PACKAGE, PACKAGE.parent):  # a wheel has tasks/ and leaderboards/ inside, a source tree beside
        path = root / PLACES[name]
        if path.is_dir():
            return path
    remedy = "build it with `python -m modbench.demo.build`" if name.startswith("demo") else "install modbench again"
    raise ModbenchError(f"{PACKAGE / PLACES[name]} is missing: {remedy}")
