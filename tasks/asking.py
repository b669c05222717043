"""How the jobs of a turn are asked for: a few at once, each by itself, or all of them in one listing of their days."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from headrace.breaking import REFUSALS
from headrace.errors import PermanentError, RateLimited, TransientError
from headrace.ledger.records import PollJob, Turn
from headrace.polling import is_asked_singly
from headrace.providers import Absent, Job, NotTold, Pending, Told
from headrace.routing import SEND_WITHIN
from headrace.states import Reason
from tasks.landing import next_delay
from tasks.services import Services

log = structlog.get_logger()

AT_ONCE = 8
# One job is asked for sooner than a list is read.
LEAST_LISTED = 2
# A listing takes as long as it is wide; a job that is older than the youngest by more is asked for by itself.
MOST_DAYS = timedelta(days=2)
LISTING_SECONDS = 20.0

_OF_THE_LANE = REFUSALS | {Reason.RATE_LIMITED}


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


def listed_together(due: Sequence[PollJob]) -> list[PollJob]:
    """Those of the due jobs that one listing may tell of: sent within days of one another, and harmless so far."""
    harmless = [entry for entry in due if not entry.deliveries]
    if not harmless:
        return []
    youngest = max(entry.send_before for entry in harmless)
    together = [entry for entry in harmless if youngest - entry.send_before <= MOST_DAYS]
    return together if len(together) >= LEAST_LISTED else []


def fetched(services: Services, turn: Turn, jobs: Sequence[PollJob], seconds: float) -> Mapping[Job, Told]:
    """What the provider said of each job, asked by itself; nothing where it could not be asked at all."""
    try:
        return services.provider(turn.lane).fetch([entry.job for entry in jobs], deadline_seconds=seconds)
    except Exception:
        # Each job's own schedule goes on, and ends it.
        log.exception("jobs not asked for", jobs=len(jobs))
        return {}


def found_in_window(
    services: Services, turn: Turn, jobs: Sequence[PollJob], seconds: float
) -> Mapping[Job, Told | Absent]:
    """What one listing says of the jobs."""
    since, until = min(one.send_before for one in jobs) - SEND_WITHIN, max(one.send_before for one in jobs)
    try:
        return services.provider(turn.lane).listed(
            turn.lane.model,
            [one.job for one in jobs],
            since,
            until,
            deadline_seconds=min(seconds, LISTING_SECONDS),
        )
    except RateLimited as error:
        return {one.job: NotTold(error.reason, str(error), error.after_seconds) for one in jobs}
    except (PermanentError, TransientError) as error:
        if error.reason in REFUSALS:
            return {one.job: NotTold(error.reason, str(error)) for one in jobs}
        log.warning("window not read, jobs are asked for one by one", error=str(error))
        return {}
    except Exception:
        log.exception("window not read, jobs are asked for one by one", jobs=len(jobs))
        return {}


def believed(services: Services, jobs: Sequence[PollJob], found: Mapping[Job, Told | Absent]) -> dict[Job, Told]:
    """What a listing says of some of its jobs; those that are left out are to be asked for by themselves."""
    told = {one.job: _believed(services, one, found.get(one.job)) for one in jobs}
    return {job: said for job, said in told.items() if said is not None}


def _believed(services: Services, entry: PollJob, said: Told | Absent | None) -> Told | None:
    """What a list says of a job, where that is enough."""
    if said is None or not isinstance(said, Pending | Absent):
        return said
    route = services.ledger.route_at(entry.run.revision or "")
    age, is_last = services.clock.now() - entry.accepted_at, next_delay(services, entry, route) is None
    if is_asked_singly(age, entry.polls, is_last=is_last):
        return None
    return said if isinstance(said, Pending) else Pending("it is not listed yet")


def rest_of_lane(services: Services, turn: Turn, jobs: Sequence[PollJob], told: Mapping[Job, Told]) -> datetime | None:
    """Let the lane's jobs rest where asking for one of these was refused whatever the job: until when, else None.

    The breaker hears of a key that is refused: nothing more is to be sent either.
    """
    refused = [
        (one, said) for one in jobs if isinstance(said := told.get(one.job), NotTold) and said.reason in _OF_THE_LANE
    ]
    if not refused:
        return None
    entry, said = max(refused, key=lambda one: one[1].after_seconds or 0.0)
    if said.reason in REFUSALS:
        services.ledger.heard(turn.lane, entry.run.id, said.reason, said.detail)
    return services.ledger.rest_polls(turn.lane, said.reason, said.detail, said.after_seconds)
