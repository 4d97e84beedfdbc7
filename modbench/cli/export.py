"""`modbench export`: an adapter and its base as one plain Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = (
    "Examples: modbench export runs/demo/mod_k/seed-0/adapter OUT   |   "
    "modbench export ADAPTER OUT --model DIR --dtype bfloat16 --check 20"
)
DTYPES = ("float32", "bfloat16", "float16")

Adapter = Annotated[str, typer.Argument(help="An adapter that modbench or PEFT wrote: a folder or a hub id.")]
Out = Annotated[Path, typer.Argument(help="The folder to write; it must not exist, or be empty.")]
Base = Annotated[str | None, typer.Option("--model", help="The base model, where the adapter does not name it.")]
Dtype = Annotated[
    str,
    typer.Option("--dtype", help="How weights are stored: float32, bfloat16, float16.", autocompletion=lambda: DTYPES),
]
Check = Annotated[
    int, typer.Option("--check", min=0, help="Answer this many word problems before and after: how many change?")
]


def export_command(adapter: Adapter, out: Out, model: Base = None, dtype: Dtype = "float32", check: Check = 0) -> None:
    """Merge an adapter into its base and write both, with the ensemble, so that transformers alone can load them."""
    from modbench.cli.grid import quiet
    from modbench.errors import unknown

    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)

    from modbench.ensemble.export import check_new, export

    check_new(out)
    quiet()
    import torch

    from modbench.data.prompts import get_prompt
    from modbench.demo.problems import draw_set
    from modbench.training.tuned import load_tuned

    mod, tokenizer = load_tuned(adapter, model)
    prompts = [get_prompt("qa").render(problem.text) for problem in draw_set("one_step", check, 0, held_out=True)]
    done = export(mod, out, tokenizer, getattr(torch, dtype), prompts)
    print(f"largest difference of a logit: {done.difference:.1e} of the largest logit")
    if done.changed is not None:
        print(f"changed answers: {round(done.changed * check)} of {check} ({done.changed:.1%})")
    needs = "load it with trust_remote_code=True" if done.ensemble else "no ensemble: a plain model of transformers"
    print(f"{out}: {dtype}, {needs}")
