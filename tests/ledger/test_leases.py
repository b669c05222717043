"""What periodic work remembers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import repeat
from threading import Barrier

import pytest

from headrace.errors import LedgerError
from headrace.labels import LabelRule
from headrace.ledger import Ledger
from headrace.routing import Route
from tests.ledger.lives import MORNING

LEASE = timedelta(seconds=10)
ROUTE = Route(
    name="invoices",
    bucket="inbox",
    prefix="in/",
    provider="nanonets",
    model="m",
    output="s3://out/rows",
    private="s3://out/private",
    fields=(LabelRule(label="total", kind="amount"),),
)


def test_a_lease_is_held_by_one_until_it_ends(ledger, clock):
    assert ledger.lease("sweep", "one", LEASE)
    assert not ledger.lease("sweep", "two", LEASE)
    assert ledger.lease("other", "two", LEASE)
    clock.pass_(LEASE)
    assert ledger.lease("sweep", "two", LEASE)
    assert not ledger.lease("sweep", "one", LEASE)


def test_a_holder_keeps_its_lease(ledger, clock):
    ledger.lease("sweep", "one", LEASE)
    clock.pass_(timedelta(seconds=5))
    assert ledger.lease("sweep", "one", LEASE)
    clock.pass_(timedelta(seconds=9))
    assert not ledger.lease("sweep", "two", LEASE)


def test_only_its_holder_releases_a_lease(ledger):
    ledger.lease("sweep", "one", LEASE)
    ledger.release("sweep", "two")
    assert not ledger.lease("sweep", "two", LEASE)
    ledger.release("sweep", "one")
    assert ledger.lease("sweep", "two", LEASE)


def test_of_many_who_want_a_lease_one_gets_it(ledger, open_ledger):
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda number: others[number].lease("sweep", f"{number}", LEASE), range(4)))
    assert sum(got) == 1


def test_of_many_who_see_a_schedule_due_one_serves_it(open_ledger):
    schedulers = [open_ledger() for _ in range(4)]
    together = Barrier(len(schedulers), timeout=30)

    def serve(scheduler, at):
        scheduler.schedule_served("nightly")  # Its connection is open before the race begins.
        together.wait()
        return scheduler.schedule_due("nightly", at)

    with ThreadPoolExecutor(len(schedulers)) as pool:
        # The first time there is no row yet; from then on the same row is written over.
        for day in range(5):
            at = MORNING + timedelta(days=day)
            assert sorted(pool.map(serve, schedulers, repeat(at))) == [False, False, False, True]
            assert schedulers[0].schedule_served("nightly") == at


def test_a_due_time_is_served_once_and_no_earlier_one_after_it(ledger):
    assert ledger.schedule_due("nightly", MORNING)
    assert not ledger.schedule_due("nightly", MORNING)
    assert not ledger.schedule_due("nightly", MORNING - timedelta(days=1))
    assert ledger.schedule_due("nightly", MORNING + timedelta(days=1))
    assert ledger.schedule_due("weekly", MORNING)


def test_a_watch_goes_on_where_it_was(ledger):
    assert ledger.watch_cursor("inbox", "in/") == ""
    ledger.save_watch_cursor("inbox", "in/", "in/k")
    ledger.save_watch_cursor("inbox", "in/", "in/\N{SNOWMAN}'")
    ledger.save_watch_cursor("inbox", "", "z")
    assert ledger.watch_cursor("inbox", "in/") == "in/\N{SNOWMAN}'"


def test_a_route_comes_back_as_it_was_in_its_revision(ledger, open_ledger):
    ledger.record_revision(ROUTE)
    ledger.record_revision(ROUTE)
    changed = ROUTE.model_copy(update={"sync_page_limit": 9})
    ledger.record_revision(changed)
    for reader in (ledger, open_ledger()):
        assert reader.route_at(ROUTE.revision) == ROUTE
        assert reader.route_at(changed.revision) == changed


def test_a_revision_that_was_never_recorded_says_what_to_do(ledger):
    with pytest.raises(LedgerError, match="reprocess"):
        ledger.route_at("0123456789ab")


def test_a_route_of_another_version_says_what_to_do(ledger, open_ledger):
    class NewerRoute(Route):
        invented: int = 1

    newer = NewerRoute(**ROUTE.model_dump())
    ledger.record_revision(newer)
    with pytest.raises(LedgerError, match="another version of headrace"):
        open_ledger().route_at(newer.revision)


def test_batches_have_ids_of_their_own(ledger: Ledger):
    assert ledger.start_batch("retry", "ann", "all") != ledger.start_batch("retry", "ann", "all")
