"""`modbench eval`: one model, perhaps with an adapter, on tasks of ours and of the harness."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modbench.cli.export import DTYPES
from modbench.cli.options import Chat, Format, Limit, PromptName, Runs, TaskNames, complete_suites

if TYPE_CHECKING:
    from modbench.candidate import Candidate
    from modbench.harness.asking import Questions

EPILOG = (
    "Examples: modbench eval   |   modbench eval --model demo   |   modbench eval --adapter demo --suite demo   |   "
    "modbench eval --model DIR --tasks modbench_math,modbench_boolq,gsm8k --limit 100 --apply-chat-template   |   "
    "modbench eval --adapter runs/demo/mod_k/seed-0/adapter --tasks modbench_demo_two_step --num-fewshot 3 --out DIR"
)

Model = Annotated[
    str | None,
    typer.Option(
        "--model", help="The base: a folder or a hub id, by default what the adapter names; demo is embedded."
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option("--adapter", help="An adapter that modbench or PEFT wrote: a folder or a hub id; demo is embedded."),
]
AsSuite = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="Evaluate as this suite does, by name or YAML file, for its leaderboard; the model is its own unless "
        "--model is given, and so are precision and batch size.",
        autocompletion=complete_suites,
    ),
]
Shots = Annotated[int | None, typer.Option("--num-fewshot", min=0, help="Worked examples to show before a problem.")]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", min=1, help="Problems at once, by default the suite's number, else 16.")
]
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="auto (as the model is stored), float32, bfloat16, float16; by default the suite's, else auto.",
        autocompletion=lambda: ("auto", *DTYPES),
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for record.json and samples/<task>.jsonl; else one of its own under --runs."),
]


def eval_command(
    suite: AsSuite = None,
    tasks: TaskNames = None,
    model: Model = None,
    adapter: Adapter = None,
    prompt: PromptName = None,
    apply_chat_template: Chat = None,
    num_fewshot: Shots = None,
    limit: Limit = None,
    batch_size: BatchSize = None,
    dtype: Dtype = None,
    out: Out = None,
    runs: Runs = Path("runs"),
    format: Format = "table",
) -> None:
    """Evaluate one model, perhaps with an adapter; with neither named, the embedded one with its own.

    --model or --suite without --adapter is the base alone.
    It is asked as its adapter was trained, where that says how; --prompt and --apply-chat-template decide otherwise.
    With --suite it is asked as the suite's runs are: it can be compared with them, and stand in their leaderboard.
    An evaluation that was cut goes on, and one that is done is printed again.
    """
    from modbench.errors import ModbenchError, unknown
    from modbench.report.formats import check_format, render_rows

    check_format(format)
    if dtype not in (None, "auto", *DTYPES):
        raise unknown("dtype", dtype, ("auto", *DTYPES))

    from modbench.candidate import Candidate
    from modbench.checkpoints import DEMO
    from modbench.cli.grid import quiet, say, split, stages
    from modbench.evaluation import Job, evaluate
    from modbench.harness.evaluate import check_foreign_tasks
    from modbench.report.evaluation import evaluation_rows
    from modbench.suites import load_suite
    from modbench.summary import summary

    quiet()
    if suite is not None:
        own = {"--tasks": tasks, "--prompt": prompt, "--num-fewshot": num_fewshot, "--limit": limit}
        own["--apply-chat-template"] = apply_chat_template
        if given := [option for option, value in own.items() if value is not None]:
            raise ModbenchError(f"--suite says how to ask: leave {', '.join(given)} out, or put it into a suite file")
        like = load_suite(suite)
        candidate = Candidate.find(model or like.model, adapter, None if model else like.revision)
        job = Job.of_suite(candidate, like, dtype, batch_size)
        names = list(like.tasks)
    else:
        candidate = Candidate.find(model, adapter)
        if tasks is not None:
            names = split(tasks, "--tasks")
        elif candidate.model == DEMO:
            names = list(load_suite(DEMO).tasks)
        else:
            raise ModbenchError("name what to evaluate on: --tasks modbench_math, or see `modbench tasks`")
        questions = _asked(candidate, names, limit, prompt, apply_chat_template, num_fewshot)
        # As its suite runs it: float16 is only how it is stored.
        stored = "float32" if candidate.model == DEMO else "auto"
        job = Job(candidate, questions, stored if dtype in (None, "auto") else dtype, batch_size or 16)
    job.questions.check()
    check_foreign_tasks(job.questions.tasks)
    with stages() as stage:
        folder, _ = evaluate(job, runs, out, stage)
    say(str(folder / "record.json"))
    headers, rows = evaluation_rows(summary(folder, names), exact=format in ("csv", "json"))
    print(render_rows(headers, rows, format))


def _asked(
    candidate: Candidate,
    names: list[str],
    limit: int | None,
    prompt: str | None,
    apply_chat_template: bool | None,
    num_fewshot: int | None,
) -> Questions:
    """The tasks of that name, and of groups of that name, asked as told, else as the adapter was trained."""
    from modbench.harness.asking import Questions
    from modbench.harness.task_files import expand

    trained = candidate.prompt_file()
    if trained is not None:
        prompt = prompt or trained.prompt
        apply_chat_template = trained.apply_chat_template if apply_chat_template is None else apply_chat_template
    return Questions(dict.fromkeys(expand(names), limit), prompt, bool(apply_chat_template), num_fewshot)
