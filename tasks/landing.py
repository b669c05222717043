"""What comes of a job that was asked for: its answer lands, it is asked for again later, or it is given up."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from headrace.errors import PermanentError, StaleClaim, StorageError, StorageUnavailable
from headrace.ledger.durations import Took
from headrace.ledger.records import Advance, PollJob, Postponed, SubmissionChange, Turn
from headrace.providers import Answer, NotTold, Pending, Refused, Told
from headrace.routing import Route, pages_missing
from headrace.states import Reason, State, SubmissionState
from headrace.storage import Location
from tasks.outcomes import answered, predicted
from tasks.services import Services

log = structlog.get_logger()

BLIND_PAUSE = timedelta(seconds=30)
MOST_BLIND_POLLS = 20
# An API may list pages bit by bit: of a job whose length nobody told, those that are missing may still come so long.
UNTOLD_FOR = timedelta(minutes=3)
LATENESS = timedelta(seconds=10)


def settle(
    services: Services, turn: Turn, entry: PollJob, told: Told, rests_until: datetime | None
) -> Postponed | None:
    """Do what follows from what was told of a job, or say when it is to be asked for again.

    While its lane rests, what was not told is asked for after that.
    """
    route = services.ledger.route_at(entry.run.revision or "")
    match told:
        case Answer() if absent := _still_to_come(services, entry, told, route):
            detail = f"{len(absent)} of the pages that were sent are not listed yet"
            return _come_back(services, turn, entry, route, detail)
        case Answer():
            _land_answer(services, turn, entry, told, route)
        case Refused(reason=reason, detail=detail):
            change = SubmissionChange(entry.key, SubmissionState.REJECTED, job=entry.job.id, reason=reason)
            _land(services, turn, entry, Advance(State.FAILED, reason, detail), change)
        case Pending(detail=detail):
            return _come_back(services, turn, entry, route, detail)
        case NotTold() if rests_until is not None:
            return Postponed(entry, rests_until, heard=False)
        case NotTold():
            return _come_back_unheard(services, turn, entry, route, told)
    return None


def took(services: Services, entry: PollJob, asked_at: datetime) -> list[Took]:
    """How long a job took that was answered: it may have been ready since it was heard of before.

    Nothing where it was asked for long after it should have been (nobody was there, or the provider did not tell), or
    where its answer came before and was not stored: that tells of us, and not of the job.
    """
    route = services.ledger.route_at(entry.run.revision or "")
    known = services.ledger.durations(route.lane, entry.job.pages or entry.run.pages)
    before = entry.heard_at - entry.accepted_at if entry.polls else timedelta()
    planned = route.poll.next_delay(before, entry.polls, known)
    age = asked_at - entry.accepted_at
    if planned is None or entry.run.put_offs or age - before > 2 * planned + LATENESS:
        return []
    return [Took(entry.job.pages or entry.run.pages, (age + before).total_seconds() / 2)]


def put_aside(services: Services, turn: Turn, entry: PollJob, error: Exception) -> Postponed | None:
    """A job that we cannot deal with comes back later, so that its neighbours go on; after many times it fails."""
    if entry.polls < MOST_BLIND_POLLS:
        return Postponed(entry, services.clock.now() + BLIND_PAUSE)
    try:
        what = type(error).__name__
        text = f"The answer of the job {entry.job.id} could not be dealt with ({what}), {entry.polls} times over."
        _give_up(services, turn, entry, Reason.UNEXPECTED, text)
    except StaleClaim:
        log.warning("job moved on meanwhile", submission=str(entry.key))
    return None


def postpone(services: Services, turn: Turn, postponed: Sequence[Postponed]) -> None:
    """Have the jobs asked for again; raises StaleClaim where the turn is lost."""
    for job in services.ledger.postpone(turn, postponed):
        log.warning("job moved on meanwhile", submission=str(job.key))


def end_as_poison(services: Services, turn: Turn, entry: PollJob) -> None:
    """Give up a job that no worker survives to ask for."""
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


def next_delay(services: Services, entry: PollJob, route: Route) -> timedelta | None:
    """How long to wait before the next poll of a pending job; None once it is time to give up."""
    took = services.ledger.durations(route.lane, entry.job.pages or entry.run.pages)
    return route.poll.next_delay(services.clock.now() - entry.accepted_at, entry.polls + 1, took)


def _still_to_come(services: Services, entry: PollJob, answer: Answer, route: Route) -> tuple[int, ...]:
    """Which pages are missing from the answer, and may still be listed; none where it is time to take what is there."""
    is_young = services.clock.now() < entry.accepted_at + UNTOLD_FOR
    if entry.job.pages is not None or not is_young or next_delay(services, entry, route) is None:
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


def _come_back(services: Services, turn: Turn, entry: PollJob, route: Route, detail: str) -> Postponed | None:
    delay = next_delay(services, entry, route)
    if delay is not None:
        log.info("job pending", polls=entry.polls + 1, detail=detail)
        return Postponed(entry, services.clock.now() + delay)
    _time_out(services, turn, entry, f"No answer after {entry.polls + 1} polls ({detail or 'pending'}).")
    return None


def _come_back_unheard(services: Services, turn: Turn, entry: PollJob, route: Route, told: NotTold) -> Postponed | None:
    """The provider's trouble, or ours, is no word about the job: only after a day more is it given up."""
    took = services.ledger.durations(route.lane, entry.job.pages or entry.run.pages)
    delay = route.poll.delay_untold(services.clock.now() - entry.accepted_at, entry.polls, took)
    if delay is not None:
        log.info("job not told of", reason=str(told.reason), detail=told.detail)
        return Postponed(entry, services.clock.now() + delay, heard=False)
    _time_out(services, turn, entry, f"Nothing was heard of it for a day and more ({told.detail}).")
    return None


def _time_out(services: Services, turn: Turn, entry: PollJob, why: str) -> None:
    text = f"{why} The job {entry.job.id} is accepted and paid; `headrace retry` asks for it again, and pays nothing."
    _give_up(services, turn, entry, Reason.PREDICTION_TIMED_OUT, text)


def _give_up(services: Services, turn: Turn, entry: PollJob, reason: Reason, detail: str) -> None:
    """Fail the run; its submission stays accepted, so that a retry takes the same job up and pays nothing."""
    change = SubmissionChange(entry.key, SubmissionState.ACCEPTED, job=entry.job.id)
    _land(services, turn, entry, Advance(State.FAILED, reason, detail), change)
