"""The periodic step that compares the buckets with the ledger, in slices; `headrace scan` does the same in one go."""

from collections.abc import Callable
from datetime import timedelta

import structlog
from celery import Task, shared_task

from headrace.errors import StorageError, TransientError
from headrace.ledger.records import Hint, Pass, Recorded
from headrace.storage.scanning import Progress, Scan
from tasks.hints import SCAN
from tasks.maintenance import LEASE, alone, holder
from tasks.services import Services

log = structlog.get_logger()

# Less than a worker has to end in, so that a slice is seldom cut off; what is cut off is done again.
SLICE_SECONDS = 10.0
SAVE_EVERY_SECONDS = 1.0
# What is recorded beyond that is hinted by the sweep, as fast as the queues take it.
MOST_HINTED = 1000
STUCK_AFTER = timedelta(minutes=15)


@shared_task(bind=True, name=SCAN, queue="maintenance")
def scan(self: Task) -> None:
    """Go on comparing what is watched with the ledger, where it is time to."""
    alone(self.app.services, "scan", scan_slice)


def scan_slice(services: Services) -> None:
    """Work for some seconds; each place is begun anew once its time has passed since the last scan of it ended."""
    every = timedelta(hours=services.settings.scan_hours)
    until = services.clock.monotonic() + SLICE_SECONDS

    def has_time(_: Progress) -> bool:
        # The lease is renewed; where it was lost, somebody else goes on.
        return services.clock.monotonic() < until and services.ledger.lease("scan", holder(), LEASE)

    for bucket, prefix in services.routes.watched() if every else ():
        try:
            begun = _to_go_on_with(services, pass_name(bucket, prefix), every)
            if begun is None:
                continue
            progress = scan_place(services, bucket, prefix, begun, has_time)
        except (StorageError, TransientError) as error:
            log.warning("prefix not scanned", bucket=bucket, prefix=prefix, why=str(error))
            continue
        if not progress.finished:
            return
        log.info("prefix scanned", bucket=bucket, prefix=prefix, **vars(progress.found))
        _tell_what_is_stuck(services, bucket, prefix)


def scan_place(
    services: Services, bucket: str, prefix: str, begun: Pass, goes_on: Callable[[Progress], bool]
) -> Progress:
    """Go on with a scan of one prefix, and keep how far it comes; `goes_on` is asked every second.

    Raises what `Scan.steps` does.
    """

    def takes(key: str) -> bool:
        return any(route.takes(bucket, key) for route in services.routes.routes)

    progress = Progress.read(begun.cursor, begun.facts)
    hinted = 0
    saved = services.clock.monotonic()
    for step in Scan(services.store, services.ledger, bucket, prefix, takes).steps(progress):
        progress = step.progress
        hinted += _hint(services, step.recorded, MOST_HINTED - hinted)
        now = services.clock.monotonic()
        if progress.finished or now - saved >= SAVE_EVERY_SECONDS:
            saved = now
            is_ours = services.ledger.save_pass(begun, progress.cursor, progress.facts, finished=progress.finished)
            if not is_ours or not goes_on(progress):
                break
    return progress


def pass_name(bucket: str, prefix: str) -> str:
    """What the ledger calls the periodic scans of a place."""
    return f"scan s3://{bucket}/{prefix}"


def _to_go_on_with(services: Services, name: str, every: timedelta) -> Pass | None:
    """The scan that is under way, or one that is begun now; None where it is not time yet."""
    last = services.ledger.last_pass(name)
    if last is None:
        return services.ledger.begin_pass(name, Progress().facts)
    if last.finished_at is None:
        return last
    if last.finished_at + every > services.clock.now():
        return None
    return services.ledger.begin_pass(name, Progress.read("", last.facts).anew().facts)


def _hint(services: Services, recorded: tuple[Recorded, ...], most: int) -> int:
    for one in recorded:
        if one.new:
            log.info("document received", document=one.document.id, run=one.run_id)
    hints = [Hint(one.run_id, one.hint) for one in recorded if one.hint is not None][:most]
    services.hints.hint_all(hints)
    return len(hints)


def _tell_what_is_stuck(services: Services, bucket: str, prefix: str) -> None:
    since = services.clock.now() - STUCK_AFTER
    for stuck in services.ledger.stuck_runs(since, bucket=bucket, prefix=prefix):
        log.warning(
            "runs stand still",
            bucket=bucket,
            prefix=prefix,
            state=str(stuck.state),
            reason=None if stuck.reason is None else str(stuck.reason),
            runs=stuck.runs,
            first=[run.id for run in stuck.first],
        )
    groups = services.ledger.stuck_groups(since)
    if groups.groups:
        log.warning("poll groups stand still", groups=groups.groups, jobs=groups.jobs, since=str(groups.since))
