"""A scan finds all that the bucket has and the ledger lacks, and the other way round, on every store."""

import random
from datetime import timedelta
from itertools import count

import pytest

from headrace.document import Document, object_id
from headrace.errors import StorageRefused, StorageUnavailable
from headrace.ledger import Ledger
from headrace.ledger.records import Advance
from headrace.states import Reason, State
from headrace.storage.scanning import Progress, Scan
from tests.clocks import ManualClock
from tests.listener.listings import ListingStore, by_bytes, by_folders
from tests.memory_store import InMemoryStore

BUCKET = "inbox"
EVERY_ORDER = pytest.mark.parametrize("order", [by_bytes, by_folders], ids=["bytes", "folders"])


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def ledger(tmp_path, clock):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock)
    ledger.migrate()
    yield ledger
    ledger.close()


def keys_of(how_many, prefix="in/"):
    chance = random.Random(7)
    kinds = ("{n:04}.pdf", "a/{n:04}.pdf", "a-b/{n:04}.pdf", "a.b/{n:04}/x.pdf", "a/b c/{n:04} ü.pdf")
    return [prefix + chance.choice(kinds).format(n=n) for n in range(how_many)]


def scan_of(store, ledger, prefix="in/"):
    return Scan(store, ledger, BUCKET, prefix, lambda key: key.endswith(".pdf"))


def scanned(store, ledger, prefix="in/", progress=None):
    for step in scan_of(store, ledger, prefix).steps(progress or Progress()):
        progress = step.progress
    assert progress.finished
    return progress.found


def lie(ledger):
    return {one.key for one in ledger.lying(BUCKET, "", None, 100_000) if one.gone_at is None}


def told(store, ledger, keys):
    ledger.record([Document(BUCKET, key, store.head(BUCKET, key).etag) for key in keys])


@EVERY_ORDER
def test_what_no_event_told_of_is_recorded_and_what_was_removed_is_marked(order, ledger):
    keys = keys_of(2400)
    store = ListingStore([*keys, "in/readme.txt", "in/folder/", "elsewhere/x.pdf"], order)
    told(store, ledger, keys[::2])
    removed = keys[::14]
    store.remove(*removed)
    learnt = Progress(orders=("bytes",) if order is by_bytes else ("folders",))
    found = scanned(store, ledger, progress=learnt)
    assert found.new == len(keys) // 2
    assert found.gone == len(removed)
    assert found.no_documents == 2
    assert lie(ledger) == set(keys) - set(removed)
    assert found.heads == len(removed), "only what is missing is asked for"
    again = scanned(store, ledger, progress=learnt)
    assert (again.new, again.again, again.gone, again.heads) == (0, 0, 0, 0)


@EVERY_ORDER
def test_a_scan_that_is_broken_off_anywhere_goes_on_and_finds_the_same(order, ledger):
    keys = keys_of(2400)
    store = ListingStore(keys, order)
    told(store, ledger, keys[::3])
    removed = keys[::30]
    store.remove(*removed)
    progress, asked = Progress(), count()
    # Every third page fails, and what is kept is as old as one page.
    store.fails = lambda _after, _page: next(asked) % 3 == 2
    for _ in range(30):
        try:
            for step in scan_of(store, ledger).steps(progress):
                progress = Progress.read(step.progress.cursor, step.progress.facts, finished=step.progress.finished)
        except StorageUnavailable:
            continue
        break
    assert progress.finished
    assert lie(ledger) == set(keys) - set(removed)


@EVERY_ORDER
@pytest.mark.parametrize("refused", [False, True], ids=["gone", "not told of"])
def test_much_that_is_not_listed_at_one_place_is_asked_for_in_several_sittings(order, refused, ledger):
    keys = keys_of(2200)
    store = ListingStore(keys, order)
    told(store, ledger, keys)
    removed = keys[1:-1]
    store.remove(*removed)
    gone = frozenset(removed)

    def refuse(call, key):
        if refused and call == "head" and key in gone:
            raise StorageRefused("No.")

    store.before = refuse
    progress, sittings = Progress(orders=("bytes",) if order is by_bytes else ("folders",)), 0
    while not progress.finished:
        before = progress.found.heads
        step = next(scan_of(store, ledger).steps(progress))
        progress = Progress.read(step.progress.cursor, step.progress.facts, finished=step.progress.finished)
        assert progress.found.heads - before <= 1000
        sittings += 1
        assert sittings < 20, "it does not end"
    asked = (progress.found.unconfirmed, progress.found.gone)
    assert asked == ((len(removed), 0) if refused else (0, len(removed)))
    assert progress.found.heads == len(removed), "nothing is asked for twice"
    assert progress.found.listed == 2


def test_a_whole_folder_that_was_removed_is_found_on_a_store_that_lists_by_folders(ledger):
    keys = keys_of(2500)
    store = ListingStore(keys, by_folders)
    told(store, ledger, keys)
    store.remove(*(key for key in keys if key.startswith("in/a")))
    scanned(store, ledger)
    assert lie(ledger) == {key for key in keys if not key.startswith("in/a")}


def test_the_next_scan_knows_in_which_order_the_store_lists(ledger):
    store = ListingStore(keys_of(2500), by_folders)
    for step in scan_of(store, ledger).steps(Progress()):
        progress = step.progress
    store.requests.clear()
    scanned(store, ledger, progress=progress.anew())
    assert [page for after, page in store.requests if after == ""] == [0, 1, 2]


def test_a_store_that_lists_in_no_order_has_what_is_missing_taken_up_and_nothing_marked(ledger):
    keys = keys_of(2500)
    chance = random.Random(3)
    places = {key: chance.random() for key in keys}
    store = ListingStore(keys, lambda key: f"{places.get(key, 0):.12f}".encode())
    told(store, ledger, [*keys[::2]])
    store.remove(keys[0])
    for step in scan_of(store, ledger).steps(Progress()):
        progress = step.progress
    assert progress.orders == ()
    assert lie(ledger) == set(keys)
    assert progress.found.gone == 0


def test_objects_of_no_route_are_neither_recorded_nor_marked(ledger):
    store = ListingStore(["in/a.pdf", "in/b.txt"])
    told(store, ledger, ["in/b.txt"])
    store.remove("in/b.txt")
    found = scanned(store, ledger)
    assert (found.new, found.gone, found.heads) == (1, 0, 0)


def test_a_prefix_is_all_that_is_looked_at(ledger):
    store = ListingStore(["in/a/1.pdf", "in/b/1.pdf"])
    told(store, ledger, ["in/a/1.pdf", "in/b/1.pdf"])
    store.remove("in/a/1.pdf", "in/b/1.pdf")
    assert scanned(store, ledger, "in/a/").gone == 1
    assert lie(ledger) == {"in/b/1.pdf"}


def dropped(store, key, body=b"%PDF"):
    store.put(BUCKET, key, body)
    head = store.head(BUCKET, key)
    return Document(BUCKET, key, head.etag, size=head.size, last_modified=head.last_modified)


def test_other_content_under_a_known_key_is_recorded(ledger, clock):
    store = InMemoryStore(now=clock.now)
    ledger.record([dropped(store, "in/a.pdf")])
    clock.pass_(timedelta(minutes=1))
    second = dropped(store, "in/a.pdf", b"%PDF, changed")
    found = scanned(store, ledger)
    assert (found.new, found.gone) == (1, 0)
    assert [one.document_id for one in ledger.lying(BUCKET, "", None, 9)] == [second.id]


def test_what_was_not_listed_and_is_there_is_not_marked(ledger):
    store = ListingStore(["in/a.pdf"])
    told(store, ledger, ["in/a.pdf"])
    listing, store.list = store.list, lambda *_, **__: iter(())
    found = scanned(store, ledger)
    assert (found.heads, found.gone) == (1, 0)
    store.list = listing
    assert lie(ledger) == {"in/a.pdf"}


def test_what_the_store_refuses_to_tell_is_counted_and_not_marked(ledger):
    store = ListingStore(["in/a.pdf", "in/b.pdf"])
    told(store, ledger, ["in/a.pdf", "in/b.pdf"])
    store.remove("in/a.pdf", "in/b.pdf")

    def refuse(call, key):
        if (call, key) == ("head", "in/a.pdf"):
            raise StorageRefused("No.")

    store.before = refuse
    found = scanned(store, ledger)
    assert (found.unconfirmed, found.gone) == (1, 1)
    assert lie(ledger) == {"in/a.pdf"}


def test_what_comes_back_is_marked_no_more(ledger):
    store = ListingStore(["in/a.pdf"])
    told(store, ledger, ["in/a.pdf"])
    store.remove("in/a.pdf")
    scanned(store, ledger)
    assert object_id(BUCKET, "in/a.pdf") in ledger.gone([object_id(BUCKET, "in/a.pdf")])
    store.add("in/a.pdf")
    scanned(store, ledger)
    assert ledger.gone([object_id(BUCKET, "in/a.pdf")]) == {}


def test_an_object_that_was_gone_before_it_was_read_and_is_restored_as_it_was_is_read_after_all(ledger, clock):
    store = InMemoryStore(now=clock.now)
    document = dropped(store, "in/a.pdf")
    ledger.record([document])
    claim = ledger.claim(f"{document.id}-1", {State.RECEIVED})
    ledger.advance(claim, Advance(State.REMOVED, Reason.OBJECT_GONE))
    # It is there, with the time that it had, as after a deletion that was undone.
    found = scanned(store, ledger)
    assert (found.new, found.again) == (1, 0)
    assert ledger.latest_run(document.id).state is State.RECEIVED
    assert scanned(store, ledger).new == 0


def test_names_that_no_ledger_keeps_are_left_alone(ledger):
    store = InMemoryStore()
    for key in ("in/a.pdf", "in/b\ud800.pdf", "in/\0.pdf"):
        store.put(BUCKET, key, b"%PDF")
    assert scanned(store, ledger).new == 1
