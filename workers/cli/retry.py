"""`headrace retry`: failed runs go on where they stopped, many at once, or one document that somebody wants now."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.errors import LedgerError, LedgerUnavailable
from headrace.states import State
from workers.cli.consent import obtain, who
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import (
    BatchOption,
    DryRunOption,
    JsonOption,
    PrefixOption,
    ReasonOption,
    RouteOption,
    SinceOption,
    YesOption,
    in_words,
    run_filter,
)
from workers.cli.histories import documents_named
from workers.cli.output import note, say, say_json, several, shown
from workers.cli.prices import estimate
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.ledger import Ledger
    from headrace.ledger.records import Run, RunFilter
    from headrace.routing import Route
    from tasks.services import Services

EPILOG = examples(
    (
        "How many runs failed for want of credit, and what would it cost?",
        "headrace retry --reason quota_used_up --dry-run",
    ),
    ("Let them go on.", "headrace retry --reason quota_used_up"),
    ("One document, before all that was started together.", "headrace retry s3://inbox/local/invoice.pdf"),
    (
        "What failed in a route since yesterday, from a script.",
        "headrace retry --route nanonets --since 1d --yes --json",
    ),
)

_AT_ONCE = 1000


def retry(
    context: typer.Context,
    which: Annotated[
        str | None, typer.Argument(metavar="[S3URL|DOCUMENT]", help="One document: its address or its id.")
    ] = None,
    *,
    reason: ReasonOption = None,
    route: RouteOption = None,
    prefix: PrefixOption = None,
    since: SinceOption = None,
    batch: BatchOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Let failed runs go on where they stopped.

    Says how many and what they may cost, and asks first. One document that is named goes on like a fresh drop, many
    as a batch, after those. Runs held in doubt are never retried.
    """
    session = session_of(context)
    services = session.services
    if which is not None and any(value is not None for value in (reason, route, prefix, since, batch)):
        raise typer.BadParameter("name one document, or narrow with options, not both.")
    chosen = run_filter(
        services.clock.now(),
        state=State.FAILED,
        reason=reason,
        route=route,
        prefix=prefix,
        since=since,
        batch=batch,
    )
    if which is not None:
        chosen = replace(chosen, document=_failed_document(services.ledger, which))
    runs = matching(services.ledger, chosen)
    costs = estimate(((run, run.lane, route_then(services.ledger, run)) for run in runs), services.routes)
    if not json or not (yes or dry_run):
        note(f"Failed: {costs}" if costs.runs else "No failed run matches.")
    batch_id, retried = None, 0
    if costs.runs and not dry_run:
        obtain(session, f"Retry {several(costs.runs, 'run')}?", yes=yes)
        if which is None:
            batch_id = services.ledger.start_batch("retry", who(), in_words(chosen))
        retried = _retry(services, chosen, batch_id, costs.runs)
        if not json:
            follow = f"--batch {batch_id}" if which is None else str(chosen.document)
            set_ = "" if which is not None else f", as batch {batch_id}"
            say(f"{several(retried, 'run')} retried{set_}. `headrace status {follow}` follows.")
    if json:
        say_json({**costs.facts(), "dry_run": dry_run, "batch": batch_id, "retried": retried})


def matching(ledger: "Ledger", chosen: "RunFilter") -> "Iterator[Run]":
    """All runs that match, page by page."""
    after = None
    while runs := ledger.runs(chosen, _AT_ONCE, after=after):
        yield from runs
        after = runs[-1].id


def route_then(ledger: "Ledger", run: "Run") -> "Route | None":
    """The route that the run was routed by; None where it was not, or where the ledger cannot tell."""
    if run.revision is None:
        return None
    try:
        return ledger.route_at(run.revision)
    except LedgerUnavailable:
        raise
    except LedgerError:
        return None


def _failed_document(ledger: "Ledger", which: str) -> str:
    """The id of the document that is named, whose latest run has failed; else it says so and the command fails."""
    # Of an address only what lies there now: what lay there before is of no use any more.
    document = documents_named(ledger, which)[0]
    run = ledger.latest_run(document.id)
    if run is None or run.state is not State.FAILED:
        state = "recorded" if run is None else run.state if run.reason is None else f"{run.state} ({run.reason})"
        note(f"headrace: {shown(which)} has not failed: it is {state}. `headrace status {document.id}` tells more.")
        raise typer.Exit(Exit.FAILED)
    return document.id


def _retry(services: "Services", chosen: "RunFilter", batch: str | None, most: int) -> int:
    """Retry no more than were announced: one that fails again meanwhile is not retried twice."""
    retried = 0
    while retried < most:
        hints = services.ledger.retry(chosen, batch=batch, by=who(), limit=min(_AT_ONCE, most - retried))
        services.hints.hint_all(hints)
        retried += len(hints)
        if not hints:
            break
    return retried
