"""Which paid requests in doubt a command is about, and what is known of each."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from headrace.clock import SystemClock
from headrace.document import SubmissionKey
from headrace.states import Reason, State, SubmissionState
from workers.cli.facts import facts_of_run, facts_of_submission
from workers.cli.histories import documents_meant
from workers.cli.output import in_cell, say, say_table, several, shown, with_until
from workers.cli.places import parse_place

if TYPE_CHECKING:
    from headrace.ledger import Ledger
    from headrace.ledger.records import Doubtful, RunFilter
    from tasks.services import Services

_DOCUMENT = re.compile(r"([0-9a-f]{32})(?:-\d+)?")
_REQUEST = re.compile(r"[0-9a-f]{32}-\d{1,9}-[a-z]+-(?:all|\d{1,9}_\d{1,9})-\d{1,9}")
_JOB = re.compile(r"[!-~]{1,200}")
_AT_ONCE = 1000


class NotInDoubt(Exception):
    """What somebody named is not in doubt; each of `lines` says of one why not."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def doubts_that_match(ledger: "Ledger", chosen: "RunFilter", why: Reason | None) -> "Iterator[Doubtful]":
    """All requests in doubt of the runs that match, page by page."""
    after = None
    while found := ledger.doubts(chosen, _AT_ONCE, why=why, after=after):
        yield from found
        after = found[-1]


def doubts_named(ledger: "Ledger", names: Iterable[str]) -> "list[Doubtful]":
    """The requests in doubt of what was named: S3 addresses, documents' ids, submission keys.

    Raises NotInDoubt where one of them is unknown or has none; a usage error for what is none of the three.
    """
    found: dict[str, Doubtful] = {}
    amiss = []
    for name in names:
        doubts, why_not = _of(ledger, name)
        found |= {str(doubt.submission.key): doubt for doubt in doubts}
        if not doubts:
            amiss.append(f"{shown(name)}: {why_not}")
    if amiss:
        raise NotInDoubt(amiss)
    return list(found.values())


def _of(ledger: "Ledger", name: str) -> "tuple[list[Doubtful], str]":
    """What of this name is in doubt; else why nothing is."""
    from headrace.ledger.records import RunFilter

    if _REQUEST.fullmatch(name):
        request = ledger.request(SubmissionKey.parse(name))
        if request is None:
            return [], "the ledger knows no such request."
        state = request.submission.state
        return [request] if state is SubmissionState.IN_DOUBT else [], f"it is not in doubt: it is {state}."
    identified = _DOCUMENT.fullmatch(name)
    if identified is None and "://" not in name:
        raise typer.BadParameter(f"{name!r} is neither s3://bucket/key, nor a document's id, nor a submission key.")
    documents = documents_meant(
        ledger, None if identified is None else identified[1], parse_place(name) if identified is None else None
    )
    if not documents:
        return [], "the ledger knows nothing of it."
    filters = [RunFilter(document=document.id, latest=False) for document in documents]
    found = [doubt for each in filters for doubt in doubts_that_match(ledger, each, None)]
    return found, "nothing of it is in doubt; `headrace status` tells where it is."


def adoptions_in(text: str) -> dict[str, str]:
    """The job of each submission key, from lines of `submission key, job id`; empty lines and # comments are left out.

    A usage error that names every line that is no such pair, or names a key or a job a second time.
    """
    jobs: dict[str, str] = {}
    amiss = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        if len(words) != 2 or not _REQUEST.fullmatch(words[0]) or not _JOB.fullmatch(words[1]):
            amiss.append(f"line {number} is no submission key and job id")
        elif words[0] in jobs or words[1] in jobs.values():
            amiss.append(f"line {number} names a key or a job a second time")
        else:
            jobs[words[0]] = words[1]
    if amiss:
        raise typer.BadParameter("; ".join(amiss) + ".", param_hint="--adopt-file")
    return jobs


def refuse_wrong_jobs(services: "Services", jobs: "Sequence[tuple[Doubtful, str]]") -> None:
    """Raise NotInDoubt where a job is another request's, whose rows it would bring, or the provider has no such job.

    The ledger is asked first, then the provider, for nothing: no job is believed that it cannot be asked for.
    """
    from tasks.adopting import objection

    of_account = defaultdict(list)
    for doubt, job in jobs:
        if not _JOB.fullmatch(job):
            raise typer.BadParameter(f"{job!r} is no job id.", param_hint="--adopt")
        of_account[doubt.submission.lane].append((str(doubt.submission.key), job))
    amiss = []
    for lane, pairs in of_account.items():
        known = services.ledger.requests_of_jobs(lane, [job for _, job in pairs])
        amiss += [
            f"{key}: the job {job} is that of {known[job]}, another document's request."
            for key, job in pairs
            if job in known and str(known[job]) != key
        ]
    if not amiss:
        objections = ((doubt.submission.key, objection(services, doubt.submission, job)) for doubt, job in jobs)
        amiss = [f"{key}: {shown(why)}" for key, why in objections if why is not None]
    if amiss:
        raise NotInDoubt(amiss)


def tell_doubts(doubts: "Sequence[Doubtful]") -> None:
    """A row for each request in doubt, and how many wait for an end or for a person."""
    if not doubts:
        say("Nothing is in doubt.")
        return
    say_table(
        ("address", "submission", "route", "lane", "state", "since (UTC)", "why", "told so far"),
        [_row(doubt, SystemClock().now()) for doubt in doubts],
    )
    states = Counter(doubt.run.state for doubt in doubts)
    held, waiting = states[State.HELD], len(doubts) - states[State.HELD]
    if waiting:
        say(f"{several(waiting, 'request')} will be settled without you where the provider tells; else held for you.")
    if held:
        say(f"{several(held, 'request')} held: nothing happens until you say --ask, --adopt, --resend or --give-up.")


def _row(doubt: "Doubtful", now: datetime) -> tuple[object, ...]:
    request, run = doubt.submission, doubt.run
    state = f"{run.state} ({with_until(run.reason, run.in_doubt_until, now)})"
    since = request.doubted_at
    return (run.document.url, str(request.key), run.route, request.lane, state, since, request.reason, told(doubt))


def told(doubt: "Doubtful") -> str:
    """What looking for the request has told so far."""
    request = doubt.submission
    if doubt.run.state is State.HELD:
        return doubt.run.detail
    if request.looks == 0:
        return "The provider is to be asked."
    since = "" if request.absent_at is None else f", not in its list since {in_cell(request.absent_at)}"
    return f"Asked {several(request.looks, 'time')}{since}. {doubt.run.detail}"


def facts_of_doubt(doubt: "Doubtful") -> Mapping[str, Any]:
    """The same for --json."""
    return {
        **facts_of_run(doubt.run),
        "until": doubt.run.in_doubt_until,
        "submission": facts_of_submission(doubt.submission),
        "since": doubt.submission.doubted_at,
        "looks": doubt.submission.looks,
        "next_look_at": doubt.submission.look_at,
        "absent_since": doubt.submission.absent_at,
        "told": told(doubt),
    }
