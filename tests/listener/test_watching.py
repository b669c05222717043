"""A watched prefix: each new object is recorded once, and what did not change costs nothing."""

import contextlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

from headrace.document import Document, run_id
from headrace.errors import LedgerUnavailable, StorageUnavailable
from headrace.ledger import Ledger
from headrace.ledger.records import Recorded
from headrace.states import State
from headrace.storage.s3 import S3Store, s3_client
from headrace.storage.stretches import LONGEST_STRETCH
from headrace.storage.watching import MOST_RECORDED, Watch
from tests.clocks import ManualClock
from tests.memory_store import InMemoryStore


class MemoryLedger:
    """Keeps documents as the ledger does, counts what it is asked, and fails when told to."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.cursors: dict[tuple[str, str], str] = {}
        self.queries = 0
        self.writes = 0
        self.failures = 0

    def known(self, document_ids: Collection[str]) -> dict[str, datetime | None]:
        self._asked()
        return {each: self.documents[each].last_modified for each in document_ids if each in self.documents}

    def record(self, documents: Sequence[Document]) -> list[Recorded]:
        self._asked()
        self.writes += 1
        recorded = []
        for document in documents:
            new = document.id not in self.documents
            self.documents[document.id] = document
            recorded.append(Recorded(document, run_id(document.id, 1), new, State.RECEIVED if new else None))
        return recorded

    def watch_cursor(self, bucket: str, prefix: str) -> str:
        return self.cursors.get((bucket, prefix), "")

    def save_watch_cursor(self, bucket: str, prefix: str, cursor: str) -> None:
        self.writes += 1
        self.cursors[(bucket, prefix)] = cursor

    def keys(self) -> list[str]:
        return [document.key for document in self.documents.values()]

    def _asked(self) -> None:
        self.queries += 1
        if self.failures:
            self.failures -= 1
            raise LedgerUnavailable("The ledger is away.")


def is_pdf(key: str) -> bool:
    return key.endswith(".pdf")


@pytest.fixture
def store():
    store = InMemoryStore()
    store.create_bucket("inbox")
    return store


@pytest.fixture
def ledger():
    return MemoryLedger()


@pytest.fixture
def watch(store, ledger):
    return Watch(store, ledger, "inbox", "in/", is_pdf)


def fill(store: InMemoryStore, count: int, name: str = "in/{:06d}.pdf") -> None:
    for number in range(count):
        store.put("inbox", name.format(number), b"%d" % number)


def rounds(watch: Watch) -> list[Recorded]:
    """What rounds record until the listing has come to its end."""
    recorded: list[Recorded] = []
    while True:
        found = watch.round()
        recorded += found.recorded
        if found.complete:
            return recorded


def test_a_new_object_is_recorded_once(store, ledger, watch):
    store.put("inbox", "in/a.pdf", b"one")
    assert [(each.document.key, each.new, each.hint) for each in watch.round().recorded] == [
        ("in/a.pdf", True, State.RECEIVED)
    ]
    assert watch.round().recorded == ()


def test_what_is_no_document_is_left_alone(store, ledger, watch):
    for key in ("in/", "in/folder/", "in/folder.pdf/", "in/a.txt", "out/a.pdf"):
        store.put("inbox", key, b"")
    assert watch.round().recorded == ()
    assert ledger.queries == 0


def test_new_bytes_under_a_key_are_a_new_document(store, ledger, watch):
    store.put("inbox", "in/a.pdf", b"one")
    watch.round()
    store.put("inbox", "in/a.pdf", b"two")
    assert [each.new for each in watch.round().recorded] == [True]


def test_the_same_bytes_dropped_again_are_told_to_the_ledger_with_their_newer_time(ledger):
    now = datetime(2026, 11, 20, tzinfo=UTC)
    store = InMemoryStore(now=lambda: now)
    watch = Watch(store, ledger, "inbox", "in/", is_pdf)
    store.put("inbox", "in/a.pdf", b"one")
    watch.round()
    now += timedelta(minutes=1)
    store.put("inbox", "in/a.pdf", b"one")
    assert [(each.new, each.document.last_modified) for each in watch.round().recorded] == [(False, now)]


def test_nothing_new_costs_neither_a_query_nor_a_write(store, ledger, watch):
    fill(store, 3000)
    rounds(watch)
    ledger.queries = ledger.writes = 0
    found = watch.round()
    assert (found.listed, found.requests, found.complete) == (3000, 3, True)
    assert (ledger.queries, ledger.writes) == (0, 0)


def test_one_new_object_among_many_costs_one_query(store, ledger, watch):
    fill(store, 5000)
    rounds(watch)
    ledger.queries = ledger.writes = 0
    store.put("inbox", "in/000100-new.pdf", b"new")
    assert [each.document.key for each in watch.round().recorded] == ["in/000100-new.pdf"]
    assert ledger.queries == 2  # what is known of its stretch, and the recording


def test_a_new_process_asks_the_ledger_and_records_nothing_again(store, ledger, watch):
    fill(store, 1500)
    rounds(watch)
    assert rounds(Watch(store, ledger, "inbox", "in/", is_pdf)) == []


def test_a_round_ends_soon_after_it_recorded_many(store, ledger, watch):
    fill(store, 3 * MOST_RECORDED)
    found = watch.round()
    assert not found.complete
    assert MOST_RECORDED <= len(found.recorded) < MOST_RECORDED + LONGEST_STRETCH
    rounds(watch)
    assert len(ledger.documents) == 3 * MOST_RECORDED


def test_another_process_goes_on_where_a_round_ended(store, ledger, watch):
    fill(store, 3 * MOST_RECORDED)
    first = watch.round()
    second = Watch(store, ledger, "inbox", "in/", is_pdf).round()
    assert second.recorded[0].document.key == f"in/{len(first.recorded):06d}.pdf"


def test_after_a_failed_page_it_goes_on_there(store, ledger):
    fill(store, 3600, "in/{:06d}.txt")
    fill(store, 400, "in/{:05d}0.pdf")
    listed: list[str] = []

    class Failing(InMemoryStore):
        def list(self, bucket, prefix, *, start_after=""):
            listed.append(start_after)
            for number, page in enumerate(store.list(bucket, prefix, start_after=start_after)):
                if len(listed) == 1 and number == 3:
                    raise StorageUnavailable("The store is away.")
                yield page

    watch = Watch(Failing(), ledger, "inbox", "in/", is_pdf)
    with pytest.raises(StorageUnavailable):
        watch.round()
    done = len(ledger.documents)
    assert len(watch.round().recorded) == 400 - done
    assert listed == ["", listed[1]]
    assert listed[1] > "in/001000.pdf"
    assert ledger.cursors == {("inbox", "in/"): ""}


def test_what_the_ledger_could_not_take_is_told_again(store, ledger, watch):
    fill(store, 10)
    ledger.failures = 1
    with pytest.raises(LedgerUnavailable):
        watch.round()
    assert len(watch.round().recorded) == 10


def test_a_failed_first_query_for_the_cursor_is_asked_again(store, ledger, watch):
    store.put("inbox", "in/a.pdf", b"one")
    answers = iter([LedgerUnavailable("The ledger is away."), None])
    real = ledger.watch_cursor

    def watch_cursor(bucket: str, prefix: str) -> str:
        if (error := next(answers)) is not None:
            raise error
        return real(bucket, prefix)

    ledger.watch_cursor = watch_cursor
    with pytest.raises(LedgerUnavailable):
        watch.round()
    assert len(watch.round().recorded) == 1


NO_KEYS = ["in/a\0.pdf", "in/b\ud800.pdf", "in/\udfff.pdf"]


@pytest.fixture
def real_ledger(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", ManualClock())
    ledger.migrate()
    yield ledger
    ledger.close()


def test_keys_that_no_ledger_keeps_are_told_in_the_log_and_block_no_other(store, real_ledger):
    for key in (*NO_KEYS, "in/a.pdf", "in/z.pdf"):
        store.put("inbox", key, b"%PDF")
    with capture_logs() as logs:
        found = Watch(store, real_ledger, "inbox", "in/", is_pdf).round()
    assert ({each.document.key for each in found.recorded}, found.complete) == ({"in/a.pdf", "in/z.pdf"}, True)
    left_out = {line["document"] for line in logs if line["event"] == "object cannot be recorded"}
    etag = store.head("inbox", "in/a.pdf").etag
    assert left_out == {Document("inbox", key, etag).id for key in NO_KEYS}


def test_a_listing_goes_on_behind_stretches_that_end_with_such_keys(store, real_ledger):
    """Some stretches end with a key that no ledger keeps, and so does one at which a round ends."""
    fill(store, 3 * MOST_RECORDED)
    fill(store, 3 * MOST_RECORDED, "in/{:06d}\ud800.pdf")
    with capture_logs():
        recorded = rounds(Watch(store, real_ledger, "inbox", "in/", is_pdf))
    assert len({each.document.key for each in recorded}) == 3 * MOST_RECORDED


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "round", "fail", "restart"]), st.integers(0, 6), st.integers(0, 2)),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_happens_every_content_that_stays_is_recorded_once(steps):
    store, ledger = InMemoryStore(), MemoryLedger()
    store.create_bucket("inbox")
    watch = Watch(store, ledger, "inbox", "in/", is_pdf)
    new: list[str] = []
    for step, key, content in steps:
        match step:
            case "put":
                store.put("inbox", f"in/{key}.pdf", b"%d" % content)
            case "delete":
                store.delete("inbox", f"in/{key}.pdf")
            case "restart":
                watch = Watch(store, ledger, "inbox", "in/", is_pdf)
            case "fail":
                ledger.failures = 1
                with contextlib.suppress(LedgerUnavailable):
                    new += [each.document.id for each in rounds(watch) if each.new]
                ledger.failures = 0
            case _:
                new += [each.document.id for each in rounds(watch) if each.new]
    new += [each.document.id for each in rounds(watch) if each.new]
    standing = {Document("inbox", head.key, head.etag).id for page in store.list("inbox", "in/") for head in page}
    assert standing <= set(ledger.documents)
    assert len(new) == len(set(new))


def test_a_real_store_and_a_real_ledger(s3_server, s3_bucket, tmp_path):
    client = s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr(s3_server.secret_key))
    store = S3Store(client)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", ManualClock())
    ledger.migrate()
    hostile = "in/Zü rich+%2B&\u202e<x>.pdf"
    for key in ("in/a.pdf", "in/b.txt", "in/folder/", hostile):
        store.put(s3_bucket, key, b"%PDF " + key.encode())
    watch = Watch(store, ledger, s3_bucket, "in/", is_pdf)
    assert {each.document.key for each in watch.round().recorded} == {"in/a.pdf", hostile}
    assert watch.round().recorded == ()
    assert rounds(Watch(store, ledger, s3_bucket, "in/", is_pdf)) == []
    store.put(s3_bucket, "in/a.pdf", b"%PDF changed")
    (changed,) = watch.round().recorded
    assert (changed.document.key, changed.new) == ("in/a.pdf", True)
    assert changed.document.etag == store.head(s3_bucket, "in/a.pdf").etag
    client.close()
    ledger.close()
