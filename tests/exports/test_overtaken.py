"""Two contents of one key publish at once, and one of them is killed anywhere: the newer one's rows stand."""

import gzip
import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from headrace.exports import Exporter
from headrace.faults import set_fault_handler
from headrace.prediction import Field, Page, Prediction
from tests.exports.rows import LAST_MODIFIED, ROUTE, document, prediction, run
from tests.memory_store import InMemoryStore

EMPTY = Prediction(provider="nanonets", model="m", pages=(Page(number=1, fields=(Field(label="total", text="0"),)),))
CONTENTS = {
    "before": (run(document("etag-x", modified=LAST_MODIFIED - timedelta(seconds=9))), EMPTY),
    "old": (run(document("etag-a")), prediction("old", text="old text")),
    "new": (run(document("etag-b", modified=LAST_MODIFIED + timedelta(seconds=9))), EMPTY),
}


class Killed(BaseException):
    """The process died."""


class Publishing:
    """What the export step does with a content's run, again and again until it is done."""

    def __init__(self) -> None:
        self.store = InMemoryStore()
        self.tokens = itertools.count(1)

    def publish(self, name, *, die_at=None):
        """Publish to the end, or die at the fault point of this number, if there are so many."""
        its_run, found = CONTENTS[name]
        passed = itertools.count()

        def die(_point):
            if next(passed) == die_at:
                raise Killed

        if die_at is not None:
            set_fault_handler(die)
        its_run = replace(its_run, token=next(self.tokens))
        published = Exporter(self.store).publish(its_run, ROUTE, found)
        if published.overtaken_by is not None:
            by = next(
                key for key, (other, _) in CONTENTS.items() if other.document.id == published.overtaken_by.document
            )
            self.publish(by)

    def publish_at_call(self, number, name, then):
        """Publish `name`; at its call of the store of this number, do `then` in between."""
        calls = itertools.count()

        def interrupt(_call, _key):
            if next(calls) == number:
                self.store.before = lambda _call, _key: None
                then()

        self.store.before = interrupt
        self.publish(name)
        self.store.before = lambda _call, _key: None

    def assert_new_stands(self, where):
        of_new = CONTENTS["new"][0].document.id
        manifests = 0
        for key in self.store.keys("outbox"):
            body = self.store.read("outbox", key)
            text = (gzip.decompress(body) if key.endswith(".gz") else body).decode()
            assert self.store.head("outbox", key).metadata["headrace-document"] == of_new, (where, key)
            assert "old" not in text, (where, key)
            manifests += "/documents/" in key
        assert manifests == 1, where


def points_of(name):
    """How many fault points publishing passes."""
    names: list[str] = []
    set_fault_handler(names.append)
    try:
        Publishing().publish(name)
    finally:
        set_fault_handler(None)
    return len(names)


BEFORE = pytest.mark.parametrize("before", [False, True], ids=["first", "over an older one"])
OTHERS = pytest.mark.parametrize(("outer", "inner"), [("old", "new"), ("new", "old")])


@BEFORE
@OTHERS
def test_one_that_publishes_within_the_other_at_any_call_leaves_the_new_rows(before, outer, inner):
    last = points_of(inner) - 1
    for at in range(calls_of(outer, before)):
        for die_at in (None, at % last, last):
            _publish_within(before, outer, inner, at, die_at)


@pytest.mark.proof
@BEFORE
@OTHERS
def test_one_that_dies_anywhere_within_the_other_at_any_call_leaves_the_new_rows(before, outer, inner):
    for at, die_at in itertools.product(range(calls_of(outer, before)), range(points_of(inner))):
        _publish_within(before, outer, inner, at, die_at)


def _publish_within(before, outer, inner, at, die_at):
    publishing, died = Publishing(), []
    if before:
        publishing.publish("before")

    def within():
        try:
            publishing.publish(inner, die_at=die_at)
        except Killed:
            died.append(inner)
        set_fault_handler(None)

    publishing.publish_at_call(at, outer, within)
    for name in died:
        publishing.publish(name)
    publishing.assert_new_stands((at, die_at))


def calls_of(outer, before):
    """How many calls of the store publishing makes."""
    probe = Publishing()
    if before:
        probe.publish("before")
    earlier = len(probe.store.calls)
    probe.publish(outer)
    return len(probe.store.calls) - earlier


def test_a_file_of_the_same_bytes_hides_no_newer_publication_for_good():
    """An older publisher looked at a file before the newer one wrote the same bytes, and writes after it."""
    publishing = Publishing()
    publishing.publish("before")
    looked = []

    def between(call, key):
        if call == "put" and "/cells/" in key and not looked:
            looked.append(key)
            publishing.store.before = lambda _call, _key: None
            publishing.publish("new")

    publishing.store.before = between
    publishing.publish("old")
    assert looked
    publishing.assert_new_stands("cells")
