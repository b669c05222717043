"""A route's revisions in the bucket: created once, and known again by their hash."""

import pytest

from headrace.errors import ObjectNotFound
from headrace.routing import Route
from headrace.storage import Location
from headrace.storage.revisions import StoredRevisions
from tests.memory_store import InMemoryStore

PLACE = Location("private", "headrace")
ROUTE = Route(
    name="paid",
    bucket="inbox",
    provider="nanonets",
    model="m",
    output="s3://out/rows",
    private="s3://private/headrace",
)
DEFINITION = ROUTE.definition


@pytest.fixture
def store():
    return InMemoryStore()


@pytest.fixture
def revisions(store):
    return StoredRevisions(store)


def test_a_revision_is_read_as_it_was_kept(revisions):
    revisions.keep(PLACE, ROUTE.revision, lambda: DEFINITION)
    assert Route.model_validate_json(revisions.read(PLACE, ROUTE.revision)) == ROUTE


def test_a_revision_is_written_once_a_process_and_never_over_another(store, revisions):
    for _ in range(3):
        revisions.keep(PLACE, ROUTE.revision, lambda: DEFINITION)
    StoredRevisions(store).keep(PLACE, ROUTE.revision, lambda: "another")
    assert [call for call, _ in store.calls] == ["put", "put"]
    assert revisions.read(PLACE, ROUTE.revision) == DEFINITION


def test_what_was_changed_or_damaged_is_no_revision(store, revisions):
    for body in (DEFINITION.replace("paid", "evil").encode(), b"\xff\xfe", b""):
        store.put(PLACE.bucket, PLACE.key("revisions", f"{ROUTE.revision}.json"), body)
        assert revisions.read(PLACE, ROUTE.revision) is None


def test_a_revision_that_was_never_kept_is_not_found(revisions):
    with pytest.raises(ObjectNotFound):
        revisions.read(PLACE, ROUTE.revision)
