"""What happens by itself: the schedules of headrace.toml, each served once for each of its due times."""

from datetime import timedelta

import structlog
from celery import Task, shared_task

from config.schedules import Schedule, due_time
from headrace.ledger.records import RunFilter
from headrace.states import Reason, State
from tasks.hints import SCHEDULES
from tasks.maintenance import alone
from tasks.services import Services

log = structlog.get_logger()

PIECE = 1000
MOST_RETRIES = 100_000
PAID_AGAIN = (Reason.PREDICTION_FAILED, Reason.GIVEN_UP)


@shared_task(bind=True, name=SCHEDULES, queue="maintenance")
def schedules(self: Task) -> None:
    """Serve the schedules that are due."""
    alone(self.app.services, "schedules", serve_due)


def serve_due(services: Services) -> list[str]:
    """Serve what is due now; the names of the schedules that were served.

    The due time is taken in the ledger before anything starts: two beats never serve it twice. What
    a crash cuts off in the middle goes on with the documents' own runs; the rest waits for the next time.
    """
    served = []
    for schedule in services.routes.schedules:
        at = due_time(schedule, services.ledger.schedule_served(schedule.name), services.clock.now())
        if at is None or not services.ledger.schedule_due(schedule.name, at):
            continue
        batch = services.ledger.start_batch(schedule.action, f"schedule {schedule.name}", f"due at {at.isoformat()}")
        count = (
            _reprocess(services, schedule, batch)
            if schedule.action == "reprocess"
            else _retry(services, schedule, batch)
        )
        log.info("schedule served", schedule=schedule.name, action=schedule.action, batch=batch, runs=count)
        served.append(schedule.name)
    return served


def _reprocess(services: Services, schedule: Schedule, batch: str) -> int:
    """A new run for each document that lies below the prefix, in bounded pieces."""
    count = 0
    last: str | None = None
    while documents := services.ledger.documents_at(
        schedule.bucket or "", schedule.key_prefix or "", limit=PIECE, after=last
    ):
        last = documents[-1].key
        recorded = services.ledger.reprocess(
            [document.id for document in documents], batch=batch, by=f"schedule {schedule.name}"
        )
        for entry in recorded:
            if entry.hint is not None:
                services.hints.hint(entry.run_id, entry.hint)
                count += 1
    return count


def _retry(services: Services, schedule: Schedule, batch: str) -> int:
    since = None
    if schedule.since_hours is not None:
        since = services.clock.now() - timedelta(hours=schedule.since_hours)
    wanted = RunFilter(
        state=State.FAILED,
        reason=schedule.reason,
        route=schedule.route,
        bucket=schedule.bucket,
        prefix=schedule.key_prefix,
        since=since,
        # Retrying these is a new paid request, which a person, or a schedule that names it, has to want.
        not_reasons=() if schedule.reason is not None else PAID_AGAIN,
    )
    hints = services.ledger.retry(wanted, batch=batch, by=f"schedule {schedule.name}", limit=MOST_RETRIES)
    services.hints.hint_all(hints)
    return len(hints)
