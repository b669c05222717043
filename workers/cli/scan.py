"""`headrace scan`: compare buckets with the ledger now, and say what was missing, what is gone and what is stuck."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import JsonOption
from workers.cli.output import in_cell, note, say, say_json, say_table, several, shown
from workers.cli.places import Place, parse_place
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.ledger.records import Pass, StuckGroups, StuckRuns
    from headrace.states import State
    from headrace.storage.scanning import Progress
    from tasks.services import Services

EPILOG = examples(
    ("Events were lost: find what they did not tell.", "headrace scan"),
    ("The same below one prefix only.", "headrace scan s3://inbox/local/2024/"),
)

# One that was broken off longer ago is begun anew: too much may have changed behind it.
_GOES_ON_WITHIN = timedelta(hours=1)
_TELL_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class _Scanned:
    place: Place
    progress: "Progress"


def scan(
    context: typer.Context,
    place: Annotated[
        Place | None,
        typer.Argument(
            parser=parse_place, metavar="[S3URL]", help="A bucket or prefix; all that is watched unless given."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare the bucket with the ledger, whole.

    Records what is missing and starts on it, marks what was removed, and says what stands still. A scan that was broken
    off within the last hour goes on where it was.
    """
    services = session_of(context).services
    places = [Place(*watched) for watched in services.routes.watched()] if place is None else [_routed(services, place)]
    scanned = [_Scanned(each, _scan(services, each)) for each in places]
    runs, groups = _stuck(services, place)
    if json:
        say_json(_as_json(scanned, runs, groups))
    else:
        _tell(scanned)
        _tell_stuck(runs, groups)
    if runs or groups.groups:
        raise typer.Exit(Exit.FAILED)


def _routed(services: "Services", place: Place) -> Place:
    for route in services.routes.routes:
        if route.bucket == place.bucket and (place.key.startswith(route.prefix) or route.prefix.startswith(place.key)):
            return place
    raise typer.BadParameter(
        f"no route takes anything at {shown(str(place))}; headrace.toml says what each takes.",
        param_hint="S3URL",
    )


def _scan(services: "Services", place: Place) -> "Progress":
    """Scan one place to its end, and say on the way how far it is."""
    from tasks.scan import scan_place

    begun = _begun(services, place)
    told = services.clock.monotonic()

    def tell(progress: "Progress") -> bool:
        nonlocal told
        now = services.clock.monotonic()
        if now - told >= _TELL_EVERY_SECONDS:
            told = now
            note(f"headrace: {shown(str(place))}: {progress.found.listed:,} objects compared …")
        return True

    return scan_place(services, place.bucket, place.key, begun, tell)


def _begun(services: "Services", place: Place) -> "Pass":
    """The scan of this place that was broken off a short while ago, else a new one."""
    from headrace.storage.scanning import Progress

    ledger, name = services.ledger, f"headrace scan {place}"
    last = ledger.last_pass(name)
    if last is None:
        return ledger.begin_pass(name, Progress().facts)
    if last.finished_at is None and last.updated_at >= services.clock.now() - _GOES_ON_WITHIN:
        behind = f" behind {shown(last.cursor)}" if last.cursor else ""
        note(f"headrace: going on with the scan of {in_cell(last.started_at)} UTC{behind}.")
        return last
    return ledger.begin_pass(name, Progress.read("", last.facts).anew().facts)


def _stuck(services: "Services", place: Place | None) -> "tuple[list[StuckRuns], StuckGroups]":
    """What stands still below the place, and every poll group that does: a group is of no place."""
    from tasks.scan import STUCK_AFTER

    since = services.clock.now() - STUCK_AFTER
    groups = services.ledger.stuck_groups(since)
    if place is None:
        return services.ledger.stuck_runs(since), groups
    return services.ledger.stuck_runs(since, bucket=place.bucket, prefix=place.key), groups


def _as_json(scanned: list[_Scanned], runs: "list[StuckRuns]", groups: "StuckGroups") -> dict[str, Any]:
    return {
        "places": [
            {
                "place": str(one.place),
                **vars(one.progress.found),
                "removals_looked_for": bool(one.progress.orders),
            }
            for one in scanned
        ],
        "stuck_runs": [
            {
                "state": kind.state,
                "reason": kind.reason,
                "runs": kind.runs,
                "first": [{"run": run.id, "url": run.document.url, "since": run.updated_at} for run in kind.first],
            }
            for kind in runs
        ],
        "stuck_poll_groups": vars(groups),
    }


def _tell(scanned: list[_Scanned]) -> None:
    say_table(
        ("place", "objects", "no documents", "new", "again", "gone", "requests"),
        [
            (one.place, f.listed, f.no_documents, f.new, f.again, f.gone, f.requests + f.heads)
            for one in scanned
            for f in (one.progress.found,)
        ],
    )
    for one in scanned:
        unconfirmed = several(one.progress.found.unconfirmed, "object")
        if one.progress.found.unconfirmed:
            say(
                f"{shown(str(one.place))}: the store does not say of {unconfirmed} whether it is there: "
                "`headrace doctor` looks at the rights."
            )
        if not one.progress.orders:
            say(f"{shown(str(one.place))} is listed in no known order, so what was removed was not looked for.")


def _tell_stuck(runs: "list[StuckRuns]", groups: "StuckGroups") -> None:
    if not runs and not groups.groups:
        say("Nothing stands still.")
        return
    if runs:
        say_table(
            ("stands still", "reason", "runs", "the longest of them", "since (UTC)"),
            [
                (
                    kind.state,
                    kind.reason,
                    kind.runs,
                    ", ".join(run.document.url for run in kind.first),
                    kind.first[0].updated_at,
                )
                for kind in runs
            ],
        )
        for kind in runs:
            say(f"{kind.state}{'' if kind.reason is None else f' ({kind.reason})'}: {_what_to_do(kind)}")
    if groups.groups:
        say(
            f"{several(groups.groups, 'poll group')} with {several(groups.jobs, 'job')} overdue since "
            f"{in_cell(groups.since)} UTC: see that worker-threads and beat run; they go on by themselves."
        )


def _what_to_do(kind: "StuckRuns") -> str:
    from headrace.explanations import explain
    from headrace.states import Reason

    if kind.reason is not None and kind.reason is not Reason.IN_FLIGHT and not kind.state.is_end:
        explanation = explain(kind.reason)
        return f"{explanation.meaning} {explanation.remedy}"
    return _remedies()[kind.state]


def _remedies() -> "Mapping[State, str]":
    from headrace.states import END_STATES, State

    manifest = (
        "its manifest is not published: see that worker-prefork and beat run, and what `headrace status` tells of the "
        "document; `headrace doctor` looks at the output's rights."
    )
    return {
        State.RECEIVED: "it was not looked at: see that worker-prefork and beat run, or give them more hands.",
        State.WAITING: "it was not admitted: see that beat and worker-maintenance run.",
        State.ADMITTED: "it was not sent: see that worker-threads (worker-local, for the local engine) and beat run.",
        State.SUBMITTED: "its job was not asked for: see that worker-threads and beat run.",
        State.PREDICTED: "its rows were not published: see that worker-prefork and beat run, and `headrace doctor`.",
        **dict.fromkeys(END_STATES, manifest),
    }
