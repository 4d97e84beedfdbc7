"""The typer application: which commands there are."""

from __future__ import annotations

import typer

from modbench.cli import (
    audit,
    check,
    compare,
    data,
    eval,
    export,
    leaderboard,
    methods,
    report,
    rescore,
    run,
    suites,
    tasks,
    train,
)

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
app.command(epilog=train.EPILOG)(train.train)
app.command("eval", epilog=eval.EPILOG)(eval.eval_command)
app.command(epilog=report.EPILOG)(report.report)
app.command("check", epilog=check.EPILOG)(check.check_command)
app.command(epilog=rescore.EPILOG)(rescore.rescore)
app.command(epilog=audit.EPILOG)(audit.audit)
app.command(epilog=methods.EPILOG)(methods.methods)
app.command()(suites.suites)
app.command(epilog=tasks.EPILOG)(tasks.tasks)
app.command("export", epilog=export.EPILOG)(export.export_command)
app.add_typer(data.data_app, name="data")
app.add_typer(leaderboard.leaderboard_app, name="leaderboard")
