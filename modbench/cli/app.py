"""The typer application: which commands there are."""

from __future__ import annotations

import typer

from modbench.cli import compare, data, export, leaderboard, methods, run, suites, tasks

app = typer.Typer(
    name="modbench",
    help="Which tuning method solves more problems, which problems only it solves, and what it costs.",
    epilog="Start with: modbench compare lora_all mod_k",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(epilog=compare.EPILOG)(compare.compare)
app.command(epilog=run.EPILOG)(run.run)
app.command(epilog=methods.EPILOG)(methods.methods)
app.command()(suites.suites)
app.command(epilog=tasks.EPILOG)(tasks.tasks)
app.command(epilog=leaderboard.EPILOG)(leaderboard.leaderboard)
app.command("export", epilog=export.EPILOG)(export.export_command)
app.add_typer(data.data_app, name="data")
