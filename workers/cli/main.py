"""The entry point: every command with its help, and the exit codes they share."""

import sys

import typer

from workers.cli import (
    doctor,
    drop,
    ingest,
    migrate,
    pauses,
    rebuild,
    reprocess,
    republish,
    resolve,
    retry,
    scan,
    simulate,
    status,
    verify,
)
from workers.cli import run as local
from workers.cli.budget import budget
from workers.cli.events import events
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.failures import Commands
from workers.cli.models import models
from workers.cli.routes import routes
from workers.cli.session import Session
from workers.private_memory import keep_memory_private

EPILOG = (
    examples(
        ("See it work on this machine: servers, samples, rows.", "headrace run --once"),
        ("Say what is wrong with the configured servers, rights and keys.", "headrace doctor"),
        ("How many documents are where, and why.", "headrace status"),
        ("Send one document through the pipeline again.", "headrace reprocess s3://inbox/2024/invoice.pdf"),
    )
    + "\n\n\b\nexit codes:\n"
    + "\n".join(f"  {code:>3}  {code.meaning}" for code in Exit)
)

app = typer.Typer(
    name="headrace",
    cls=Commands,
    epilog=EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)


@app.callback()
def headrace(context: typer.Context) -> None:
    """Documents dropped in a bucket come out as fields and tables, once, at the rate and price you allowed."""
    if context.obj is None:
        context.obj = Session()


app.command("run", epilog=local.EPILOG)(local.run)
app.command("drop", epilog=drop.EPILOG)(drop.drop)
app.command("ingest", epilog=ingest.EPILOG)(ingest.ingest)
app.command("scan", epilog=scan.EPILOG)(scan.scan)
app.command("status", epilog=status.EPILOG)(status.status)
app.command("retry", epilog=retry.EPILOG)(retry.retry)
app.command("resolve", epilog=resolve.EPILOG)(resolve.resolve)
app.command("reprocess", epilog=reprocess.EPILOG)(reprocess.reprocess)
app.command("republish", epilog=republish.EPILOG)(republish.republish)
app.command("pause", epilog=pauses.PAUSE_EPILOG)(pauses.pause)
app.command("resume", epilog=pauses.RESUME_EPILOG)(pauses.resume)
app.add_typer(budget)
app.add_typer(routes)
app.add_typer(events)
app.add_typer(models)
app.command("doctor", epilog=doctor.EPILOG)(doctor.doctor)
app.command("verify", epilog=verify.EPILOG)(verify.verify)
app.command("rebuild", epilog=rebuild.EPILOG)(rebuild.rebuild)
app.command("migrate", epilog=migrate.EPILOG)(migrate.migrate)
app.command(
    "simulate",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(simulate.simulate)


def run() -> None:
    """`headrace`, as it is installed."""
    keep_memory_private()
    # A key may hold what the terminal's encoding cannot say.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a TextIO, in a real process
    app(prog_name="headrace")


if __name__ == "__main__":
    run()
