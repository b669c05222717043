"""`headrace retry`: failed runs go on where they stopped, many at once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from headrace.errors import LedgerError, LedgerUnavailable
from headrace.states import State
from workers.cli.consent import obtain, who
from workers.cli.examples import examples
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
from workers.cli.output import note, say, say_json, several
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
    (
        "What failed in a route since yesterday, from a script.",
        "headrace retry --route nanonets --since 1d --yes --json",
    ),
)

_AT_ONCE = 1000


def retry(
    context: typer.Context,
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

    Says how many and what they may cost, and asks first. Runs held in doubt are never retried.
    """
    session = session_of(context)
    services = session.services
    chosen = run_filter(
        services.clock.now(),
        state=State.FAILED,
        reason=reason,
        route=route,
        prefix=prefix,
        since=since,
        batch=batch,
    )
    runs = matching(services.ledger, chosen)
    costs = estimate(((run, run.lane, route_then(services.ledger, run)) for run in runs), services.routes)
    if not json or not (yes or dry_run):
        note(f"Failed: {costs}" if costs.runs else "No failed run matches.")
    batch_id, retried = None, 0
    if costs.runs and not dry_run:
        obtain(session, f"Retry {several(costs.runs, 'run')}?", yes=yes)
        batch_id, retried = _retry(services, chosen, costs.runs)
        if not json:
            say(
                f"{several(retried, 'run')} retried, as batch {batch_id}. `headrace status --batch {batch_id}` follows."
            )
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


def _retry(services: "Services", chosen: "RunFilter", most: int) -> tuple[str, int]:
    """Retry no more than were announced: one that fails again meanwhile is not retried twice."""
    ledger = services.ledger
    batch = ledger.start_batch("retry", who(), in_words(chosen))
    retried = 0
    while retried < most:
        hints = ledger.retry(chosen, batch=batch, by=who(), limit=min(_AT_ONCE, most - retried))
        services.hints.hint_all(hints)
        retried += len(hints)
        if not hints:
            break
    return batch, retried
