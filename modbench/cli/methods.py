"""`modbench methods`: what each method trains, in words, or counted on a model without its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modbench.cli.options import Format, ModelName, Paper, PeftConfigFile, complete_methods, complete_suites

EPILOG = (
    "Examples: modbench methods   |   modbench methods --params --model meta-llama/Llama-2-7b-hf   |   "
    "modbench methods mod_k@4 dora_all --params --model DIR --suite smollm2-math"
)

Names = Annotated[list[str] | None, typer.Argument(help="Only these methods.", autocompletion=complete_methods)]
Params = Annotated[
    bool, typer.Option("--params", help="Count what each trains on --model, of which only the config is read.")
]
SuiteName = Annotated[
    str | None,
    typer.Option("--suite", help="Count by this suite's recipe, not the paper's.", autocompletion=complete_suites),
]


def methods(
    names: Names = None,
    params: Params = False,
    model: ModelName = None,
    suite: SuiteName = None,
    peft_config: PeftConfigFile = None,
    paper: Paper = False,
    format: Format = "table",
) -> None:
    """List the methods with what each trains; `mod_k@4` sets the number of late layers (default 3)."""
    from modbench.errors import ModbenchError
    from modbench.report.formats import check_format, render_rows

    check_format(format)
    if params:
        _count(names, model, suite, peft_config, paper, format)
    elif model or suite or peft_config or paper:
        raise ModbenchError("--model, --suite, --peft-config and --paper are for counting parameters: add --params")
    else:
        print(render_rows(["method", "k", "trains"], _in_words(names), format))


def _in_words(names: list[str] | None) -> list[list[object]]:
    from modbench.methods import DEFAULT_K, FAMILIES, METHODS, get_method

    if names:
        return [[method.name, method.k, method.trains] for method in map(get_method, names)]
    rows: list[list[object]] = [[method.name, method.k, method.trains] for method in METHODS.values()]
    return rows + [[name, "j+1" if "exit" in name else DEFAULT_K, trains] for name, trains in FAMILIES.items()]


def _count(
    names: list[str] | None, model: str | None, suite: str | None, peft_config: Path | None, paper: bool, format: str
) -> None:
    from modbench.cli.grid import chosen_methods, quiet, recipe_changes, say
    from modbench.errors import ModbenchError
    from modbench.methods import METHODS
    from modbench.report.parameters import abstract_claim, render_parameters
    from modbench.suites import PAPER_RECIPE, load_suite

    loaded = load_suite(suite) if suite else None
    model = model or (loaded.model if loaded else None)
    if model is None:
        raise ModbenchError("--params needs --model: a hub id, or a folder with a config.json")
    recipe = loaded.recipe if loaded else PAPER_RECIPE
    with_peft = peft_config is not None or recipe.peft is not None
    everything = [name for name, method in METHODS.items() if with_peft or method.adapter != "peft"]
    chosen = chosen_methods(names or everything, paper)
    recipe = recipe.model_copy(update=recipe_changes(chosen, peft_config, paper))

    from modbench.training.accounting import empty_model, fitting_targets, load_config, trained_parameters

    quiet()
    empty = empty_model(load_config(model))
    targets = fitting_targets(empty, recipe)
    note = f"LoRA: r = {recipe.lora.r} on {', '.join(targets)}"
    if targets != recipe.lora.targets:
        note += f", as PEFT does not find all on this {empty.config.model_type} of {', '.join(recipe.lora.targets)}"
    recipe = recipe.model_copy(update={"lora": recipe.lora.model_copy(update={"targets": targets})})
    counted = list(zip(chosen, trained_parameters(empty, chosen, recipe), strict=True))

    tell = print if format in ("table", "markdown") else say  # the other formats are read by programs
    tell(f"Parameters trained on {model}; overhead over lora_not_k of the same k\n\n{note}\n")
    print(render_parameters(counted, format))
    if claim := abstract_claim(counted):
        tell(f"\n{claim}")
