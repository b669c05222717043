"""One step of a run: claim it, do the work, advance it, hint what comes next. The retry policy is here, once."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded

from headrace import putting_off
from headrace.document import Document
from headrace.errors import (
    ConfigurationError,
    ForeignLedger,
    LedgerUnavailable,
    PermanentError,
    StaleClaim,
    StorageError,
    TransientError,
)
from headrace.ledger.records import Advance, Claim, Run, SubmissionChange
from headrace.routing import Lane, Route
from headrace.states import Reason, State
from headrace.storage import Location
from tasks.services import Services

log = structlog.get_logger()

RENEW_EVERY_SECONDS = 5.0
# A ledger that is not the bucket's own needs a person; looking again is cheap.
FOREIGN_LEDGER_PAUSE = timedelta(seconds=60)


@dataclass
class Held:
    """A claimed run, and the only way in which a step changes it."""

    services: Services
    claim: Claim

    @property
    def run(self) -> Run:
        return self.claim.run

    @property
    def document(self) -> Document:
        return self.claim.run.document

    @property
    def route(self) -> Route:
        """The route in the revision that the run was routed by."""
        if self.run.revision is None:
            raise LookupError(f"The run {self.run.id} has no route yet.")
        return self.services.ledger.route_at(self.run.revision)

    def keep_revision(self, location: Location) -> None:
        """See that the bucket has the run's revision too, ahead of whatever names it there."""
        services, revision = self.services, self.run.revision
        if revision is not None:
            services.revisions.keep(location, revision, lambda: services.ledger.definition(revision))

    @property
    def lane(self) -> Lane:
        """The lane that the run was routed to."""
        if self.run.lane is None:
            raise LookupError(f"The run {self.run.id} has no lane yet.")
        return self.run.lane

    def advance(self, advance: Advance, change: SubmissionChange | None = None) -> Run:
        """Commit where the run goes, then hint its next step."""
        run = self.services.ledger.advance(self.claim, advance, change)
        log.info(
            "run advanced",
            state=str(run.state),
            reason=None if run.reason is None else str(run.reason),
            document=run.document.id,
        )
        if not run.published:
            self.services.hints.hint(run.id, run.state, None if run.lane is None else run.lane.provider)
        if self.claim.run.state is State.ADMITTED and run.state not in (State.ADMITTED, State.SUBMITTED):
            self.services.hints.dispatch()  # a place in the lane is free again
        return run


Body = Callable[[Held], None]


def step(name: str, *, claims: Collection[State], queue: str) -> Callable[[Body], Task]:
    """Make a function that takes a claimed run into the Celery task of this name; its message is the run's id."""

    def decorate(body: Body) -> Task:
        def run_step(self: Task, run_id: str) -> None:
            perform(self.app.services, run_id, self.claims, self.body)

        run_step.__name__ = body.__name__
        run_step.__doc__ = body.__doc__
        run_step.__module__ = body.__module__
        task: Task = shared_task(bind=True, name=name, queue=queue, claims=frozenset(claims), body=staticmethod(body))(
            run_step
        )
        return task

    return decorate


def perform(services: Services, run_id: str, claims: Collection[State], body: Body) -> None:
    """Claim the run, let `body` do its work and advance it, and translate what goes wrong."""
    with structlog.contextvars.bound_contextvars(run=run_id, step=body.__name__):
        try:
            claim = services.ledger.claim(run_id, claims)
        except LedgerUnavailable as error:
            # The message may go: the sweep hints again once the ledger is back.
            log.warning("ledger unavailable", error=str(error))
            return
        if claim is None:
            log.debug("claim not granted")
            return
        _work(Held(services, claim), body)


def _work(held: Held, body: Body) -> None:
    try:
        with renewed(held.services, held.claim):
            _do(held, body)
    except StaleClaim:
        log.warning("claim lost", token=held.claim.token)
    except LedgerUnavailable as error:
        log.warning("ledger unavailable", error=str(error))
    except Exception:
        # Its lease runs out, the sweep hints it again, and the fifth such delivery fails it as poison.
        log.exception("step failed unexpectedly")


def _do(held: Held, body: Body) -> None:
    """Do the step's work; an error of ours becomes what it means for the run."""
    try:
        body(held)
    except PermanentError as error:
        held.advance(Advance(State.FAILED, error.reason, str(error)))
    except ConfigurationError as error:
        held.advance(Advance(State.FAILED, Reason.CONFIGURATION, str(error)))
    except ForeignLedger as error:
        log.error("ledger refused by the marker", error=str(error))  # noqa: TRY400  the message says it all
        hand_back(held, FOREIGN_LEDGER_PAUSE, str(error))
    except (TransientError, StorageError) as error:
        if is_given_up(held, error):
            held.advance(Advance(State.FAILED, error.reason, str(error)))
        else:
            put_off(held, error)


def put_off(held: Held, error: TransientError | StorageError) -> None:
    """Give the claim back for a while that grows: the run says what it waits for, and goes on by itself."""
    log.warning("step put off", reason=str(error.reason), error=str(error))
    held.services.ledger.put_off(held.claim, error.reason, str(error))


def is_given_up(held: Held, error: TransientError | StorageError) -> bool:
    """Whether this has kept the run from being read, and paid for, for so long that a person has to look."""
    since = held.run.put_off_since if held.run.put_off_for is error.reason else None
    return since is not None and putting_off.is_given_up(error.reason, held.services.clock.now() - since)


def hand_back(held: Held, pause: timedelta, detail: str) -> None:
    """Give the claim back: the run stays where it is and is looked at again after `pause`."""
    held.services.ledger.hand_back(held.claim, due_at=held.services.clock.now() + pause, detail=detail)


@contextmanager
def late_ends_as(late: PermanentError) -> Iterator[None]:
    """Raise `late` where the task's time (`config.celery`) is over within the block.

    Each piece of work has a limit of its own, but several slow ones add up; without a word of it the run would be
    taken up again, five times, and end as poison.
    """
    try:
        yield
    except SoftTimeLimitExceeded as error:
        raise late from error


@contextmanager
def renewed(services: Services, claim: Claim) -> Iterator[None]:
    """Renew the claim's lease every few seconds while the block works."""
    with repeated(lambda: services.ledger.renew(claim), "lease"):
        yield


@contextmanager
def repeated(beat: Callable[[], Any], what: str, *, every_seconds: float = RENEW_EVERY_SECONDS) -> Iterator[None]:
    """Call `beat` every so often from a thread until the block ends, or the claim turns out to be lost."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(every_seconds):
            try:
                beat()
            except StaleClaim:
                # The worker's next write is refused by its token; nothing more to do here.
                log.warning("claim lost", what=what)
                return
            except LedgerUnavailable as error:
                log.warning("ledger unavailable", error=str(error), what=what)

    # In the block's context, so that the thread's lines of the log name the run too.
    thread = threading.Thread(target=copy_context().run, args=(keep,), name=f"renew-{what}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
