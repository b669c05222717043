"""Which runs a command is about: the options that narrow, and their sum as the ledger takes it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.states import Reason, State
from workers.cli.places import Place, parse_place, parse_since

if TYPE_CHECKING:
    from headrace.ledger.records import RunFilter


def said(text: str) -> str:
    """A reason that somebody gave; a usage error where it says nothing."""
    if not text.strip():
        raise typer.BadParameter("say why: whoever looks at it later wants to know.")
    return text.strip()


StateOption = Annotated[
    State | None, typer.Option("--state", metavar="STATE", help="Only runs in this state: " + ", ".join(State) + ".")
]
ReasonOption = Annotated[
    Reason | None, typer.Option("--reason", metavar="REASON", help="Only runs with this reason, such as quota_used_up.")
]
RouteOption = Annotated[str | None, typer.Option("--route", metavar="NAME", help="Only runs of this route.")]
PrefixOption = Annotated[
    Place | None,
    typer.Option(
        "--prefix",
        parser=parse_place,
        metavar="S3URL",
        help="Only documents whose address begins so: s3://bucket/2024/.",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="WHEN", help="Only runs that ended (or, unended, began) since: 6h, 2d, 2026-11-20."
    ),
]
BatchOption = Annotated[
    str | None, typer.Option("--batch", metavar="ID", help="Only runs that one retry or reprocess began.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where nobody can be asked.")]
WhyOption = Annotated[
    str,
    typer.Option("--why", callback=said, metavar="TEXT", help="The reason, for whoever looks at it later."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be, and what they may cost.")]


def run_filter(
    now: datetime,
    *,
    state: State | None = None,
    reason: Reason | None = None,
    route: str | None = None,
    prefix: Place | None = None,
    since: str | None = None,
    batch: str | None = None,
) -> "RunFilter":
    """The options as the ledger takes them; a usage error where `since` cannot be read."""
    from headrace.ledger.records import RunFilter

    return RunFilter(
        state=state,
        reason=reason,
        route=route,
        bucket=None if prefix is None else prefix.bucket,
        prefix=None if prefix is None else prefix.key,
        since=None if since is None else parse_since(since, now),
        batch=batch,
    )


def in_words(which: "RunFilter") -> str:
    """The filter for a batch's record: what somebody asked for."""
    given = {
        "reason": which.reason,
        "route": which.route,
        "prefix": None if which.bucket is None else f"s3://{which.bucket}/{which.prefix or ''}",
        "since": None if which.since is None else which.since.isoformat(),
        "batch": which.batch,
    }
    return ", ".join(f"{name} {value}" for name, value in given.items() if value is not None) or "all"
