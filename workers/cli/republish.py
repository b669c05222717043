"""`headrace republish`: files that were lost or damaged are written anew, out of the answers that are stored."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.errors import AnswerLost
from workers.cli.consent import who
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import (
    BatchOption,
    JsonOption,
    PrefixOption,
    ReasonOption,
    RouteOption,
    SinceOption,
    run_filter,
)
from workers.cli.output import note, say, say_json, several, shown
from workers.cli.retry import route_then
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.ledger.records import Run, RunFilter
    from tasks.services import Services

EPILOG = examples(
    ("A file of one document is damaged or gone.", "headrace republish --prefix s3://inbox/2024/invoice.pdf"),
    ("How many documents of a route would be published again?", "headrace republish --route invoices --dry-run"),
    ("All that was published since yesterday, from a script.", "headrace republish --since 1d --json"),
)

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be; nothing is written.")]

_AT_ONCE = 200
_THREADS = 8
_MOST_NAMED = 50


def republish(
    context: typer.Context,
    *,
    reason: ReasonOption = None,
    route: RouteOption = None,
    prefix: PrefixOption = None,
    since: SinceOption = None,
    batch: BatchOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Write rows and manifests anew from the stored answers.

    Lost and damaged files are there again, as their run made them. Nothing is sent or paid, so it does not ask.
    """
    services = session_of(context).services
    chosen = run_filter(services.clock.now(), reason=reason, route=route, prefix=prefix, since=since, batch=batch)
    runs, published, lost = 0, 0, list[dict[str, str]]()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="republish") as threads:
        for page in _standing(services, chosen):
            missing = list(threads.map(lambda run: _missing(services, run), page))
            whole = [run.id for run, why in zip(page, missing, strict=True) if why is None]
            lost += [_told(run, why) for run, why in zip(page, missing, strict=True) if why is not None]
            runs += len(whole)
            if not dry_run:
                hints = services.ledger.republish(whole, by=who())
                services.hints.hint_all(hints)
                published += len(hints)
    if json:
        say_json({"runs": runs, "dry_run": dry_run, "republished": published, "left_out": lost})
    else:
        _tell(runs, published, lost, dry_run=dry_run)
    if lost:
        raise typer.Exit(Exit.FAILED)


def _standing(services: "Services", chosen: "RunFilter") -> "Iterator[list[Run]]":
    """The runs whose files belong in the bucket, page by page."""
    after = None
    while runs := services.ledger.standing_runs(chosen, _AT_ONCE, after=after):
        yield runs
        after = runs[-1].id


def _missing(services: "Services", run: "Run") -> str | None:
    """Why the run cannot be published out of what is stored; None where it can.

    Publishing would end it as failed, and what stands of it in the bucket would be told of as another run's.
    """
    from headrace.states import State, SubmissionState
    from headrace.storage import Location

    route = route_then(services.ledger, run)
    if route is None:
        return f"The ledger does not have the revision {run.revision} of its route."
    if run.state is not State.EXPORTED:
        return None
    try:
        for submission in services.ledger.submissions(run.id):
            if submission.state is SubmissionState.ANSWERED:
                services.answers.needed(Location.parse(route.private), submission.key)
    except AnswerLost as error:
        return str(error)
    return None


def _told(run: "Run", why: str) -> dict[str, str]:
    return {"run": run.id, "address": run.document.url, "why": why}


def _tell(runs: int, published: int, lost: list[dict[str, str]], *, dry_run: bool) -> None:
    for one in lost[:_MOST_NAMED]:
        note(f"headrace: {shown(one['address'])} is left out: {shown(one['why'])}")
    if len(lost) > _MOST_NAMED:
        note(f"headrace: {len(lost) - _MOST_NAMED} more are left out; --json names them.")
    if dry_run:
        say(f"{several(runs, 'run')} would be published again. Nothing is paid for it.")
    elif runs or lost:
        say(f"{several(published, 'run')} published again by the workers, as soon as they come to it.")
    else:
        say("No published run matches.")
