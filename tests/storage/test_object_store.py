"""What every object store promises: the fake of the tests, and the real one."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from pydantic import SecretStr

from headrace.errors import (
    ObjectNotFound,
    PreconditionFailed,
    StorageRefused,
    StorageUnavailable,
)
from headrace.storage import ObjectStore
from headrace.storage.s3 import SMALL_BYTES, S3Store, s3_client
from tests.memory_store import InMemoryStore
from tests.servers import S3Server

HOSTILE_KEYS = [
    "a b+c%20d.pdf",
    "überweisung/€ 12.pdf",
    "x'\"<&>.pdf",
    "日本/請求書.pdf",
    "tab\there",
]


@pytest.fixture
def real_store(s3_server: S3Server) -> Iterator[S3Store]:
    client = s3_client(
        s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr(s3_server.secret_key), connections=8
    )
    yield S3Store(client)
    client.close()


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "memory":
        return InMemoryStore()
    return request.getfixturevalue("real_store")


@pytest.fixture
def bucket(store: ObjectStore, s3_bucket: str) -> str:
    store.create_bucket(s3_bucket)
    return s3_bucket


def test_a_small_object_is_got_with_its_head_in_one_call(store, bucket):
    store.put(bucket, "a.pdf", b"content", content_type="application/pdf", metadata={"Team": "blue"})
    head, body = store.get(bucket, "a.pdf")
    assert (head, body) == (store.head(bucket, "a.pdf"), b"content")
    with pytest.raises(ObjectNotFound):
        store.get(bucket, "b.pdf")


def test_no_more_is_read_of_what_is_larger_than_was_said(store, bucket):
    store.put(bucket, "a.pdf", b"content")
    assert store.get(bucket, "a.pdf", most_bytes=7).body == b"content"
    head, body = store.get(bucket, "a.pdf", most_bytes=3)
    assert (head.size, body) == (7, b"con")


@pytest.mark.parametrize("most_bytes", [None, SMALL_BYTES])
def test_a_body_that_is_cut_off_makes_the_store_unavailable(most_bytes):
    class CutsOff(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.send_header("ETag", '"a"')
            self.send_header("Last-Modified", "Fri, 20 Nov 2026 12:00:00 GMT")
            self.end_headers()
            self.wfile.write(b"x" * 400)

        def log_message(self, *_):
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), CutsOff) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = s3_client(f"http://127.0.0.1:{server.server_port}", "us-east-1", "a", SecretStr("b"))
        with closing(client), pytest.raises(StorageUnavailable):
            S3Store(client).get("inbox", "a.pdf", most_bytes=most_bytes)
        server.shutdown()


@pytest.mark.parametrize("size", [SMALL_BYTES, SMALL_BYTES + 1])
def test_small_and_large_bodies_arrive_whole(store, bucket, size):
    store.put(bucket, "a.bin", b"x" * size, if_none_match=True)
    assert store.head(bucket, "a.bin").size == size
    with pytest.raises(PreconditionFailed):
        store.put(bucket, "a.bin", b"y" * size, if_none_match=True)
    assert store.read(bucket, "a.bin", start=size - 1) == b"x"


def test_a_file_is_put_without_being_read_as_a_whole(store, bucket, tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"content")
    with (tmp_path / "a.pdf").open("rb") as body:
        etag = store.put(bucket, "from/file.pdf", body)
    head = store.head(bucket, "from/file.pdf")
    assert (head.etag, head.size) == (etag, 7)
    assert store.read(bucket, "from/file.pdf") == b"content"


def test_what_is_put_is_read_again(store, bucket):
    etag = store.put(bucket, "a/b.pdf", b"content", content_type="application/pdf", metadata={"Order": "7"})
    head = store.head(bucket, "a/b.pdf")
    assert (head.etag, head.size, head.content_type, head.metadata) == (etag, 7, "application/pdf", {"order": "7"})
    assert '"' not in head.etag
    assert head.last_modified.microsecond == 0
    assert abs(head.last_modified - datetime.now(UTC)) < timedelta(minutes=1)
    assert store.read(bucket, "a/b.pdf") == b"content"
    assert b"".join(store.stream(bucket, "a/b.pdf")) == b"content"


def test_a_range_is_read_like_a_file(store, bucket):
    store.put(bucket, "k", b"0123456789")
    assert store.read(bucket, "k", start=2, length=3) == b"234"
    assert store.read(bucket, "k", start=8, length=30) == b"89"
    assert store.read(bucket, "k", start=7) == b"789"
    assert store.read(bucket, "k", start=10, length=5) == b""
    assert store.read(bucket, "k", length=0) == b""


def test_a_stream_comes_in_pieces(store, bucket):
    body = bytes(range(256)) * 1024
    store.put(bucket, "k", body)
    pieces = list(store.stream(bucket, "k"))
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= 64 * 1024


def test_a_stream_may_be_left_early(store, bucket):
    store.put(bucket, "k", b"x" * 300_000)
    for _ in range(12):  # more often than there are connections
        stream = store.stream(bucket, "k")
        assert next(stream)
        stream.close()


def test_nothing_is_told_apart_from_everything_else(store, bucket):
    for call in (
        lambda: store.head(bucket, "none"),
        lambda: store.read(bucket, "none"),
        lambda: list(store.stream(bucket, "none")),
        lambda: store.head("no-such-bucket-here", "none"),
        lambda: list(store.list("no-such-bucket-here", "")),
    ):
        with pytest.raises(ObjectNotFound):
            call()


def test_reading_replaced_content_fails(store, bucket):
    etag = store.put(bucket, "k", b"one")
    store.put(bucket, "k", b"two")
    with pytest.raises(PreconditionFailed):
        store.read(bucket, "k", if_match=etag)
    with pytest.raises(PreconditionFailed):
        list(store.stream(bucket, "k", if_match=etag))


def test_if_none_match_creates_once(store, bucket):
    store.put(bucket, "k", b"one", if_none_match=True)
    with pytest.raises(PreconditionFailed):
        store.put(bucket, "k", b"two", if_none_match=True)
    assert store.read(bucket, "k") == b"one"


def test_if_match_replaces_only_what_was_read(store, bucket):
    first = store.put(bucket, "k", b"one")
    second = store.put(bucket, "k", b"two", if_match=first)
    with pytest.raises(PreconditionFailed):
        store.put(bucket, "k", b"three", if_match=first)
    store.put(bucket, "k", b"four", if_match=second)
    assert store.read(bucket, "k") == b"four"


def test_if_match_fails_where_nothing_is(store, bucket):
    with pytest.raises(PreconditionFailed):
        store.put(bucket, "none", b"x", if_match="0" * 32)


@pytest.mark.parametrize("condition", ["create", "replace"])
def test_of_racing_conditional_writers_exactly_one_wins(store, bucket, condition):
    for turn in range(2):  # SeaweedFS lets a loser wait a second or two
        key = f"race-{turn}"
        if_match = store.put(bucket, key, b"start") if condition == "replace" else None
        won: list[int] = []
        barrier = threading.Barrier(3)

        def write(number: int, key=key, if_match=if_match, won=won, barrier=barrier) -> None:
            barrier.wait(10)
            try:
                store.put(bucket, key, b"by %d" % number, if_match=if_match, if_none_match=if_match is None)
            except PreconditionFailed:
                return
            won.append(number)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(won) == 1
        assert store.read(bucket, key) == b"by %d" % won[0]


def test_a_listing_always_has_the_same_order_and_goes_on_after_any_of_its_keys(store, bucket):
    keys = ["in/a.pdf", "in/b/c.pdf", "in/b.pdf", "in/b-.pdf", "in/b0.pdf", "in/B.pdf", "in/ü.pdf", "out/x.pdf"]
    for key in keys:
        store.put(bucket, key, key.encode())
    listed = [head for page in store.list(bucket, "in/") for head in page]
    names = [head.key for head in listed]
    assert sorted(names) == sorted(key for key in keys if key.startswith("in/"))
    for head in listed:
        full = store.head(bucket, head.key)
        assert (head.etag, head.size, head.last_modified) == (full.etag, full.size, full.last_modified)
    for position, key in enumerate(names):
        after = [head.key for page in store.list(bucket, "in/", start_after=key) for head in page]
        assert after == names[position + 1 :]


def test_an_empty_listing_has_no_page(store, bucket):
    assert list(store.list(bucket, "nothing/")) == []


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_hostile_keys_are_just_keys(store, bucket, key):
    store.put(bucket, key, b"x")
    assert store.read(bucket, key) == b"x"
    assert [head.key for page in store.list(bucket, "") for head in page] == [key]


@pytest.mark.parametrize("key", ["lone \ud800 surrogate", ""])
def test_names_that_no_object_can_have_lead_nowhere(real_store, s3_bucket, key):
    with pytest.raises(ObjectNotFound):
        real_store.head(s3_bucket, key)


def test_what_is_deleted_is_gone(store, bucket):
    store.put(bucket, "k", b"x")
    store.delete(bucket, "k")
    store.delete(bucket, "k")
    with pytest.raises(ObjectNotFound):
        store.head(bucket, "k")


def test_creating_a_bucket_twice_does_no_harm(store, bucket):
    store.put(bucket, "k", b"x")
    store.create_bucket(bucket)
    assert store.read(bucket, "k") == b"x"


def test_versions_keep_what_was_replaced(store, bucket):
    if isinstance(store, InMemoryStore):
        store.versioned.add(bucket)
    else:
        store._client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    store.put(bucket, "k", b"one")
    first = store.head(bucket, "k")
    store.put(bucket, "k", b"two")
    assert first.version_id not in {None, store.head(bucket, "k").version_id}
    assert store.read(bucket, "k", version_id=first.version_id) == b"one"
    assert b"".join(store.stream(bucket, "k", version_id=first.version_id)) == b"one"
    assert store.head(bucket, "k", version_id=first.version_id).etag == first.etag
    with pytest.raises(PreconditionFailed):
        store.put(bucket, "k", b"three", if_match=first.etag)
    with pytest.raises(PreconditionFailed):
        store.put(bucket, "k", b"three", if_none_match=True)


def test_an_object_without_versioning_has_no_version(store, bucket):
    store.put(bucket, "k", b"one")
    assert store.head(bucket, "k").version_id is None


def test_a_presigned_url_opens_one_version_without_a_key(real_store, s3_bucket):
    real_store._client.put_bucket_versioning(Bucket=s3_bucket, VersioningConfiguration={"Status": "Enabled"})
    real_store.put(s3_bucket, "dir/ä b.pdf", b"one")
    version = real_store.head(s3_bucket, "dir/ä b.pdf").version_id
    real_store.put(s3_bucket, "dir/ä b.pdf", b"two")
    url = real_store.presign(s3_bucket, "dir/ä b.pdf", version_id=version, valid_for=timedelta(minutes=5))
    assert httpx.get(url).content == b"one"
    assert httpx.get(url.replace("dir/", "other/")).status_code in {403, 404}


def test_a_wrong_secret_is_refused_and_never_told(s3_server, s3_bucket):
    client = s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr("a-wrong-secret"))
    store = S3Store(client)
    for call in (lambda: store.head(s3_bucket, "k"), lambda: store.put(s3_bucket, "k", b"x")):
        with pytest.raises(StorageRefused) as refusal:
            call()
        assert "secret key" in str(refusal.value)
        assert "a-wrong-secret" not in str(refusal.value) + repr(refusal.value)
    client.close()


def test_a_store_that_is_not_there_is_unavailable():
    client = s3_client("http://127.0.0.1:9", "us-east-1", "key", SecretStr("secret"))
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        S3Store(client).head("bucket", "key")
    client.close()
