"""May this run's document be sent now? Breaker and rate, asked at the moment of sending; and what is heard of it.

A run that may not go waits, and no attempt is counted: for a place that comes soon it stays admitted, else it goes back
into its queue, ahead of all that came later.
"""

from datetime import datetime, timedelta

import structlog

from headrace.dispatching import Standstill
from headrace.errors import ConfigurationError, LimitsUnavailable, PermanentError, RateLimited
from headrace.ledger.moves import SOON
from headrace.ledger.records import Advance, SubmissionChange
from headrace.states import Reason, State
from headrace.storage.notes import Note
from tasks.step import Held, hand_back

log = structlog.get_logger()

# A place so close is taken, and waited for.
MOST_WAIT_SECONDS = 2.0
# For one that is further off, but not further than this, a message comes back; no longer countdown is allowed.
LONGEST_COUNTDOWN_SECONDS = 60.0
WITHOUT_REDIS = timedelta(seconds=5)
# So many times a document is refused as too much before others go first.
MOST_AT_ITS_PLACE = 3
# Who goes later than this after the moment of its place takes another one: others have gone meanwhile. The limiter
# allows for a second in which requests are on their way.
LATEST_SECONDS = 0.5


def take_place(held: Held, pages: int, *, begun: bool) -> float | None:
    """Take a place for the claimed run, which may be sent now; the moment of it, by the monotonic clock.

    None where it may not be sent: then the claim is given up.
    What an earlier worker had `begun` to send goes past the breaker: it may be in doubt, and nobody knows before it
    comes to its note.
    """
    services = held.services
    still = None if begun else standstill(held)
    if still is not None:
        back_into_queue(held, still)
        return None
    rate = services.routes.lane(held.lane).rate
    asked_at = services.clock.monotonic()
    try:
        place = services.limiter.take(held.lane, pages, rate, most_wait_seconds=MOST_WAIT_SECONDS)
        if place.taken and place.seconds > 0:
            services.clock.sleep(place.seconds)
        # Where one is refused as too much, the lane is paused for all; also for who waited for a place meanwhile.
        paused = services.limiter.paused_seconds(held.lane) if place.seconds > 0 else 0.0
        forgotten = place.taken and place.seconds > 0 and not services.limiter.is_known(held.lane, place)
    except LimitsUnavailable as error:
        log.warning("no limits", error=str(error))
        hand_back(held, WITHOUT_REDIS, str(error))
        return None
    if paused > 0:
        _rest(held, Reason.RATE_LIMITED, paused)
    elif forgotten:
        log.info("place forgotten, another one is taken", run=held.run.id)
        _come_back(held, 0.0)
    elif not place.taken:
        _come_back(held, place.seconds)
    else:
        return asked_at + place.seconds
    return None


def is_too_late(held: Held, pages: int, place_at: float) -> Standstill | None:
    """Why the run may not be sent after all, where it was held up since the moment of its place; None where it may.

    Held up for long, it takes another place, unless there is none at once: it would go out beside those whose places
    are now.
    """
    services = held.services
    if services.clock.monotonic() - place_at <= LATEST_SECONDS:
        return None
    rate = services.routes.lane(held.lane).rate
    try:
        place = services.limiter.take(held.lane, pages, rate)
    except LimitsUnavailable as error:
        return Standstill(Reason.RATE, str(error))
    log.info("place taken again", run=held.run.id, taken=place.taken)
    return None if place.taken else Standstill(Reason.RATE)


def make_room(held: Held) -> None:
    """What goes out is not ahead of its sending any more: another one may be admitted, so that the lane never idles."""
    if held.services.routes.lane(held.lane).rate.is_limited:
        held.services.hints.dispatch()


def standstill(held: Held) -> Standstill | None:
    """Why nothing of the run's lane may be sent now, as its breakers say; None where it may."""
    return held.services.ledger.standstill(held.lane, held.run.id)


def too_much(held: Held, note: Note, change: SubmissionChange, error: RateLimited) -> None:
    """The provider refused it as too much: nothing of the lane goes for a while, and the run waits for that."""
    try:
        seconds = held.services.limiter.pause(held.lane, error.after_seconds)
    except LimitsUnavailable as unavailable:
        # Nothing else can go either before Redis is back.
        log.warning("lane not paused", lane=str(held.lane), error=str(unavailable))
        seconds = WITHOUT_REDIS.total_seconds()
    until = held.services.clock.now() + timedelta(seconds=seconds)
    held.services.ledger.rest(held.lane, until, Reason.RATE_LIMITED)
    # What is refused again and again is too much by itself, and would stop the lane for ever if it went first.
    due_at = until if note.attempt >= MOST_AT_ITS_PLACE else None
    back_into_queue(held, Standstill(Reason.RATE_LIMITED, str(error), until), change, due_at=due_at)


def refused(held: Held, reason: Reason, error: PermanentError | ConfigurationError, change: SubmissionChange) -> None:
    """The key, or the right to the model, was refused: the run waits until that is mended, and others probe before it.

    It may be this document alone that is refused, as one that costs more than is left.
    """
    failed(held, reason, str(error))
    back_into_queue(held, Standstill(reason, str(error)), change, due_at=held.services.clock.now())


def was_taken(held: Held) -> None:
    """The provider took a request: breaker and pauses begin anew."""
    was_answered(held)
    try:
        held.services.limiter.was_taken(held.lane)
    except LimitsUnavailable as error:
        log.warning("pauses not forgotten", lane=str(held.lane), error=str(error))


def was_answered(held: Held) -> None:
    """The provider refused this document, for which it is there and takes the key: its breaker hears of no failure."""
    held.services.ledger.heard(held.lane, held.run.id, None)


def failed(held: Held, reason: Reason, detail: str) -> None:
    """The provider failed, or refused the key or the model: its breaker hears of it."""
    held.services.ledger.heard(held.lane, held.run.id, reason, detail)


def back_into_queue(
    held: Held, still: Standstill, change: SubmissionChange | None = None, *, due_at: datetime | None = None
) -> None:
    """Let the run wait in its queue: behind all that is due before `due_at`, by default at the place that it had."""
    place = due_at or held.run.created_at or held.services.clock.now()
    held.advance(Advance(State.WAITING, still.reason, still.detail, due_at=place), change)


def _come_back(held: Held, seconds: float) -> None:
    if seconds > LONGEST_COUNTDOWN_SECONDS:
        _rest(held, Reason.RATE, seconds)
        return
    # The sweep looks after it only where the message is lost.
    hand_back(held, timedelta(seconds=seconds) + SOON, "")
    held.services.hints.later(held.run.id, held.run.state, held.lane.provider, seconds)


def _rest(held: Held, reason: Reason, seconds: float) -> None:
    """Let the whole lane wait, and the run with it."""
    until = held.services.clock.now() + timedelta(seconds=seconds)
    held.services.ledger.rest(held.lane, until, reason)
    back_into_queue(held, Standstill(reason, "", until))
