"""`modbench methods`: the registry."""

from __future__ import annotations

from modbench.cli.options import Format


def methods(format: Format = "table") -> None:
    """List the methods with what each trains; `mod_k@4` sets the number of late layers (default 3)."""
    from modbench.methods import METHODS
    from modbench.report.formats import render_rows

    print(render_rows(["method", "k", "trains"], [[m.name, m.k, m.trains] for m in METHODS.values()], format))
