"""`headrace routes`: the route table, checked as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.errors import ConfigurationError
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import JsonOption
from workers.cli.output import note, say, say_json, say_table, several, shown
from workers.cli.session import session_of

EPILOG = examples(
    ("Check headrace.toml, with a line number for each mistake.", "headrace routes check"),
    ("Check a new version before it is deployed.", "headrace routes check deploy/headrace.toml"),
)

routes = typer.Typer(
    name="routes", no_args_is_help=True, rich_markup_mode=None, help="Check the route table.", epilog=EPILOG
)


@routes.callback()
def routes_group() -> None:
    """Check the route table."""


@routes.command("check", epilog=EPILOG)
def check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="By default HEADRACE_ROUTES_FILE.")] = None,
    json: JsonOption = False,
) -> None:
    """Name every mistake in headrace.toml with its line and its remedy, or list the routes."""
    from config.routes import check_secrets, load_routes

    settings = session_of(context).settings
    path = file if file is not None else session_of(context).routes_file
    try:
        table = load_routes(path)
        check_secrets(table, settings)
    except ConfigurationError as error:
        mistakes = str(error).splitlines()
        for mistake in mistakes:
            note(shown(mistake))
        if json:
            say_json({"file": str(path), "mistakes": mistakes, "routes": []})
        raise typer.Exit(Exit.FAILED) from error
    if json:
        say_json(
            {"file": str(path), "mistakes": [], "routes": [route.model_dump(mode="json") for route in table.routes]}
        )
        return
    say_table(
        ("route", "takes", "lane", "output", "revision"),
        [(r.name, f"s3://{r.bucket}/{r.prefix}", str(r.lane), r.output, r.revision) for r in table.routes],
    )
    fine = "is" if len(table.routes) == 1 else "are"
    say(f"{several(len(table.routes), 'route')} {fine} fine.")
