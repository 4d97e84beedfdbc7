"""A comparison as tables: what is solved, what is certain of it, what it costs, and who solves what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modbench.report.accuracies import accuracy_blocks, seed_blocks
from modbench.report.clean import clean_block, seen_caption
from modbench.report.costs import cost_blocks
from modbench.report.differences import difference_blocks
from modbench.report.formats import as_json, check_format
from modbench.report.layout import listed, render_blocks, short
from modbench.report.solved import overlap_blocks, solved_blocks

if TYPE_CHECKING:
    from modbench.comparison.models import Comparison


def render(comparison: Comparison, format: str, clean: bool = False, every_seed: bool = False) -> str:
    """All tables of a comparison, without a trailing newline; `clean` adds that of accuracies on problems that no
    method was trained on, and `every_seed` the values of single seeds.

    `table`, `markdown` and `latex` have rounded percents and captions; `csv` has fractions in full precision, one block
    per table with an empty line between; `json` is `Comparison.to_dict`.
    Raises ModbenchError for an unknown format.
    """
    check_format(format)
    if format == "json":
        return as_json(comparison.to_dict())
    blocks = [
        *accuracy_blocks(comparison, format),
        *seed_blocks(comparison, every_seed),
        *([clean_block(comparison)] if clean else []),
        *difference_blocks(comparison, format, every_seed),
        *overlap_blocks(comparison),
        *solved_blocks(comparison),
        *cost_blocks(comparison),
    ]
    return render_blocks(_said(comparison), blocks, format)


def _said(comparison: Comparison) -> list[str]:
    model = comparison.model
    note = f" ({model.note})" if model and model.note else ""
    facts = [f"Suite {comparison.suite}" if comparison.suite else "", f"model {model.name}{note}" if model else ""]
    problems = ", ".join(f"{short(task)} {n:,}" for task, n in comparison.problems.items())
    return [
        *(text[0].upper() + text[1:] for text in [", ".join(filter(None, facts))] if text),
        f"Problems: {problems}",
        _seeds(comparison),
        *seen_caption(comparison),
        *(f"Note: {note}" for note in comparison.notes),
    ]


def _seeds(comparison: Comparison) -> str:
    if all(row.seeds == comparison.seeds for row in comparison.methods):
        word = "Seed" if len(comparison.seeds) == 1 else "Mean over seeds"
        return f"{word}: {listed(comparison.seeds)}"
    return "Mean over seeds: " + "; ".join(f"{row.method} {listed(row.seeds)}" for row in comparison.methods)
