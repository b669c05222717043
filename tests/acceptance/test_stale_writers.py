"""A worker that was stopped with SIGSTOP and wakes too late: it changes nothing any more, and sends nothing."""

import time
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from headrace.states import Reason, State
from tests.acceptance.surviving import PACE, UNDER_WAY_WITHIN_SECONDS, survival
from tests.chaos.documents import Kind
from tests.chaos.installation import OUTPUT
from workers.stack.processes import WORKERS

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

SENDER = next(process for process in WORKERS if process.name == "worker-threads")
# For a woken worker to do what it must not.
LATE_SECONDS = 6.0


@pytest.fixture(scope="module")
def surviving(tmp_path_factory):
    with survival(tmp_path_factory.mktemp("stale")) as started:
        # From here on the account is known to tell our keys again.
        first = started.drop(Kind.SYNC)
        started.wait_until_published(first)
        yield started


def everything(surviving, batch):
    """All that the ledger and the output bucket have of a batch."""
    store = surviving.installed.services.store
    run_ids = [run.run for run in surviving.view.last_runs().values() if run.document in batch.ids]
    files = {head.key: store.read(OUTPUT.bucket, head.key) for page in store.list(OUTPUT.bucket, "") for head in page}
    objects = [planned.document(0).object_id for planned in batch.documents]
    return surviving.view.told(run_ids), {key: body for key, body in files.items() if any(o in key for o in objects)}


def submission_of(surviving, batch):
    """The one submission of the batch's one document; None while there is none."""
    (document,) = batch.documents
    run = surviving.installed.services.ledger.latest_run(document.document(0).id)
    known = [] if run is None else surviving.installed.services.ledger.submissions(run.id)
    return known[0] if known else None


def wait_until_past(surviving, moment):
    surviving.wait_until(lambda: datetime.now(UTC) > moment, PACE.send_seconds + 10)


def test_woken_past_its_lease_it_changes_nothing(surviving):
    surviving.order(do="slow", seconds=6, model="chaos")
    batch = surviving.drop(Kind.SYNC)
    surviving.wait_until(lambda: surviving.billed(batch) == 1, UNDER_WAY_WITHIN_SECONDS)
    # It waits for the answer of a document that was taken, and will find it when it wakes.
    with surviving.stopped(SENDER.name), surviving.second(SENDER):
        surviving.wait_until_published(batch)
        surviving.check(batch)
        before = everything(surviving, batch)
        assert [moved.reason for moved in surviving.moves(batch) if moved.reason] == [Reason.IN_DOUBT]
    time.sleep(LATE_SECONDS)
    assert everything(surviving, batch) == before
    surviving.check(batch)


def test_woken_past_send_before_it_sends_nothing_and_sends_it_later(surviving):
    with surviving.stopped("simulator"):
        batch = surviving.drop_large()
        surviving.wait_until(lambda: submission_of(surviving, batch), UNDER_WAY_WITHIN_SECONDS)
        # The body is on its way, and is taken in by nobody.
        time.sleep(1)
        with surviving.stopped(SENDER.name):
            wait_until_past(surviving, submission_of(surviving, batch).send_before)
    surviving.wait_until(lambda: State.WAITING in surviving.states(batch), UNDER_WAY_WITHIN_SECONDS)
    assert surviving.billed(batch) == 0
    surviving.wait_until_published(batch)
    surviving.check(batch)
    assert [moved.reason for moved in surviving.moves(batch) if moved.reason] == [Reason.NOT_SENT]


def test_woken_when_another_worker_has_sent_it_again_it_sends_nothing(surviving):
    still = ExitStack()
    with surviving.stopped("simulator"):
        batch = surviving.drop_large()
        surviving.wait_until(lambda: submission_of(surviving, batch), UNDER_WAY_WITHIN_SECONDS)
        time.sleep(1)
        still.enter_context(surviving.stopped(SENDER.name))
    with still, surviving.second(SENDER):
        surviving.wait_until_published(batch)
        surviving.check(batch)
        before = everything(surviving, batch)
        assert next(moved.reason for moved in surviving.moves(batch) if moved.reason) is Reason.IN_DOUBT
        assert submission_of(surviving, batch).attempt > 1
    time.sleep(LATE_SECONDS)
    assert everything(surviving, batch) == before
    surviving.check(batch)
