"""`modbench suites`: the benchmarks that come along."""

from __future__ import annotations

from modbench.cli.options import Format


def suites(format: Format = "table") -> None:
    """List the suites: base model, tasks, training examples."""
    from modbench.report.formats import render_rows
    from modbench.suites import load_suite, suite_names

    loaded = [load_suite(name) for name in suite_names()]
    rows = [[s.name, s.model, s.training.count, ", ".join(s.tasks), s.description] for s in loaded]
    headers = ["suite", "model", "examples", "tasks", "description"]
    print(render_rows(headers, rows, format, prose=("tasks", "description")))
