"""Settling doubt: whether the provider took a paid request is found out, or a person says what is to become of it.

The rules are in headrace/doubt.py; how each ending is written, in tasks/endings.py.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from celery import Task, shared_task

from headrace import doubt as rules
from headrace.document import SubmissionKey
from headrace.errors import (
    ConfigurationError,
    HeadraceError,
    LedgerError,
    LedgerUnavailable,
    PermanentError,
    TransientError,
)
from headrace.ledger.claims import MOST_DELIVERIES
from headrace.ledger.records import Doubtful, LookedFor, Submission
from headrace.providers import Absent, Listing, Sought, Unknown
from headrace.routing import SEND_WITHIN, Lane
from headrace.states import Mode, Reason, SubmissionState
from tasks.endings import Case, Ending, Settled
from tasks.hints import SETTLE
from tasks.maintenance import LEASE, holder
from tasks.services import Services
from tasks.step import repeated

__all__ = ["Ending", "Settled", "adopt", "ask_again", "give_up", "resend", "settle", "settle_alone", "settle_lane"]

log = structlog.get_logger()

MOST_AT_ONCE = 200
# How many are looked for in one listing, by how often nobody came back from it; one where that was more often. Once
# may be by chance, and a listing of a busy day is too long for each request to have its own.
TOGETHER = {0: MOST_AT_ONCE, 1: MOST_AT_ONCE, 2: 40, 3: 8}
# With what is written then, well within the time after which the broker hands the message to another worker.
LISTING_SECONDS = 200.0
# A listing takes as long as it is wide.
MOST_DAYS = timedelta(days=2)
# So long after a look at a lane began no other listing is begun in it: what is due stays due.
LONGEST_BEFORE_ANOTHER_SECONDS = 40.0
# And after it for so many times as long as it took.
PAUSE_SHARE = 2
# A store that fails, or a fault of ours, keeps a request from being looked for this long.
PAUSE = timedelta(seconds=15)


@shared_task(bind=True, name=SETTLE, queue="poll")
def settle(self: Task, provider: str, account: str, model: str) -> None:
    """Look for the requests in doubt of a lane."""
    settle_alone(self.app.services, Lane(provider, account, model))


def settle_alone(services: Services, lane: Lane) -> None:
    """Settle the lane's doubt unless somebody else is at it, or has just been; the next hint tries again.

    The lease outlasts the work: a lane is listed no more often than its first look comes after its doubt, and for a
    third of the time at most, for the listing of a busy day is long.
    """
    # Threads share their process's name.
    name, ours = f"settle {'/'.join(lane)}", f"{holder()}:{secrets.token_hex(4)}"
    with structlog.contextvars.bound_contextvars(step="settle", lane="/".join(lane)):
        try:
            if not services.ledger.lease(name, ours, LEASE):
                log.debug("lease is taken", lease=name)
                return
            began = services.clock.monotonic()
            with repeated(lambda: services.ledger.lease(name, ours, LEASE), "settling"):
                settle_lane(services, lane)
            took = timedelta(seconds=services.clock.monotonic() - began)
            services.ledger.lease(name, ours, max(rules.first_pause(_settle_time(services)), PAUSE_SHARE * took))
        except HeadraceError as error:
            log.warning("periodic step failed", lease=name, error=str(error))


def settle_lane(services: Services, lane: Lane) -> list[Settled]:
    """Look for the lane's requests in doubt that are due; what was settled of them.

    First what is stored is looked at, then one listing of the provider tells of all others. What there is no time
    for now is still due. Raises LedgerUnavailable.
    """
    settled: list[Settled] = []
    began = services.clock.monotonic()
    for due in looked_for_together(services.ledger.due_doubts(lane, MOST_AT_ONCE)):
        if services.clock.monotonic() - began > LONGEST_BEFORE_ANOTHER_SECONDS:
            break
        settled += _hold_poison(services, due[0]) if _is_poison(due[0]) else _settle_together(services, lane, due)
    return settled


def looked_for_together(due: Sequence[Doubtful]) -> Iterator[Sequence[Doubtful]]:
    """Those that are due, as many in one listing as may be; the most overdue is in the first.

    The more often nobody came back from looking for some, the fewer of them are looked for at once: one that kills its
    worker is alone in the end, and those that were with it by chance need not each have a listing of their own. They
    do not come last, though: where a listing is long, each round has time for one, and what is in doubt since would
    always be ahead of them.
    """
    alike: dict[int, list[Doubtful]] = defaultdict(list)
    for one in due:
        alike[TOGETHER.get(one.submission.deliveries, 1)].append(one)
    groups = [
        group
        for most, some in alike.items()
        for first in range(0, len(some), most)
        for group in _of_the_same_days(some[first : first + most])
    ]
    place = {one.submission.key: number for number, one in enumerate(due)}
    yield from sorted(groups, key=lambda group: place[group[0].submission.key])


def _of_the_same_days(due: Sequence[Doubtful]) -> Iterator[Sequence[Doubtful]]:
    """Those that went out within days of the youngest: an old one would widen the listing of all.

    Of what is older the most overdue has its turn, and the rest another time.
    """
    youngest = max(one.submission.send_before for one in due)
    yield _sent_within_days_of(youngest, due)
    older = [one for one in due if youngest - one.submission.send_before > MOST_DAYS]
    if older:
        yield _sent_within_days_of(older[0].submission.send_before, older)


def _sent_within_days_of(moment: datetime, due: Sequence[Doubtful]) -> list[Doubtful]:
    return [one for one in due if abs(one.submission.send_before - moment) <= MOST_DAYS]


def _is_poison(due: Doubtful) -> bool:
    return due.submission.deliveries >= MOST_DELIVERIES


def _hold_poison(services: Services, due: Doubtful) -> list[Settled]:
    """Let a person decide of what no worker survives to look for."""
    request = due.submission
    log.error("doubt kills its workers", submission=str(request.key), deliveries=request.deliveries)
    this = _Round(services)
    with this.put_aside(request):
        this.settled.append(
            Case.of(services, due).hold(
                f"It was looked for {request.deliveries} times by workers that never said what came of it. "
                "`headrace resolve` settles it."
            )
        )
    if this.later:
        services.ledger.note_looks(this.later)
    return this.settled


def _settle_together(services: Services, lane: Lane, together: Sequence[Doubtful]) -> list[Settled]:
    this = _Round(services)
    services.ledger.begin_looks([due.submission for due in together])
    cases: list[Case] = []
    for due in together:
        with this.put_aside(due.submission):
            case = Case.of(services, due)
            stored = case.by_what_is_stored()
            if stored is None:
                cases.append(case)
            else:
                this.settled.append(stored)
    if cases:
        look = _look(services, lane, cases)
        for case in cases:
            with this.put_aside(case.request):
                this.decide(case, look)
    if this.later:
        services.ledger.note_looks(this.later)
    return this.settled


def adopt(services: Services, key: SubmissionKey, job: str, by: str) -> Settled:
    """Use this job of the provider for the request: a person found it there. Nothing is paid.

    Safe to call twice, and against a worker that comes back: what is noted first counts, and is what is told.
    Raises LedgerError where the ledger knows no such request, and what the ledger and the store raise.
    """
    case = _case(services, key)
    request = case.request
    if request.state is not SubmissionState.IN_DOUBT:
        same = request.state is SubmissionState.ACCEPTED and request.job == job
        return _as_before(case, Ending.ADOPTED if same else Ending.NOT_IN_DOUBT)
    return case.by_what_is_stored() or case.adopt(job, by=by)


def resend(services: Services, key: SubmissionKey, by: str) -> Settled:
    """Send the document again under the next key, as a person decided: it may be paid a second time.

    Should a job of the abandoned request turn up before it is sent, that one is used, and nothing is paid. Else as
    `adopt`.
    """
    case = _case(services, key)
    request = case.request
    if request.state is not SubmissionState.IN_DOUBT:
        same = request.state is SubmissionState.ABANDONED and request.reason is not Reason.GIVEN_UP
        return _as_before(case, Ending.SENT_AGAIN if same else Ending.NOT_IN_DOUBT)
    return case.by_what_is_stored() or case.abandon(Reason.IN_DOUBT, by=by)


def give_up(services: Services, key: SubmissionKey, by: str) -> Settled:
    """Fail the run, as a person decided: nobody will know whether it was paid. Else as `adopt`."""
    case = _case(services, key)
    request = case.request
    if request.state is not SubmissionState.IN_DOUBT:
        same = request.state is SubmissionState.ABANDONED and request.reason is Reason.GIVEN_UP
        return _as_before(case, Ending.GIVEN_UP if same else Ending.NOT_IN_DOUBT)
    return case.by_what_is_stored() or case.abandon(Reason.GIVEN_UP, by=by)


def ask_again(services: Services, key: SubmissionKey, by: str) -> Settled:
    """Have the provider asked at once, for what is held too: what kept it from telling may be mended. Nothing is paid.

    It is asked for about as long as a provider is that is away, and held again after that. Else as `adopt`.
    """
    case = _case(services, key)
    if case.request.state is not SubmissionState.IN_DOUBT:
        return case.not_in_doubt()
    until = max(rules.deadline(_send_before(case), _settle_time(services)), services.clock.now())
    return case.by_what_is_stored() or case.ask_again(until, by=by)


def _send_before(case: Case) -> datetime:
    return max(case.request.send_before, case.note.send_before)


def _case(services: Services, key: SubmissionKey) -> Case:
    found = services.ledger.request(key)
    if found is None:
        raise LedgerError(f"The ledger knows no request {key}. `headrace status` names those of a document.")
    return Case.of(services, found)


def _as_before(case: Case, ending: Ending) -> Settled:
    told = case.not_in_doubt()
    return Settled(told.key, ending, told.run, told.detail)


@dataclass(frozen=True)
class _Look:
    """What asking the provider once told: of each request, or (`failed`) why it told nothing at all.

    `busy_since`: when the oldest of the lane's jobs was intended that were not done then.
    """

    at: datetime
    listing: Listing | None = None
    failed: rules.Unreachable | rules.Unaskable | None = None
    echoed: bool = False
    busy_since: datetime | None = None

    def of(self, request: Submission, send_before: datetime) -> rules.Look:
        if self.failed is not None:
            return self.failed
        unsaid = Unknown("its listing says nothing of it")
        told = unsaid if self.listing is None else self.listing.findings.get(request.key, unsaid)
        is_behind = self.busy_since is not None and self.busy_since <= send_before
        # What is to be answered at once waits behind no job.
        return rules.Behind() if isinstance(told, Absent) and is_behind and request.mode is Mode.ASYNC else told


def _look(services: Services, lane: Lane, cases: Sequence[Case]) -> _Look:
    """Ask the provider for all of them in one listing."""
    at = services.clock.now()
    sent_before = [moment for case in cases for moment in (case.request.send_before, case.note.send_before)]
    since, until = min(sent_before) - SEND_WITHIN, max(sent_before)
    sought = [_sought(case) for case in cases]
    # Read first: a job that ends while the list is told may be missing in it.
    busy_since = services.ledger.busy_since(lane)
    try:
        provider = services.provider(lane)
        listing = provider.find(lane.model, sought, since, until, deadline_seconds=LISTING_SECONDS)
    except TransientError as error:
        log.warning("provider could not be asked", error=str(error))
        return _Look(at, failed=rules.Unreachable(str(error)))
    except (PermanentError, ConfigurationError) as error:
        log.warning("provider could not be asked", error=str(error))
        return _Look(at, failed=rules.Unaskable(str(error)))
    except Exception as error:
        # A fault of ours ends no doubt before its time, and is looked for as long as a provider that is away.
        log.exception("provider could not be asked")
        return _Look(at, failed=rules.Unreachable(f"an unexpected {type(error).__name__}"))
    if listing.echoed:
        services.ledger.note_echo(lane)
    echoed = listing.echoed or services.ledger.is_echoed(lane)
    return _Look(at, listing, echoed=echoed, busy_since=busy_since)


def _sought(case: Case) -> Sought:
    # A link may name the file otherwise, and Base64 text has no name.
    name = case.run.document.name if case.route.send == "stream" else None
    return Sought(case.request.key, name, text_only=case.route.text_only)


def _settle_time(services: Services) -> timedelta:
    return timedelta(seconds=services.settings.settle_seconds)


@dataclass(frozen=True)
class _Round:
    """What one look at a lane comes to."""

    services: Services
    settled: list[Settled] = field(default_factory=list)
    later: list[LookedFor] = field(default_factory=list)

    @contextmanager
    def put_aside(self, request: Submission) -> Iterator[None]:
        """Look for a request later that cannot be dealt with now, so that its neighbours go on."""
        with structlog.contextvars.bound_contextvars(run=request.run_id, submission=str(request.key)):
            try:
                yield
            except LedgerUnavailable:
                raise
            except HeadraceError as error:
                log.warning("doubt not settled", error=str(error))
                self._come_back(request)
            except Exception:
                log.exception("doubt not settled")
                self._come_back(request)

    def decide(self, case: Case, look: _Look) -> None:
        """Do what the rules allow after this look."""
        request, settle = case.request, _settle_time(self.services)
        known = rules.Doubt(
            send_before=_send_before(case),
            doubted_at=request.doubted_at or _send_before(case),
            looks=request.looks,
            absent_at=request.absent_at,
        )
        told = look.of(request, known.send_before)
        match rules.decide(known, told, look.at, settle, echoed=look.echoed):
            case rules.Take(job=job, others=others):
                self.settled.append(case.adopt(job.id, *(other.id for other in others)))
            case rules.SendAgain():
                self.settled.append(case.send_again())
            case rules.LookAgain(at=at, absent_at=absent_at):
                until = max(rules.deadline(absent_at or known.send_before, settle), at)
                self.later.append(LookedFor(request, at, until, absent_at, detail=rules.said(told)))
            case rules.Unsettled(detail=detail):
                self.settled.append(self._unsettled(case, detail))

    def _unsettled(self, case: Case, detail: str) -> Settled:
        """Nobody can tell: a person decides, or the route has it sent again, once."""
        if case.route.on_doubt == "resubmit" and case.request.key.n == 1:
            return case.abandon(Reason.IN_DOUBT, by="The route")
        return case.hold(
            f"The provider cannot say whether it took the document: {detail.rstrip('.')}. "
            "Where that is mended, `headrace resolve --ask` asks it again, for nothing; else a person settles it there."
        )

    def _come_back(self, request: Submission) -> None:
        at = self.services.clock.now() + PAUSE
        until = max(request.send_before + _settle_time(self.services), at)
        self.later.append(LookedFor(request, at, until, request.absent_at, counts=False))
