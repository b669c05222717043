"""The step that looks after a group of accepted jobs: ask for what is due, come back when the next one is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from celery import Task, shared_task

from headrace.document import SubmissionKey
from headrace.errors import LedgerUnavailable, StaleClaim
from headrace.faults import fault_point
from headrace.ledger.claims import MOST_DELIVERIES
from headrace.ledger.durations import Took
from headrace.ledger.records import PollJob, Postponed, Turn
from headrace.providers import Answer, Job, NotTold, Told
from headrace.states import Reason
from tasks.asking import AT_ONCE, asked_together, believed, fetched, found_in_window, listed_together, rest_of_lane
from tasks.hints import POLL
from tasks.landing import end_as_poison, postpone, put_aside, settle, took
from tasks.services import Services
from tasks.step import repeated

log = structlog.get_logger()

# One call may still be under way when the next chunk would begin: leave it this much of the turn.
LEAST_SECONDS_FOR_A_CALL = 5.0
LONGEST_COUNTDOWN_SECONDS = 60.0


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
            log.info("poll group ended or rests")
            return None
        seconds = (next_due - services.clock.now()).total_seconds()
        return NextPoll(group_id, turn.generation, min(max(seconds, 0.0), LONGEST_COUNTDOWN_SECONDS))


def look_after(services: Services, turn: Turn) -> datetime | None:
    """One turn: ask for the due jobs, until none is due, the turn's time is up, or the provider refuses to say more.

    Returns when the group's next job is due; None when the group has ended. Raises StaleClaim where
    another message has taken the group over.
    """
    asking = _Asking(services, turn)
    with repeated(lambda: services.ledger.heartbeat(turn), "poll turn"):
        due = services.ledger.due_jobs(turn)
        if services.routes.lane(turn.lane).poll_by == "window":
            asking.all_at_once(due)
        asking.one_by_one(due)
        asking.leave(due)
    if turn.rested and asking.heard:
        services.ledger.polls_go_on(turn.lane)
    services.ledger.note_durations(turn.lane, asking.took)
    return services.ledger.finish_turn(turn)


class _Asking:
    """The calls of one turn. `took` is how long jobs took that were answered; `heard`, whether any was told of."""

    def __init__(self, services: Services, turn: Turn) -> None:
        self._services = services
        self._turn = turn
        self._begun: set[SubmissionKey] = set()
        self._settled: set[SubmissionKey] = set()
        self._lane_rests = False
        self.took: list[Took] = []
        self.heard = False

    def all_at_once(self, due: Sequence[PollJob]) -> None:
        """Ask for the jobs in one listing, and deal with those of which it tells enough."""
        jobs, seconds = listed_together(due), self._seconds_left()
        if not jobs or seconds < 2 * LEAST_SECONDS_FOR_A_CALL:
            return
        self._begin(jobs)
        asked_at = self._services.clock.now()
        found = found_in_window(self._services, self._turn, jobs, seconds - LEAST_SECONDS_FOR_A_CALL)
        for first in range(0, len(jobs), AT_ONCE):
            if self._lane_rests or self._seconds_left() <= 0:
                return
            # A few at once: the answers of all would take much memory.
            some = jobs[first : first + AT_ONCE]
            told = believed(self._services, some, found)
            self._deal_with([entry for entry in some if entry.job in told], told, asked_at)

    def one_by_one(self, due: Sequence[PollJob]) -> None:
        """Ask for each job that was not dealt with yet by itself, a few at once."""
        for jobs in asked_together([entry for entry in due if entry.key not in self._settled]):
            seconds = self._seconds_left()
            if self._lane_rests or seconds < LEAST_SECONDS_FOR_A_CALL:
                return
            if jobs[0].deliveries >= MOST_DELIVERIES:
                end_as_poison(self._services, self._turn, jobs[0])
                continue
            self._begin([entry for entry in jobs if entry.key not in self._begun])
            asked_at = self._services.clock.now()
            self._deal_with(jobs, fetched(self._services, self._turn, jobs, seconds), asked_at)

    def leave(self, due: Sequence[PollJob]) -> None:
        """What was begun, and could not be come to, is due as before."""
        begun, now = self._begun - self._settled, self._services.clock.now()
        left = [Postponed(entry, now, heard=False) for entry in due if entry.key in begun]
        postpone(self._services, self._turn, left)

    def _seconds_left(self) -> float:
        return (self._turn.deadline - self._services.clock.now()).total_seconds()

    def _begin(self, jobs: Sequence[PollJob]) -> None:
        if jobs:
            self._services.ledger.begin_polls(self._turn, jobs)
            self._begun |= {entry.key for entry in jobs}

    def _deal_with(self, jobs: Sequence[PollJob], told: Mapping[Job, Told], asked_at: datetime) -> None:
        rests_until = rest_of_lane(self._services, self._turn, jobs, told)
        self._lane_rests = rests_until is not None
        postponed: list[Postponed | None] = []
        for entry in jobs:
            said = told.get(entry.job, NotTold(Reason.CONFIGURATION, "it could not be asked for"))
            self.heard = self.heard or not isinstance(said, NotTold)
            self._settled.add(entry.key)
            with structlog.contextvars.bound_contextvars(run=entry.run.id):
                try:
                    postponed.append(settle(self._services, self._turn, entry, said, rests_until))
                except StaleClaim:
                    log.warning("job moved on meanwhile", submission=str(entry.key))
                except LedgerUnavailable:
                    raise
                except Exception as error:
                    log.exception("job not settled", submission=str(entry.key))
                    postponed.append(put_aside(self._services, self._turn, entry, error))
            if isinstance(said, Answer):
                self.took += took(self._services, entry, asked_at)
        # Together, since most jobs that are asked for are not ready: a transaction for each would be most of all.
        postpone(self._services, self._turn, [one for one in postponed if one is not None])
