"""`headrace resolve`: what is in doubt, and what a person wants to become of it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.states import Reason
from workers.cli.consent import obtain, who
from workers.cli.doubts import (
    NotInDoubt,
    adoptions_in,
    doubts_named,
    doubts_that_match,
    facts_of_doubt,
    refuse_wrong_jobs,
    tell_doubts,
)
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import DryRunOption, JsonOption, PrefixOption, RouteOption, SinceOption, YesOption, run_filter
from workers.cli.output import note, say, say_json, several, shown
from workers.cli.prices import estimate
from workers.cli.retry import route_then
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.ledger.records import Doubtful, RunFilter
    from tasks.endings import Settled
    from tasks.services import Services
    from workers.cli.session import Session

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0-1-nanonets-all-1"
EPILOG = examples(
    ("What is in doubt, since when, and what the provider told so far.", "headrace resolve"),
    ("The provider has it: use its job. Nothing more is paid.", f"headrace resolve {KEY} --adopt 3c4d5e"),
    (
        "The same for many: a file of lines with a submission key and a job id.",
        "headrace resolve --adopt-file jobs.csv",
    ),
    ("Its key was refused, and is right now: ask the provider again, for nothing.", "headrace resolve --ask"),
    (
        "The provider does not have them: what would sending them again cost?",
        "headrace resolve --route nanonets --resend --dry-run",
    ),
    ("Let them go; nothing is sent.", "headrace resolve --prefix s3://inbox/2024/ --give-up --yes"),
)


@dataclass(frozen=True)
class _Choice:
    """What is to become of requests in doubt: what that means, what is asked (if anything is), and how it is done."""

    name: str
    meaning: str
    question: str | None
    because: str
    do: "Callable[[Services, Doubtful], Settled]"


def resolve(
    context: typer.Context,
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="[S3URL|DOCUMENT|SUBMISSION]...", help="Only these; without them all that match."),
    ] = None,
    *,
    adopt: Annotated[
        str | None, typer.Option("--adopt", metavar="JOB", help="The provider took it, as this job: use that one.")
    ] = None,
    adopt_file: Annotated[
        Path | None,
        typer.Option("--adopt-file", metavar="FILE", help="Adopt many: lines of submission key, job id. - is stdin."),
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask the provider again now, for what is held too.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send them again; each may be paid a second time.")] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="Send nothing, and let their runs fail.")] = False,
    reason: Annotated[
        Reason | None,
        typer.Option("--reason", metavar="REASON", help="Only what came into doubt for this, such as timed_out."),
    ] = None,
    route: RouteOption = None,
    prefix: PrefixOption = None,
    since: SinceOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Show paid requests that are in doubt, and settle them by hand.

    Each may or may not have been taken, and charged. What waits is settled by itself where the provider can be asked;
    what is held stays so until you choose. Without a choice nothing is changed.
    """
    session = session_of(context)
    if sum((adopt is not None, adopt_file is not None, ask, resend, give_up)) > 1:
        raise typer.BadParameter("Only one of --adopt, --adopt-file, --ask, --resend and --give-up can hold.")
    narrowed = any(value is not None for value in (reason, route, prefix, since))
    if narrowed and (which or adopt_file is not None):
        raise typer.BadParameter("Name what is meant, or narrow it with --route, --prefix, --since and --reason.")
    if which and adopt_file is not None:
        raise typer.BadParameter("The file names what is meant; name nothing beside it.")
    chosen = run_filter(session.services.clock.now(), route=route, prefix=prefix, since=since)
    try:
        jobs = {} if adopt_file is None else adoptions_in(_text_of(adopt_file))
        named = list(jobs) if adopt_file is not None else which
        doubts = _meant(session, chosen, reason, named)
        if adopt is not None:
            jobs = {str(doubt.submission.key): job for doubt, job in _only(doubts, adopt)}
        if jobs:
            refuse_wrong_jobs(session.services, [(doubt, jobs[str(doubt.submission.key)]) for doubt in doubts])
    except NotInDoubt as error:
        note("headrace: nothing was done.")
        for line in error.lines:
            note(f"  {line}")
        raise typer.Exit(Exit.FAILED) from error
    adopting = adopt is not None or adopt_file is not None
    choices = ((adopting, _adopting(jobs)), (ask, _asking()), (resend, _resending()), (give_up, _giving_up()))
    choice = next((choice for is_chosen, choice in choices if is_chosen), None)
    if choice is None:
        if json:
            say_json({"in_doubt": [facts_of_doubt(doubt) for doubt in doubts]})
        else:
            tell_doubts(doubts)
        return
    _settle(session, doubts, choice, dry_run=dry_run, yes=yes, json=json)


def _text_of(path: Path) -> str:
    """What stands in a file, or comes on stdin for "-"; what is no UTF-8 is in it as no key or job has it."""
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}.", param_hint="--adopt-file") from error


def _meant(
    session: "Session", chosen: "RunFilter", reason: Reason | None, named: Sequence[str] | None
) -> "list[Doubtful]":
    ledger = session.services.ledger
    if named is not None:
        return doubts_named(ledger, named)
    # A run that is held may have a later one, and be in doubt all the same.
    found = doubts_that_match(ledger, replace(chosen, latest=False), reason)
    return sorted(found, key=lambda doubt: (doubt.submission.doubted_at is None, doubt.submission.doubted_at))


def _only(doubts: "Sequence[Doubtful]", job: str) -> "list[tuple[Doubtful, str]]":
    """The one request that the job is to be of."""
    if len(doubts) != 1:
        raise typer.BadParameter(
            f"One job is that of one request, and {len(doubts)} in doubt match. Name its submission key, or give "
            "several with --adopt-file.",
            param_hint="--adopt",
        )
    return [(doubts[0], job)]


def _adopting(jobs: dict[str, str]) -> _Choice:
    def do(services: "Services", doubt: "Doubtful") -> "Settled":
        from tasks.settling import adopt

        return adopt(services, doubt.submission.key, jobs[str(doubt.submission.key)], who())

    return _Choice(
        "adopt",
        "The answers of these jobs are fetched and exported. Nothing is sent, and nothing more is paid; what the "
        "provider charged for them already is noted as their cost. A wrong job brings another document's rows.",
        "Adopt {}?",
        "this decides whose rows a document gets",
        do,
    )


def _asking() -> _Choice:
    def do(services: "Services", doubt: "Doubtful") -> "Settled":
        from tasks.settling import ask_again

        return ask_again(services, doubt.submission.key, who())

    return _Choice(
        "ask",
        "The provider's list is asked at once, for nothing, and again for a while where it cannot be; what is held "
        "waits meanwhile. A worker reads API keys when it starts: restart it where one has changed.",
        None,
        "",
        do,
    )


def _resending() -> _Choice:
    def do(services: "Services", doubt: "Doubtful") -> "Settled":
        from tasks.settling import resend

        return resend(services, doubt.submission.key, who())

    return _Choice(
        "resend",
        "Each is sent under a new key, and is charged for. The provider may have taken it the first time: then it is "
        "charged a SECOND time. Look for it at the provider first; what it has can be adopted for nothing.",
        "Send {} again, and perhaps pay a second time?",
        "this may be paid a second time",
        do,
    )


def _giving_up() -> _Choice:
    def do(services: "Services", doubt: "Doubtful") -> "Settled":
        from tasks.settling import give_up

        return give_up(services, doubt.submission.key, who())

    return _Choice(
        "give_up",
        "Nothing is sent and nothing more is paid. What the provider took stays charged, and brings no rows: their "
        "runs end as failed (given_up).",
        "Give {} up?",
        "this ends their runs",
        do,
    )


def _settle(
    session: "Session", doubts: "Sequence[Doubtful]", choice: _Choice, *, dry_run: bool, yes: bool, json: bool
) -> None:
    services = session.services
    costs = None
    if choice.name == "resend":
        routed = ((doubt.run, doubt.submission.lane, route_then(services.ledger, doubt.run)) for doubt in doubts)
        costs = estimate(routed, services.routes)
    if not json or not (yes or dry_run):
        if not doubts:
            note("No request in doubt matches.")
        else:
            note(choice.meaning)
            note(f"In doubt: {several(len(doubts), 'request')}." if costs is None else f"To be sent again: {costs}")
    settled: list[Settled] = []
    if doubts and not dry_run:
        if choice.question is not None:
            obtain(session, choice.question.format(several(len(doubts), "request")), yes=yes, because=choice.because)
        for doubt in doubts:
            settled.append(choice.do(services, doubt))
            if not json:
                say(f"{shown(doubt.run.document.url)}: {settled[-1].ending}. {shown(settled[-1].detail)}")
    elif doubts and not json:
        tell_doubts(doubts)
    if json:
        say_json(
            {
                "choice": choice.name,
                "dry_run": dry_run,
                "requests": [str(doubt.submission.key) for doubt in doubts],
                **({} if costs is None else costs.facts()),
                "settled": [_facts_of(one) for one in settled],
            }
        )
    if any(one.ending == "not in doubt" for one in settled):
        raise typer.Exit(Exit.FAILED)


def _facts_of(settled: "Settled") -> dict[str, object]:
    return {
        "submission": str(settled.key),
        "ending": settled.ending,
        "run": settled.run.id,
        "state": settled.run.state,
        "reason": settled.run.reason,
        "detail": settled.detail,
    }
