"""The step that looks after a group of accepted jobs: ask for what is due, come back when the next one is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from celery import Task, shared_task

from headrace.errors import LedgerUnavailable, PermanentError, StaleClaim, StorageError, StorageUnavailable
from headrace.faults import fault_point
from headrace.ledger.claims import MOST_DELIVERIES
from headrace.ledger.records import Advance, PollJob, SubmissionChange, Turn
from headrace.providers import Answer, Job, Pending, Refused
from headrace.routing import Route, pages_missing
from headrace.states import Reason, State, SubmissionState
from headrace.storage import Location
from tasks.hints import POLL
from tasks.outcomes import answered, predicted
from tasks.services import Services
from tasks.step import repeated

log = structlog.get_logger()

AT_ONCE = 8
# One call may still be under way when the next chunk would begin: leave it this much of the turn.
LEAST_SECONDS_FOR_A_CALL = 5.0
LONGEST_COUNTDOWN_SECONDS = 60.0
BLIND_PAUSE = timedelta(seconds=30)
MOST_BLIND_POLLS = 20
# An API may list pages bit by bit: of a job whose length nobody told, those that are missing may still come so long.
UNTOLD_FOR = timedelta(minutes=3)


@dataclass(frozen=True)
class NextPoll:
    """The message that carries a group's chain on."""

    group_id: int
    generation: int
    countdown_seconds: float


# Polling retries on its own schedule; an unreachable provider is simply not ready yet.
@shared_task(bind=True, name=POLL, queue="poll", max_retries=None)
def poll(self: Task, group_id: int, generation: int) -> None:
    """Ask for the group's due jobs; come back when the next one is due, until none is left."""
    following = take_turn(self.app.services, group_id, generation)
    if following is None:
        return
    fault_point("poll.retry.before")
    retry = self.retry(
        args=(following.group_id, following.generation), countdown=following.countdown_seconds, throw=False
    )
    fault_point("poll.retry.after")
    raise retry


def take_turn(services: Services, group_id: int, generation: int) -> NextPoll | None:
    """Take this generation's turn, if it is still to be had; the message that is to follow, if one is."""
    with structlog.contextvars.bound_contextvars(group=group_id, step="poll"):
        try:
            turn = services.ledger.take_turn(group_id, generation)
            if turn is None:
                log.debug("stale poll message", generation=generation)
                return None
            next_due = look_after(services, turn)
        except (StaleClaim, LedgerUnavailable) as error:
            # The sweep revives a group whose turn was lost.
            log.warning("poll turn lost", error=str(error))
            return None
        if next_due is None:
            log.info("poll group ended")
            return None
        seconds = (next_due - services.clock.now()).total_seconds()
        return NextPoll(group_id, turn.generation, min(max(seconds, 0.0), LONGEST_COUNTDOWN_SECONDS))


def look_after(services: Services, turn: Turn) -> datetime | None:
    """One turn: ask for the due jobs, a few at once, until none is due or the turn's time is up.

    Returns when the group's next job is due; None when the group has ended. Raises StaleClaim where
    another message has taken the group over.
    """
    with repeated(lambda: services.ledger.heartbeat(turn), "poll turn"):
        for jobs in asked_together(services.ledger.due_jobs(turn)):
            left = (turn.deadline - services.clock.now()).total_seconds()
            if left < LEAST_SECONDS_FOR_A_CALL:
                break
            if jobs[0].deliveries >= MOST_DELIVERIES:
                _end_as_poison(services, turn, jobs[0])
                continue
            services.ledger.begin_polls(turn, jobs)
            _ask(services, turn, jobs, left)
    return services.ledger.finish_turn(turn)


def asked_together(due: Sequence[PollJob]) -> Iterator[Sequence[PollJob]]:
    """The due jobs, a few at once; then, one by one, those whose last poll ended without a word.

    An answer that kills its worker is then found, and keeps no other from being fetched.
    """
    harmless = [entry for entry in due if not entry.deliveries]
    for first in range(0, len(harmless), AT_ONCE):
        yield harmless[first : first + AT_ONCE]
    for entry in due:
        if entry.deliveries:
            yield [entry]


def _ask(services: Services, turn: Turn, jobs: Sequence[PollJob], seconds: float) -> None:
    results = _fetched(services, turn, jobs, seconds)
    for entry in jobs:
        with structlog.contextvars.bound_contextvars(run=entry.run.id):
            try:
                _settle(services, turn, entry, results.get(entry.job, Pending("it could not be asked for")))
            except StaleClaim:
                log.warning("job moved on meanwhile", submission=str(entry.key))
            except LedgerUnavailable:
                raise
            except Exception as error:
                log.exception("job not settled", submission=str(entry.key))
                _put_aside(services, turn, entry, error)


def _fetched(
    services: Services, turn: Turn, jobs: Sequence[PollJob], seconds: float
) -> Mapping[Job, Answer | Pending | Refused]:
    """What the provider said of each job; nothing where it could not be asked at all."""
    try:
        return services.provider(turn.lane).fetch([entry.job for entry in jobs], deadline_seconds=seconds)
    except Exception:
        # Each job's own schedule goes on, and ends it.
        log.exception("jobs not asked for", jobs=len(jobs))
        return {}


def _put_aside(services: Services, turn: Turn, entry: PollJob, error: Exception) -> None:
    """A job that we cannot deal with comes back later, so that its neighbours go on; after many times it fails."""
    try:
        if entry.polls < MOST_BLIND_POLLS:
            services.ledger.postpone(turn, entry, services.clock.now() + BLIND_PAUSE)
            return
        what = type(error).__name__
        text = f"The answer of the job {entry.job.id} could not be dealt with ({what}), {entry.polls} times over."
        _give_up(services, turn, entry, Reason.UNEXPECTED, text)
    except StaleClaim:
        log.warning("job moved on meanwhile", submission=str(entry.key))


def _end_as_poison(services: Services, turn: Turn, entry: PollJob) -> None:
    text = (
        f"The job {entry.job.id} was asked for {entry.deliveries} times by workers that never said what came of it. "
        "It is accepted and paid; `headrace retry` asks for it again, and pays nothing."
    )
    with structlog.contextvars.bound_contextvars(run=entry.run.id):
        log.error("job ended as poison", submission=str(entry.key), deliveries=entry.deliveries)
        try:
            _give_up(services, turn, entry, Reason.POISON, text)
        except StaleClaim:
            log.warning("job moved on meanwhile", submission=str(entry.key))


def _settle(services: Services, turn: Turn, entry: PollJob, result: Answer | Pending | Refused) -> None:
    route = services.ledger.route_at(entry.run.revision or "")
    match result:
        case Answer() if absent := _still_to_come(services, entry, result, route):
            _come_back(services, turn, entry, route, f"{len(absent)} of the pages that were sent are not listed yet")
        case Answer():
            _land_answer(services, turn, entry, result, route)
        case Refused(reason=reason, detail=detail):
            change = SubmissionChange(entry.key, SubmissionState.REJECTED, job=entry.job.id, reason=reason)
            _land(services, turn, entry, Advance(State.FAILED, reason, detail), change)
        case Pending(detail=detail):
            _come_back(services, turn, entry, route, detail)


def _still_to_come(services: Services, entry: PollJob, answer: Answer, route: Route) -> tuple[int, ...]:
    """Which pages are missing from the answer, and may still be listed; none where it is time to take what is there."""
    is_young = services.clock.now() < entry.accepted_at + UNTOLD_FOR
    if entry.job.pages is not None or not is_young or route.poll.delay_after(entry.polls + 1) is None:
        return ()
    return pages_missing(answer.prediction.page_numbers, entry.run.walked_pages, route)


def _land_answer(services: Services, turn: Turn, entry: PollJob, answer: Answer, route: Route) -> None:
    try:
        prediction = services.answers.keep(Location.parse(route.private), entry.key, answer.raw, answer.prediction)
    except (StorageError, StorageUnavailable) as error:
        log.warning("answer not stored, it will be fetched again", error=str(error))
        services.ledger.put_off_landing(turn, entry, error.reason, str(error))
        return
    except PermanentError as error:
        _give_up(services, turn, entry, error.reason, str(error))
        return
    advance = predicted(entry.run, route, [prediction], services.routes.lane(route.lane))
    _land(services, turn, entry, advance, answered(entry.key, prediction, advance, job=entry.job.id))
    if answer.prediction.key == str(entry.key):
        services.ledger.note_echo(turn.lane)


def _land(services: Services, turn: Turn, entry: PollJob, advance: Advance, change: SubmissionChange) -> None:
    run = services.ledger.land(turn, entry, advance, change)
    log.info("run advanced", state=str(run.state), reason=None if run.reason is None else str(run.reason))
    services.hints.hint(run.id, run.state)
    services.hints.dispatch()  # a place in the lane is free again


def _come_back(services: Services, turn: Turn, entry: PollJob, route: Route, detail: str) -> None:
    delay = route.poll.delay_after(entry.polls + 1)
    if delay is not None:
        log.info("job pending", polls=entry.polls + 1, detail=detail)
        services.ledger.postpone(turn, entry, services.clock.now() + delay)
        return
    text = (
        f"No answer after {entry.polls + 1} polls ({detail or 'pending'}). "
        f"The job {entry.job.id} is accepted and paid; "
        "`headrace retry` asks for it again, and pays nothing."
    )
    _give_up(services, turn, entry, Reason.PREDICTION_TIMED_OUT, text)


def _give_up(services: Services, turn: Turn, entry: PollJob, reason: Reason, detail: str) -> None:
    """Fail the run; its submission stays accepted, so that a retry takes the same job up and pays nothing."""
    change = SubmissionChange(entry.key, SubmissionState.ACCEPTED, job=entry.job.id)
    _land(services, turn, entry, Advance(State.FAILED, reason, detail), change)
