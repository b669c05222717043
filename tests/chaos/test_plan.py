"""What is drawn from a seed, and what becomes of events."""

import itertools
from collections import Counter

from headrace.events import read_notification
from headrace.pages import count_pages
from tests.chaos.documents import INBOX, SYNC_PAGE_LIMIT, Kind, plan_documents
from tests.chaos.events import event, tellings
from tests.chaos.faults import plan_faults
from tests.chaos.limits import SCARCE_PAGES

SEED = 7


def first_faults(number, *, seed=SEED, postgres=False):
    return list(itertools.islice(plan_faults(seed, every_seconds=2, postgres=postgres), number))


def test_a_seed_draws_the_same_plan_each_time_and_another_seed_another():
    assert first_faults(60) == first_faults(60)
    assert first_faults(60) != first_faults(60, seed=SEED + 1)
    assert plan_documents(50, SEED) == plan_documents(50, SEED)


def test_every_kind_of_fault_comes_before_any_comes_again():
    kinds = [fault.kind for fault in first_faults(200, postgres=True)]
    once = len(set(kinds))
    assert len(set(kinds[:once])) == once
    assert {
        "kill postgres",
        "kill s3",
        "flush valkey",
        "stop worker-threads",
        "kill a pool child",
        "pause the provider",
    } <= set(kinds)


def test_postgres_is_only_broken_where_it_keeps_the_ledger():
    assert not [fault for fault in first_faults(200) if fault.to == "postgres"]


def test_no_two_contents_are_the_same_and_each_has_its_pages():
    planned = [each for each in plan_documents(60, SEED) if each.kind in (Kind.SYNC, Kind.ASYNC, Kind.LOCAL)]
    digests = Counter(each.digest(version) for each in planned for version in set(each.versions))
    assert set(digests.values()) == {1}
    for each in planned[:5]:
        body = each.content(0)
        counted = count_pages(lambda start, length, body=body: body[start : start + length], len(body), most_pages=9)
        assert counted.pages == each.pages
        assert (each.pages > SYNC_PAGE_LIMIT) == (each.kind is Kind.ASYNC)


def test_some_documents_come_under_a_budget_that_is_soon_used_up():
    planned = plan_documents(60, SEED)
    scarce = [each for each in planned if each.route == "thrifty"]
    assert sum(each.pages for each in scarce) > SCARCE_PAGES
    assert max(each.pages for each in planned) <= SCARCE_PAGES, "none is larger than the whole budget"
    assert {each.key.split("/")[0] for each in planned} == {"paid", "thrifty", "local"}


def test_some_events_never_come_and_some_come_twice():
    told = Counter(len(list(tellings(line, "", 0.0, SEED))) for line in range(1000))
    assert set(told) == {0, 1, 2}


def test_an_event_tells_of_the_document_that_was_dropped():
    planned = plan_documents(1, SEED)[0]
    document = planned.document(0)
    (created,) = read_notification(event(planned.key, document.etag, 9, "0A")).created
    assert (created.bucket, created.key, created.id) == (INBOX, planned.key, document.id)
