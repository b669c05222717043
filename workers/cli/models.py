"""`headrace models`: the models of a Nanonets account; listing and looking cost nothing."""

from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.consent import obtain
from workers.cli.examples import examples
from workers.cli.filters import JsonOption, YesOption
from workers.cli.output import say, say_json, say_table, several, shown
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.providers.nanonets.models import Model

_LIST = ("Which models does the account have, and which are live?", "headrace models list")
_SHOW = ("What does one of them find?", "headrace models show 0a1b2c3d-0000-4000-8000-000000000001")
_CREATE = (
    "Create one that is to find these labels; it is trained on the vendor's pages.",
    "headrace models create total",
)
EPILOG = examples(_LIST, _SHOW, _CREATE)
LIST_EPILOG = examples(
    _LIST, ("The same for another account, for a script.", "headrace models list --account emea --json")
)
SHOW_EPILOG = examples(_SHOW)
CREATE_EPILOG = examples(
    _CREATE, ("Several labels, from a script.", "headrace models create invoice_number total 'due date' --yes --json")
)

AccountOption = Annotated[
    str, typer.Option("--account", metavar="NAME", help="The named API key to use; the provider's own unless given.")
]

models = typer.Typer(
    name="models", no_args_is_help=True, rich_markup_mode=None, help="Models of a Nanonets account.", epilog=EPILOG
)


@models.callback()
def models_group() -> None:
    """List, show and create models of a Nanonets account."""


@models.command("list", epilog=LIST_EPILOG)
def list_models(context: typer.Context, account: AccountOption = "nanonets", json: JsonOption = False) -> None:
    """List the models of the account; `model` of a route takes such an id."""
    from workers.factory import nanonets_api

    with nanonets_api(session_of(context).settings, account) as api:
        found = api.models()
    if json:
        say_json({"account": account, "models": [_facts(model) for model in found]})
        return
    say_table(
        ("model", "type", "state", "labels"),
        [(model.id, model.type, model.state_in_words, len(model.categories)) for model in found],
    )
    say(f"{several(len(found), 'model')}; {sum(model.is_live for model in found)} can be asked.")


@models.command("show", epilog=SHOW_EPILOG)
def show(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its id.")],
    account: AccountOption = "nanonets",
    json: JsonOption = False,
) -> None:
    """Show one model: its state, and the labels that it finds."""
    from workers.factory import nanonets_api

    with nanonets_api(session_of(context).settings, account) as api:
        found = api.model(model)
    if json:
        say_json({"account": account, **_facts(found)})
    else:
        _tell(found)


@models.command("create", epilog=CREATE_EPILOG)
def create(
    context: typer.Context,
    labels: Annotated[list[str], typer.Argument(metavar="LABEL...", help="What it is to find, as total.")],
    account: AccountOption = "nanonets",
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Create a model, which can be asked once it is trained."""
    from workers.factory import nanonets_api

    session = session_of(context)
    with nanonets_api(session.settings, account) as api:
        obtain(session, f"Create a model with {several(len(labels), 'label')}?", yes=yes, remedy="Say --yes.")
        found = api.create_model(labels)
    if json:
        say_json({"account": account, **_facts(found)})
    else:
        _tell(found)


def _tell(model: "Model") -> None:
    says = f" (the vendor says: {shown(model.status)})" if model.status else ""
    say(f"{shown(model.id)}: {model.state_in_words}{says}.")
    say_table(("label", "annotated files"), [(category.name, category.count) for category in model.categories])


def _facts(model: "Model") -> dict[str, object]:
    return {
        "model": model.id,
        "type": model.type,
        "state": model.state,
        "state_in_words": model.state_in_words,
        "live": model.is_live,
        "status": model.status,
        "labels": [{"label": category.name, "annotated_files": category.count} for category in model.categories],
    }
