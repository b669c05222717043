"""A long prefix is listed in sections, side by side: nothing is left out, on no store, whatever happens."""

import contextlib
import gc
import random
import threading
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from zlib import crc32

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from headrace.document import Document
from headrace.errors import LedgerUnavailable, StorageUnavailable
from headrace.ledger.records import Recorded
from headrace.storage.s3 import S3Store, s3_client
from headrace.storage.sections import KeyOrder, Section, begun_again
from headrace.storage.stretches import LONGEST_STRETCH
from headrace.storage.watching import MOST_RECORDED, MOST_SIDE_BY_SIDE, Watch
from tests.listener.listings import BEGINNING, ListingStore, by_bytes, by_folders
from tests.listener.test_watching import MemoryLedger, is_pdf, rounds

SECTION = 1000
EVERY_ORDER = pytest.mark.parametrize("order", [by_bytes, by_folders])


def many(count: int, name: str = "in/{:06d}.pdf") -> list[str]:
    return [name.format(number) for number in range(count)]


def watching(store: ListingStore, ledger: MemoryLedger, section_keys: int = SECTION) -> Watch:
    return Watch(store, ledger, "inbox", "in/", is_pdf, section_keys=section_keys)


def settled(store: ListingStore, ledger: MemoryLedger, section_keys: int = SECTION) -> Watch:
    """A watch that knows the prefix, and lists it in sections."""
    watch = watching(store, ledger, section_keys)
    for _ in range(2):
        rounds(watch)
    store.requests.clear()
    ledger.queries = ledger.writes = 0
    return watch


def begun_at(store: ListingStore) -> list[str]:
    """Where the listings began that were asked for."""
    return [after for after, page in store.requests if page == 0]


@EVERY_ORDER
def test_what_did_not_change_is_listed_in_sections_and_costs_neither_a_query_nor_a_write(order):
    store, ledger = ListingStore(many(10_000), order), MemoryLedger()
    watch = settled(store, ledger)
    found = watch.round()
    assert found.complete
    assert found.listed >= 10_000
    assert found.recorded == ()
    assert (ledger.queries, ledger.writes) == (0, 0)
    assert 5 <= len(begun_at(store)) <= 10
    assert found.requests == len(store.requests) <= 10 + len(begun_at(store)) + 10


def test_a_short_prefix_is_listed_in_one_piece():
    store, ledger = ListingStore(many(1400)), MemoryLedger()
    settled(store, ledger).round()
    assert begun_at(store) == [""]


@EVERY_ORDER
def test_new_drops_anywhere_are_all_recorded_in_one_round(order):
    store, ledger = ListingStore(many(10_000), order), MemoryLedger()
    watch = settled(store, ledger)
    rounds(watch)
    edges = begun_at(store)[1:]
    new = [
        "in/!.pdf",
        "in/zzz.pdf",
        "in/zzz/a.pdf",
        *(f"{edge}.pdf" for edge in edges),
        *(f"{edge}/a.pdf" for edge in edges),
    ]
    new += [f"{edge[:-5]}!.pdf" for edge in edges]
    store.add(*new)
    found = watch.round()
    assert found.complete
    assert {each.document.key for each in found.recorded} == set(new)


@EVERY_ORDER
def test_sections_come_and_go_with_the_keys(order):
    store, ledger = ListingStore(many(1000), order), MemoryLedger()
    watch = settled(store, ledger)
    added = many(4000, "in/new/{:06d}.pdf")
    store.add(*added)
    assert {each.document.key for each in rounds(watch)} == set(added)
    store.requests.clear()
    assert rounds(watch) == []
    assert len(begun_at(store)) > 2
    store.remove(*added)
    rounds(watch)
    store.requests.clear()
    assert rounds(watch) == []
    assert begun_at(store) == [""]


PARTS = [*"abcdeXYZ0123456789", "a.pdf", "a b", "a+b", "a!", "~", "a-", "%2F", "..", "\n", "ß", "\uffee", "😀"]


def hostile_key(chance: random.Random) -> str:
    parts = [
        "".join(chance.choice(PARTS) for _ in range(chance.randint(1, 3))) for _ in range(chance.choice([1, 1, 2, 3]))
    ]
    return "in/" + "/".join(parts) + chance.choice([".pdf", ".pdf", ".pdf/b.pdf", f"{chance.randint(0, 99)}.pdf"])


@EVERY_ORDER
@pytest.mark.parametrize("seed", range(2))
def test_with_hostile_keys_that_come_and_go_nothing_is_left_out(order, seed):
    chance = random.Random(seed)
    store, ledger = ListingStore((hostile_key(chance) for _ in range(3000)), order), MemoryLedger()
    watch = settled(store, ledger, 250)
    most_sections = 0
    for _ in range(5):
        edges = begun_at(store)
        most_sections = max(most_sections, len(edges))
        present = store.all_keys()
        store.remove(
            *{*chance.sample(present, 100), *(edge for edge in edges if edge in present and chance.random() < 0.3)}
        )
        store.add(*(hostile_key(chance) for _ in range(60)))
        for edge in edges[1:]:
            store.add(*(edge + end for end in (".pdf", "/a.pdf", "/a/b.pdf", "!.pdf", "😀.pdf")))
        store.requests.clear()
        rounds(watch)
        assert set(store.all_keys()) <= set(ledger.keys())
    assert most_sections > 1


def test_a_store_that_lists_in_no_known_order_is_listed_in_one_piece():
    store, ledger = ListingStore(many(3000, "in/{:05d}.pdf"), lambda key: key[::-1].encode()), MemoryLedger()
    watch = settled(store, ledger, 250)
    assert len(ledger.documents) == 3000
    store.add("in/x.pdf")
    assert [each.document.key for each in rounds(watch)] == ["in/x.pdf"]
    assert set(begun_at(store)) == {""}


def test_a_store_that_shows_its_own_order_late_is_listed_in_one_piece_from_then_on():
    """As long as all names are in one case, nobody can tell that this store ignores it."""
    store, ledger = ListingStore(many(3000, "in/k{:05d}.pdf"), lambda key: key.casefold().encode()), MemoryLedger()
    watch = settled(store, ledger, 250)
    watch.round()
    assert len(begun_at(store)) > 2
    new = many(300, "in/K{:05d}-new.pdf")
    store.add(*new)
    with capture_logs() as logs:
        recorded = rounds(watch)
    assert {each.document.key for each in recorded} == set(new)
    assert [line["event"] for line in logs].count("prefix is listed in no known order") == 1
    store.requests.clear()
    assert rounds(watch) == []
    assert begun_at(store) == [""]


def test_a_section_that_fails_does_not_keep_the_others_from_theirs():
    store, ledger = ListingStore(many(10_000)), MemoryLedger()
    watch = settled(store, ledger)
    rounds(watch)
    broken = begun_at(store)[2]
    new = [f"{edge or 'in/'}!.pdf" for edge in begun_at(store)]
    store.add(*new)
    store.fails = lambda after, _page: after == broken
    for recorded in (set(new) - {f"{broken}!.pdf"}, set()):
        found = watch.round()
        assert found.complete
        assert [str(failure) for failure in found.failures] == [f"The store is away behind {broken!r}."]
        assert {each.document.key for each in found.recorded} == recorded
    store.fails = lambda _after, _page: False
    found = watch.round()
    assert [each.document.key for each in found.recorded] == [f"{broken}!.pdf"]
    assert (found.failures, found.complete) == ((), True)


def test_a_section_that_failed_half_way_goes_on_there():
    store, ledger = ListingStore(many(8000)), MemoryLedger()
    watch = settled(store, ledger, 4000)
    store.fails = lambda after, page: (after, page) == ("", 3)
    assert len(watch.round().failures) == 1
    store.fails = lambda _after, _page: False
    store.requests.clear()
    assert watch.round().complete
    first = min(begun_at(store))
    assert "in/001500.pdf" < first < "in/003000.pdf"


def test_where_many_sections_fail_the_round_fails():
    store, ledger = ListingStore(many(12_000)), MemoryLedger()
    watch = settled(store, ledger, 500)
    store.fails = lambda _after, _page: True
    with pytest.raises(StorageUnavailable):
        watch.round()
    assert len(store.requests) < 2 * MOST_SIDE_BY_SIDE + 1
    store.fails = lambda _after, _page: False
    store.add("in/000000!.pdf", "in/zzz.pdf")
    assert len(rounds(watch)) == 2


class CrashingLedger(MemoryLedger):
    """Takes so many documents and then nothing more, like a process that was killed."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self._taking = threading.Lock()

    def record(self, documents: Sequence[Document]) -> list[Recorded]:
        with self._taking:
            if len(self.documents) + len(documents) > self.most:
                raise LedgerUnavailable("The process is gone.")
            return super().record(documents)


@pytest.mark.parametrize("more", [10, 900, 1300])
def test_after_a_crash_amid_sections_another_process_goes_on_and_leaves_nothing_out(more):
    store, ledger = ListingStore(many(6000)), CrashingLedger(6000 + more)
    watch = settled(store, ledger)
    new = many(6000, "in/{:06d}-new.pdf")[::4]
    store.add(*new)
    with contextlib.suppress(LedgerUnavailable):
        while not watch.round().failures:
            pass
    assert len(ledger.documents) < 7500
    ledger.most = 1_000_000
    store.requests.clear()
    cursor = ledger.watch_cursor("inbox", "in/")
    again = watching(store, ledger)
    rounds(again)
    assert begun_at(store)[0] == cursor
    dealt_with = [key for key in store.all_keys() if key <= cursor]
    assert set(dealt_with) <= set(ledger.keys())
    rounds(again)
    assert set(store.all_keys()) == set(ledger.keys())


def test_a_flood_is_recorded_in_rounds_that_hold_little():
    store, ledger = ListingStore(many(6000)), MemoryLedger()
    watch = settled(store, ledger)
    flood = many(6000, "in/{:06d}-new.pdf")
    store.add(*flood)
    found = watch.round()
    assert not found.complete
    assert MOST_RECORDED <= len(found.recorded) < MOST_RECORDED + LONGEST_STRETCH * MOST_SIDE_BY_SIDE
    rounds(watch)
    assert set(flood) <= set(ledger.keys())


class ForgetfulLedger(MemoryLedger):
    """Knows every document and keeps none, so that only the watch's own memory is measured."""

    def known(self, document_ids):
        return dict.fromkeys(document_ids, BEGINNING)


def bytes_kept(keys: int) -> int:
    """What a watch holds between two rounds."""
    store = ListingStore(many(keys))
    tracemalloc.start()
    try:
        watch = settled(store, ForgetfulLedger(), 2000)
        gc.collect()
        ours = [tracemalloc.Filter(inclusive=True, filename_pattern="*/headrace/storage/*")]
        held = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(ours).traces)
    finally:
        tracemalloc.stop()
    assert watch.round().complete
    return held


def test_a_watch_holds_little_for_a_stretch_and_nothing_for_a_key():
    few, lots = bytes_kept(1000), bytes_kept(7000)
    assert lots - few < 6000 * 5


def test_the_order_of_a_store_is_taken_from_what_it_lists():
    order = KeyOrder()
    assert not order.is_behind("b.pdf", "b/c")  # by folders it is behind, by bytes before
    order.notice("b/c", "b.pdf")
    assert order.is_behind("b.pdf", "b/c")
    assert not order.is_behind("b/c", "b.pdf")
    assert order.is_known
    order.notice("b.pdf", "a")
    assert not order.is_known


def test_what_lies_below_the_last_key_of_a_section_belongs_to_it():
    order = KeyOrder()
    assert not order.is_behind("a.pdf/b", "a.pdf")
    assert order.is_behind("a.pdf0", "a.pdf")


def test_sections_are_cut_and_joined_without_a_gap():
    chance = random.Random(1)
    sections = [Section()]
    for _ in range(30):
        for section in sections:
            last = 0
            while (last := last + chance.randint(1, 400)) < chance.choice([10, 3000]):
                section.deal_with(b"%d" % last, f"{section.after}a", last)
            section.is_done = chance.random() < 0.8
        sections = begun_again(sections, 1000)
        assert (sections[0].after, sections[-1].until) == ("", None)
        assert all(one.until == other.after for one, other in pairwise(sections))


class NotingStore(S3Store):
    """Notes behind which keys listings begin."""

    def __init__(self, client) -> None:
        super().__init__(client)
        self.begun: list[str] = []

    def list(self, bucket, prefix, *, start_after=""):
        self.begun.append(start_after)
        return super().list(bucket, prefix, start_after=start_after)


def test_a_real_store_is_listed_in_sections_and_no_drop_is_left_out(s3_server, s3_bucket):
    client = s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr(s3_server.secret_key))
    store, ledger = NotingStore(client), MemoryLedger()
    # A key at which a listing is cut, with enough keys on either side of it.
    edge = next(f"in/b{n}.pdf" for n in range(10_000) if crc32(f"in/b{n}.pdf".encode()) % 500 == 0)
    keys = {edge} | {f"in/{'a' if n < 260 else 'c'}{'/-.! ü'[n % 6]}{n:03d}.pdf" for n in range(400)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(s3_bucket, key, b"%PDF"), keys))
    watch = Watch(store, ledger, s3_bucket, "in/", is_pdf, section_keys=250)
    for _ in range(3):
        store.begun.clear()
        rounds(watch)
    assert len(store.begun) == 2
    edge = max(store.begun)
    new = {f"{edge}.pdf", f"{edge}/a.pdf", f"{edge}/b/c.pdf", f"{edge}!.pdf", "in/!.pdf", "in/z/z.pdf"}
    for key in new:
        store.put(s3_bucket, key, b"%PDF")
    assert {each.document.key for each in rounds(watch)} == new
    assert set(ledger.keys()) == keys | new
    client.close()
