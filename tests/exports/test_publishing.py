"""What stands in the bucket after runs have published, in whatever order they came."""

import gzip
import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from headrace.document import object_id
from headrace.errors import StorageUnavailable
from headrace.exports import Exporter
from headrace.exports.manifest import Manifest
from headrace.faults import set_fault_handler
from headrace.prediction import Page, Prediction
from headrace.states import Mark, Preparation, Reason, State
from headrace.storage.s3 import S3Store, s3_client
from tests.exports.rows import LAST_MODIFIED, ROUTE, document, prediction, run
from tests.memory_store import InMemoryStore

OBJECT = object_id("inbox", "in/a.pdf")
DAY = "received=2026-11-20"
MANIFEST = f"rows/documents/{DAY}/{OBJECT}.json"
FIELDS = f"rows/json/fields/{DAY}/{OBJECT}.jsonl"
TEXT = f"rows/text/{DAY}/{OBJECT}.txt"
WORDS = f"rows/words/{DAY}/{OBJECT}.jsonl.gz"
ROW_FILES = {
    f"rows/{folder}/{kind}/{DAY}/{OBJECT}.{suffix}"
    for folder, suffix in (("csv", "csv"), ("json", "jsonl"))
    for kind in ("fields", "table_rows", "cells")
}
LATER = LAST_MODIFIED + timedelta(seconds=10)


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def exporter(store) -> Exporter:
    return Exporter(store)


def manifest_in(store, key: str = MANIFEST) -> Manifest:
    return Manifest.model_validate_json(store.read("outbox", key))


def runs_in(store) -> dict[str, str]:
    """The run that each published file is of."""
    return {key: store.head("outbox", key).metadata["headrace-run"] for key in store.keys("outbox")}


def total_in(store) -> str:
    """The total that the published rows say."""
    return json.loads(store.read("outbox", FIELDS).split(b"\n")[0])["text"]


def test_an_exported_run_publishes_every_kind_of_row_and_the_manifest_last(store, exporter):
    published = exporter.publish(run(), ROUTE, prediction())
    assert set(store.keys("outbox")) == ROW_FILES | {MANIFEST}
    assert [key for call, key in store.calls if call == "put"][-1] == MANIFEST
    assert published.outcome == "written"
    assert {(file.kind, file.format): file.rows for file in published.files} == {
        ("fields", "csv"): 2,
        ("fields", "json"): 2,
        ("table_rows", "csv"): 2,
        ("table_rows", "json"): 2,
        ("cells", "csv"): 4,
        ("cells", "json"): 4,
    }


def test_the_manifest_says_what_became_of_the_document(store, exporter):
    exporter.publish(run(marks=(Mark.PARTIAL,), pages=2, ended_at=LATER), ROUTE, prediction())
    manifest = manifest_in(store)
    assert (manifest.bucket, manifest.key, manifest.etag) == ("inbox", "in/a.pdf", "etag-a")
    assert (manifest.state, manifest.reason, manifest.marks) == (State.EXPORTED, None, (Mark.PARTIAL,))
    assert (manifest.run, manifest.route, manifest.revision) == (1, "invoices", ROUTE.revision)
    assert (manifest.provider, manifest.model, manifest.pages, manifest.cost) == ("nanonets", "m", 2, 0.1)
    assert {file.key for file in manifest.published.files} == ROW_FILES


def test_the_manifest_says_what_was_done_to_the_copy(store, exporter):
    exporter.publish(run(preparation=Preparation.CONVERT, media_type="image/webp"), ROUTE, prediction())
    assert manifest_in(store).preparation is Preparation.CONVERT
    # A manifest that was written before it was said can still be read.
    written = json.loads(store.read("outbox", MANIFEST))
    del written["preparation"]
    assert Manifest.model_validate(written).preparation is None


def test_text_and_words_come_out_where_there_are_any(store, exporter):
    published = exporter.publish(run(), ROUTE, prediction(text="Oak board"))
    assert store.read("outbox", TEXT) == b"Oak board\f"
    words = [json.loads(line) for line in gzip.decompress(store.read("outbox", WORDS)).splitlines()]
    assert [word["text"] for word in words] == ["Oak", "board"]
    assert {file.kind for file in published.files} >= {"text", "words"}


def test_a_run_without_text_leaves_no_older_text_beside_its_rows(store, exporter):
    exporter.publish(run(), ROUTE, prediction(text="Oak board"))
    exporter.publish(run(number=2), ROUTE, prediction())
    assert store.read("outbox", TEXT) == b""
    assert gzip.decompress(store.read("outbox", WORDS)) == b""


def test_a_run_without_rows_leaves_no_older_rows(store, exporter):
    exporter.publish(run(), ROUTE, prediction())
    empty = Prediction(provider="nanonets", model="m", pages=(Page(number=1),))
    exporter.publish(run(number=2), ROUTE, empty)
    assert store.read("outbox", FIELDS) == b""
    header = store.read("outbox", f"rows/csv/fields/{DAY}/{OBJECT}.csv")
    assert header.startswith(b"document,run,")
    assert header.count(b"\r\n") == 1


@pytest.mark.parametrize("state", [state for state in State if state.is_end and state is not State.EXPORTED])
def test_a_run_that_ended_otherwise_writes_only_its_manifest(store, exporter, state):
    exporter.publish(run(state=state, reason=Reason.ENCRYPTED, detail="A password is needed."), ROUTE, None)
    assert store.keys("outbox") == (MANIFEST,)
    manifest = manifest_in(store)
    assert (manifest.state, manifest.reason, manifest.detail) == (state, Reason.ENCRYPTED, "A password is needed.")
    assert manifest.published is None


def test_a_failed_run_keeps_the_rows_that_stand_and_says_whose_they_are(store, exporter):
    exporter.publish(run(), ROUTE, prediction("old"))
    before = {key: store.read("outbox", key) for key in ROW_FILES}
    exporter.publish(run(number=2, state=State.FAILED, reason=Reason.POISON), ROUTE, None)
    assert {key: store.read("outbox", key) for key in ROW_FILES} == before
    manifest = manifest_in(store)
    assert (manifest.state, manifest.run) == (State.FAILED, 2)
    assert (manifest.published.run, len(manifest.published.files)) == (1, 6)


def test_a_late_older_run_does_not_overwrite_newer_rows(store, exporter):
    exporter.publish(run(document("etag-b", modified=LATER)), ROUTE, prediction("new"))
    before = {key: store.read("outbox", key) for key in store.keys("outbox")}
    published = exporter.publish(run(document("etag-a")), ROUTE, prediction("old"))
    assert published.outcome == "kept newer"
    assert published.manifest.etag == "etag-b"
    assert {key: store.read("outbox", key) for key in store.keys("outbox")} == before


def test_publishing_again_changes_nothing(store, exporter):
    exporter.publish(run(), ROUTE, prediction(text="x"))
    before = {key: store.read("outbox", key) for key in store.keys("outbox")}
    assert exporter.publish(run(), ROUTE, prediction(text="x")).outcome == "written"
    assert {key: store.read("outbox", key) for key in store.keys("outbox")} == before


def test_an_older_export_after_a_newer_failure_brings_its_rows_and_leaves_the_state(store, exporter):
    exporter.publish(run(document("etag-b", modified=LATER), state=State.FAILED), ROUTE, None)
    exporter.publish(run(document("etag-a")), ROUTE, prediction("old"))
    assert total_in(store) == "old"
    manifest = manifest_in(store)
    assert (manifest.etag, manifest.state) == ("etag-b", State.FAILED)
    assert manifest.published.etag == "etag-a"


def test_content_that_comes_back_is_published_again(store, exporter):
    of_a, of_b = document("etag-a"), document("etag-b", modified=LATER)
    exporter.publish(run(of_a), ROUTE, prediction("a"))
    exporter.publish(run(of_b), ROUTE, prediction("b"))
    again = replace(of_a, last_modified=LATER + timedelta(seconds=1))
    exporter.publish(run(again), ROUTE, prediction("a"))
    assert total_in(store) == "a"
    assert manifest_in(store).published.etag == "etag-a"


@pytest.mark.parametrize("current", ["etag-a", "etag-b"])
def test_where_a_second_is_shared_the_bucket_decides(store, exporter, current):
    content = {"etag-a": b"a", "etag-b": b"b"}
    now = store.put("inbox", "in/a.pdf", content[current])
    etags = {name: now if name == current else name for name in content}
    for name in ("etag-a", "etag-b", "etag-a"):
        exporter.publish(run(document(etags[name])), ROUTE, prediction(name))
    assert total_in(store) == current


RUNS = {
    "old": run(document("etag-a")),
    "new": run(document("etag-b", modified=LATER)),
    "newest": run(document("etag-b", modified=LATER), number=2),
}


@pytest.mark.parametrize("order", list(itertools.permutations(RUNS)), ids=" ".join)
def test_in_whatever_order_runs_publish_the_newest_stands(store, exporter, order):
    for name in order:
        exporter.publish(RUNS[name], ROUTE, prediction(name))
    assert total_in(store) == "newest"
    assert set(runs_in(store).values()) == {"2"}
    manifest = manifest_in(store)
    assert (manifest.run, manifest.etag, manifest.published.run) == (2, "etag-b", 2)


def _publish_between(store, at: int) -> None:
    """Publish the old run, and the newest one in full while the old one is at its call number `at`."""
    calls = itertools.count()
    inner = Exporter(store)

    def interrupt(_call: str, _key: str) -> None:
        if next(calls) == at:
            store.before = lambda _call, _key: None
            inner.publish(RUNS["newest"], ROUTE, prediction("newest"))

    store.before = interrupt
    Exporter(store).publish(RUNS["old"], ROUTE, prediction("old"))


def test_a_newer_run_that_publishes_in_between_wins_at_every_instant():
    probe = InMemoryStore()
    Exporter(probe).publish(RUNS["old"], ROUTE, prediction("old"))
    for at in range(len(probe.calls)):
        store = InMemoryStore()
        _publish_between(store, at)
        assert total_in(store) == "newest", at
        assert {runs_in(store)[key] for key in ROW_FILES} == {"2"}, at
        assert manifest_in(store).published.run == 2, at


class Killed(BaseException):
    """The process died."""


def test_a_process_killed_at_any_fault_point_is_made_good_by_the_next_try():
    names: list[str] = []
    set_fault_handler(names.append)
    try:
        Exporter(InMemoryStore()).publish(run(), ROUTE, prediction(text="x"))
        assert names.count("exports.manifest.after") == 1
        for at in range(len(names)):
            store, passed = InMemoryStore(), itertools.count()

            def die(_name: str, at=at, passed=passed) -> None:
                if next(passed) == at:
                    raise Killed

            set_fault_handler(die)
            with pytest.raises(Killed):
                Exporter(store).publish(run(), ROUTE, prediction("first", text="x"))
            set_fault_handler(None)
            Exporter(store).publish(run(token=2), ROUTE, prediction("first", text="x"))
            assert manifest_in(store).token == 2
            assert {file.key for file in manifest_in(store).published.files} == ROW_FILES | {TEXT, WORDS}
            assert all("headrace-run" in store.head("outbox", key).metadata for key in store.keys("outbox"))
    finally:
        set_fault_handler(None)


def test_text_left_behind_by_a_killed_older_run_does_not_stay(store, exporter):
    def die(name: str) -> None:
        if name == "exports.manifest.before":
            raise Killed

    set_fault_handler(die)
    try:
        with pytest.raises(Killed):
            exporter.publish(RUNS["old"], ROUTE, prediction("old", text="old text"))
    finally:
        set_fault_handler(None)
    assert store.read("outbox", TEXT) == b"old text\f"
    exporter.publish(RUNS["new"], ROUTE, prediction("new"))
    assert store.read("outbox", TEXT) == b""


def test_foreign_and_damaged_objects_in_the_output_are_replaced(store, exporter):
    store.put("outbox", FIELDS, b"by hand")
    store.put("outbox", MANIFEST, b"{not json")
    exporter.publish(run(), ROUTE, prediction("ours"))
    assert total_in(store) == "ours"
    assert manifest_in(store).run == 1


def test_versions_that_are_kept_have_files_of_their_own(store, exporter):
    route = ROUTE.model_copy(update={"versions": "keep"})
    for of in (document("etag-b", modified=LATER), document("etag-a")):
        assert exporter.publish(run(of), route, prediction(of.etag)).outcome == "written"
        assert f"rows/documents/{DAY}/{of.id}.json" in store.keys("outbox")


def test_exact_csv_is_left_alone(store, exporter):
    exporter.publish(run(), ROUTE.model_copy(update={"csv": "exact"}), prediction())
    assert b',"=HYPERLINK(""x"")"' in store.read("outbox", f"rows/csv/table_rows/{DAY}/{OBJECT}.csv")


def test_the_users_metadata_is_on_every_row(store, exporter):
    found = prediction().model_copy(update={"metadata": {"po": "7"}})
    exporter.publish(run(), ROUTE.model_copy(update={"metadata": {"vendor": "acme"}}), found)
    rows = [json.loads(line) for line in store.read("outbox", FIELDS).splitlines()]
    assert [row["metadata"] for row in rows] == [{"vendor": "acme", "po": "7"}] * 2


def test_a_run_that_goes_on_has_nothing_to_publish(exporter):
    with pytest.raises(ValueError, match="has not ended"):
        exporter.publish(run(state=State.PREDICTED), ROUTE, prediction())
    with pytest.raises(ValueError, match="prediction is needed"):
        exporter.publish(run(), ROUTE, None)


def test_a_store_that_always_changes_is_given_up(store, exporter):
    exporter.publish(run(), ROUTE, prediction())
    changes = itertools.count()

    def change(call: str, key: str) -> None:
        if call == "put" and key.endswith(".csv"):
            store.before = lambda _call, _key: None
            store.put("outbox", key, b"%d" % next(changes))
            store.before = change

    store.before = change
    with pytest.raises(StorageUnavailable, match="changed 10 times"):
        exporter.publish(run(), ROUTE, prediction())


def test_on_a_real_store_the_newest_stands_and_the_order_is_in_the_metadata(s3_server, s3_bucket):
    client = s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr(s3_server.secret_key))
    store = S3Store(client)
    route = ROUTE.model_copy(update={"output": f"s3://{s3_bucket}/rows"})
    for name in ("new", "old", "newest", "new"):
        Exporter(store).publish(RUNS[name], route, prediction(name, text=name))
    assert json.loads(store.read(s3_bucket, FIELDS).split(b"\n")[0])["text"] == "newest"
    assert store.head(s3_bucket, FIELDS).metadata["headrace-run"] == "2"
    assert Manifest.model_validate_json(store.read(s3_bucket, MANIFEST)).published.run == 2
    assert {head.key for page in store.list(s3_bucket, "") for head in page} == ROW_FILES | {MANIFEST, TEXT, WORDS}
    client.close()
