"""`headrace status`: how many runs are where and why, which ones, and one document's whole history."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.examples import examples
from workers.cli.filters import (
    BatchOption,
    JsonOption,
    PrefixOption,
    ReasonOption,
    RouteOption,
    SinceOption,
    StateOption,
    run_filter,
)
from workers.cli.histories import documents_named, tell_documents
from workers.cli.output import say, say_json, say_table, several, with_until
from workers.cli.pauses import facts_of_stopped
from workers.cli.pauses import stopped as stopped_in_words
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.ledger import Ledger
    from headrace.ledger.records import Count, Run, RunFilter

EPILOG = examples(
    ("How many documents are where, and why.", "headrace status"),
    ("Everything that happened to one document, by its address or its id.", "headrace status s3://inbox/local/invoice.pdf"),
    ("What failed in the last six hours below a prefix.", "headrace status --state failed --since 6h --prefix s3://inbox/local/"),
    ("The same facts for a script.", "headrace status --state held --json"),
)  # fmt: skip


def status(
    context: typer.Context,
    which: Annotated[
        str | None, typer.Argument(metavar="[S3URL|DOCUMENT]", help="One document: its address or its id.")
    ] = None,
    *,
    state: StateOption = None,
    reason: ReasonOption = None,
    route: RouteOption = None,
    prefix: PrefixOption = None,
    since: SinceOption = None,
    batch: BatchOption = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="The most runs to list, newest first.")
    ] = 50,
    json: JsonOption = False,
) -> None:
    """Show where documents are, and why.

    Without arguments it counts by state and reason; with options it lists runs; with one document it tells all of it.
    """
    services = session_of(context).services
    ledger, now = services.ledger, services.clock.now()
    if which is not None:
        _one(ledger, which, now, json=json)
        return
    chosen = run_filter(now, state=state, reason=reason, route=route, prefix=prefix, since=since, batch=batch)
    if any(value is not None for value in (state, reason, route, prefix, since, batch)):
        _list(ledger, chosen, limit, now, json=json)
    else:
        _count(ledger, chosen, now, json=json)


def _count(ledger: "Ledger", chosen: "RunFilter", now: datetime, *, json: bool) -> None:
    counts = ledger.counts(chosen)
    parked = ledger.parked_count()
    stopped = [known for known in ledger.breakers() if known.breaker.is_open]
    if json:
        say_json(
            {
                "counts": [vars(count) for count in counts],
                "stopped": [facts_of_stopped(known) for known in stopped],
                "parked_messages": parked,
            }
        )
        return
    if counts:
        _tell_counts(counts, now)
    else:
        say("No document has been recorded yet.")
    for known in stopped:
        say(stopped_in_words(known))
    if parked:
        are = "is" if parked == 1 else "are"
        say(f"{several(parked, 'message')} of the queues {are} parked: `headrace events parked` says why.")


def _tell_counts(counts: "list[Count]", now: datetime) -> None:
    say_table(
        ("state", "reason", "route", "runs", "pages", "cost"),
        [(c.state, with_until(c.reason, c.until, now), c.route, c.runs, c.pages, c.cost) for c in counts],
    )
    _explain({count.reason for count in counts})
    say(_sum_of(counts))


def _sum_of(counts: "list[Count]") -> str:
    runs = sum(count.runs for count in counts)
    pages = sum(count.pages for count in counts)
    return f"{several(runs, 'document')}, {several(pages, 'page')}."


def _list(ledger: "Ledger", chosen: "RunFilter", limit: int, now: datetime, *, json: bool) -> None:
    from workers.cli.facts import facts_of_run

    # One more than is shown tells whether there is more.
    runs = ledger.runs(chosen, limit + 1)
    more = len(runs) > limit
    runs = runs[:limit]
    if json:
        say_json({"runs": [facts_of_run(run) for run in runs], "more": more})
        return
    if not runs:
        say("No run matches.")
        return
    say_table(("document", "address", "state", "reason", "route", "pages", "updated"), [_row(run, now) for run in runs])
    _explain({run.reason for run in runs})
    if more:
        say(f"These are the newest {limit}; --limit shows more.")


def _row(run: "Run", now: datetime) -> tuple[object, ...]:
    document = run.document
    reason = with_until(run.reason, run.waits_until, now)
    return (document.id, document.url, run.state, reason, run.route, run.pages, run.updated_at)


def _explain(reasons: "set[object]") -> None:
    from headrace.explanations import explain
    from headrace.states import Reason

    for reason in Reason:
        if reason in reasons:
            explanation = explain(reason)
            say(f"{reason}: {explanation.meaning} {explanation.remedy}")
    if reasons - {None}:
        say()


def _one(ledger: "Ledger", which: str, now: datetime, *, json: bool) -> None:
    tell_documents(ledger, documents_named(ledger, which), now, json=json)
