"""Reading a document as exactly the content that the ledger knows, in as few calls as it takes."""

import hashlib

import pytest

from headrace.document import Document
from headrace.errors import DocumentGone, DocumentReplaced
from headrace.storage.source import SMALL_BYTES, StoredSource, opened
from tests.memory_store import InMemoryStore


def _document(body: bytes, size: int | None) -> Document:
    return Document("inbox", "a.pdf", hashlib.md5(body, usedforsecurity=False).hexdigest(), size, None)


def _store(body: bytes) -> InMemoryStore:
    store = InMemoryStore()
    store.put("inbox", "a.pdf", body)
    store.calls.clear()
    return store


def test_a_small_document_is_looked_at_and_read_in_one_call():
    store = _store(b"content")
    head, body = opened(store, _document(b"content", 7))
    assert (head.size, body, len(store.calls)) == (7, b"content", 1)
    source = StoredSource(store, _document(b"content", 7), 7, "", body=body)
    assert (source.read_range(3, 2), len(store.calls)) == (b"te", 1)


@pytest.mark.parametrize("size", [SMALL_BYTES + 1, None], ids=["large", "of unknown size"])
def test_of_others_only_the_head_is_read(size):
    body = b"x" * (SMALL_BYTES + 1)
    store = _store(body)
    assert opened(store, _document(body, size)).body is None
    assert store.calls == [("head", "a.pdf")]


def test_a_document_that_is_larger_than_an_event_said_is_not_taken_into_memory():
    body = b"x" * (SMALL_BYTES + 1)
    store, get, limits = _store(body), InMemoryStore.get, []
    store.get = lambda *where, most_bytes, **options: limits.append(most_bytes) or get(store, *where, **options)
    found = opened(store, _document(body, 7))
    assert (found.head.size, found.body) == (SMALL_BYTES + 1, None)
    assert limits == [SMALL_BYTES], "no more is read of it than that"


def test_another_content_is_noticed_where_the_store_ignores_conditions(monkeypatch):
    store, get = _store(b"another"), InMemoryStore.get
    monkeypatch.setattr(store, "get", lambda *where, if_match, **options: get(store, *where, **options))
    with pytest.raises(DocumentReplaced):
        opened(store, _document(b"content", 7))


@pytest.mark.parametrize("size", [7, SMALL_BYTES + 1])
def test_what_was_replaced_or_removed_is_told(size):
    with pytest.raises(DocumentReplaced):
        opened(_store(b"another"), _document(b"content", size))
    with pytest.raises(DocumentGone):
        opened(InMemoryStore(), _document(b"content", size))
