"""`headrace reprocess`: documents go through the pipeline once more, and are paid once more."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.errors import NoRoute
from workers.cli.consent import obtain, who
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import DryRunOption, JsonOption, YesOption
from workers.cli.output import note, say, say_json, several, shown
from workers.cli.places import Place, parse_place
from workers.cli.prices import estimate
from workers.cli.retry import matching
from workers.cli.session import session_of

if TYPE_CHECKING:
    from config.routes import RouteTable
    from headrace.document import Document
    from headrace.ledger import Ledger
    from headrace.ledger.records import Run
    from headrace.routing import Route
    from tasks.services import Services

EPILOG = examples(
    ("Send one document through the pipeline again.", "headrace reprocess s3://inbox/2024/invoice.pdf"),
    ("See what reprocessing everything below a prefix may cost.", "headrace reprocess s3://inbox/2024/ --dry-run"),
    ("Do it from a script.", "headrace reprocess s3://inbox/2024/ --yes --json"),
)  # fmt: skip

_AT_ONCE = 1000


def reprocess(
    context: typer.Context,
    place: Annotated[
        Place, typer.Argument(parser=parse_place, metavar="S3URL", help="One object, or all below a prefix.")
    ],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Send documents through the pipeline again.

    Today's routes and models are used, and paid again: it says what that may cost, and asks first.
    """
    session = session_of(context)
    services = session.services
    runs = current_runs(services.ledger, place)
    if not runs:
        note(f"headrace: the ledger knows no document at {shown(str(place))}. `headrace ingest` takes new ones in.")
        raise typer.Exit(Exit.FAILED)
    ended = [run for run in runs if run.state.is_end]
    routed = ((run, route_now(run, services.routes)) for run in ended)
    costs = estimate(((run, route.lane if route else None, route) for run, route in routed), services.routes)
    if not json or not (yes or dry_run):
        note(f"To be done again: {costs}" if ended else "Nothing to do again.")
        if len(ended) < len(runs):
            note(f"{several(len(runs) - len(ended), 'run')} under way already, and left alone.")
    batch, started = None, 0
    if ended and not dry_run:
        obtain(session, f"Pay for {several(costs.runs, 'run')} again?", yes=yes)
        if not is_one(services.ledger, place):
            batch = services.ledger.start_batch("reprocess", who(), str(place))
        started = _reprocess(services, batch, ended)
        if not json:
            say(_followed(started, ended[0], batch))
    if json:
        under_way = len(runs) - len(ended)
        say_json({**costs.facts(), "under_way": under_way, "dry_run": dry_run, "batch": batch, "started": started})


def is_one(ledger: "Ledger", place: Place) -> bool:
    """Whether the place is one object's: that goes like a fresh drop, what is below a prefix as a batch after those."""
    return bool(ledger.documents_of_object(place.bucket, place.key))


def current_runs(ledger: "Ledger", place: Place) -> "list[Run]":
    """The latest run of each S3 key's current content: what lay there before is not paid again."""
    from headrace.ledger.records import RunFilter

    exact = ledger.documents_of_object(place.bucket, place.key)
    if exact:
        run = ledger.latest_run(exact[0].id)
        return [] if run is None else [run]
    current = {document.id for document in documents_below(ledger, place)}
    below = matching(ledger, RunFilter(bucket=place.bucket, prefix=place.key))
    return [run for run in below if run.document.id in current]


def documents_below(ledger: "Ledger", place: Place) -> "Iterator[Document]":
    """The current content of every key that begins so, page by page."""
    after = None
    while found := ledger.documents_at(place.bucket, place.key, _AT_ONCE, after=after):
        yield from found
        after = found[-1].key


def route_now(run: "Run", routes: "RouteTable") -> "Route | None":
    """The route that today's table gives the document; None where none takes it any more."""
    try:
        return routes.for_key(run.document.bucket, run.document.key)
    except NoRoute:
        return None


def _reprocess(services: "Services", batch: str | None, runs: "list[Run]") -> int:
    from headrace.ledger.records import Hint

    started = 0
    for start in range(0, len(runs), _AT_ONCE):
        documents = [run.document.id for run in runs[start : start + _AT_ONCE]]
        recorded = services.ledger.reprocess(documents, batch=batch, by=who())
        services.hints.hint_all([Hint(one.run_id, one.hint) for one in recorded if one.hint is not None])
        started += sum(one.new for one in recorded)
    return started


def _followed(started: int, first: "Run", batch: str | None) -> str:
    if batch is None:
        return f"{several(started, 'run')} started. `headrace status {first.document.id}` follows it."
    return f"{several(started, 'run')} started, as batch {batch}. `headrace status --batch {batch}` follows them."
