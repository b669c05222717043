"""What a provider cannot take reaches it as a copy, which is nowhere else; what a route asks reaches it too."""

from datetime import timedelta
from gzip import decompress
from io import BytesIO

import pikepdf
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from pydantic import SecretStr

from config.settings import Settings
from headrace.errors import NotSent, RateLimited, StorageUnavailable, UnreadableDocument
from headrace.ledger.records import RunFilter
from headrace.page_count import PageCount
from headrace.providers.local import LocalProvider
from headrace.states import Mode, Preparation, Reason, State, SubmissionState
from tests.memory_store import InMemoryStore
from tests.pdfs import make_pdf, make_picture
from tests.tasks.conftest import FREE, PAID
from tests.tasks.scripted import ScriptedProvider, accepted, answer

PASSWORD = "hunter2-in-the-mill"
KNOWN = Settings.model_construct(passwords={"bank": SecretStr("wrong"), "statements": SecretStr(PASSWORD)})
LOCKED = PAID.model_copy(update={"passwords": ("bank", "statements")})
LOCKED_FREE = FREE.model_copy(update={"passwords": ("statements",)})


class ReadingProvider(ScriptedProvider):
    """Reads what it is sent, as it would over a wire."""

    def __init__(self, submits=(), polls=(), **more):
        super().__init__(submits, polls, **more)
        self.bodies = []

    def submit(self, source, request):
        body = b"".join(source.chunks())
        assert len(body) == source.size
        self.bodies.append(body)
        return super().submit(source, request)


@pytest.fixture
def provider():
    return ReadingProvider()


@pytest.fixture
def world_of(make_world, provider):
    """Makes a world of these routes, in which the passwords are known."""

    def make(*routes, **more):
        world = make_world(provider, routes=routes, **more)
        world.settings = KNOWN
        return world

    return make


def stored(world):
    """Every object's body as it can be read, by bucket and key."""
    found = {}
    for bucket in ("inbox", "out", "private"):
        for key in world.store.keys(bucket):
            body = world.store.read(bucket, key)
            found[bucket, key] = decompress(body) if key.endswith(".gz") else body
    return found


def test_the_provider_gets_a_copy_without_a_password_and_nobody_else_does(world_of, provider):
    world = world_of(LOCKED)
    document = make_pdf(2, password=PASSWORD)
    run = world.drop("paid/a.pdf", document)
    provider.submits.append(answer(2))
    world.deliver_all()
    found = world.ledger.run(run)
    assert (found.state, found.preparation, found.pages) == (State.EXPORTED, Preparation.DECRYPT, 2)
    (copy,) = provider.bodies
    with pikepdf.open(BytesIO(copy)) as opened:
        assert not opened.is_encrypted
    everything = stored(world)
    assert everything.pop(("inbox", "paid/a.pdf")) == document
    assert everything
    assert not [place for place, body in everything.items() if b"%PDF-" in body or copy[:1000] in body]


def test_a_document_that_anybody_may_open_goes_as_it_is(world_of, provider):
    world = world_of(LOCKED)
    document = make_pdf(1, owner_password=PASSWORD)
    run = world.drop("paid/a.pdf", document)
    world.deliver_all()
    assert (world.state(run), world.ledger.run(run).preparation) == (State.EXPORTED, None)
    assert provider.bodies == [document]


def test_a_picture_that_the_provider_does_not_take_goes_as_a_pdf_where_the_route_says_so(world_of, provider):
    world = world_of(PAID.model_copy(update={"convert": True}))
    run = world.drop("paid/scan.TIF", make_picture("TIFF", 3))
    provider.submits.append(answer(3))
    world.deliver_all()
    found = world.ledger.run(run)
    assert (found.state, found.preparation, found.media_type) == (State.EXPORTED, Preparation.CONVERT, "image/tiff")
    assert provider.sources[0].name == "scan.pdf"
    with pikepdf.open(BytesIO(provider.bodies[0])) as opened:
        assert len(opened.pages) == 3


def test_without_that_word_it_is_refused_before_anything_is_paid(world_of, provider):
    world = world_of(PAID)
    run = world.drop("paid/scan.tif", make_picture("TIFF"))
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.UNSUPPORTED_TYPE)
    assert "convert = true" in failed.detail
    assert provider.requests == []


def test_a_prepared_copy_is_streamed_where_the_route_sends_links(world_of, provider):
    world = world_of(LOCKED.model_copy(update={"send": "url"}), store=InMemoryStore(versioned={"inbox"}))
    world.drop("paid/locked.pdf", make_pdf(1, password=PASSWORD))
    world.drop("paid/open.pdf", make_pdf(1))
    world.deliver_all()
    assert {source.name: source.url is None for source in provider.sources} == {"locked.pdf": True, "open.pdf": False}


def test_every_sending_of_a_run_prepares_its_copy_anew(world_of, provider):
    world = world_of(LOCKED)
    run = world.drop("paid/a.pdf", make_pdf(1, password=PASSWORD))
    provider.submits.append(RateLimited("too fast"))
    world.deliver_all()
    world.live(60)
    assert world.state(run) is State.EXPORTED
    assert [body[:5] for body in provider.bodies] == [b"%PDF-"] * 2
    assert len({str(request.key) for request in provider.requests}) == 1


# What can go wrong before anything is paid leaves no trace of a payment.


def assert_nothing_was_begun(world, run, provider):
    assert provider.requests == []
    assert world.ledger.submissions(run) == []
    assert not [key for key in world.store.keys("private") if "/submissions/" in key]


def routed(world, key, body):
    """Deliver until the document waits to be sent."""
    run = world.drop(key, body)
    while not world.app.messages or world.app.messages[0].task != "headrace.submit":
        world.deliver()
    return run


def test_a_password_that_changed_since_fails_the_run_and_a_retry_with_the_right_one_goes_on(world_of, provider):
    world = world_of(LOCKED)
    run = routed(world, "paid/a.pdf", make_pdf(1, password=PASSWORD))
    world.settings = Settings.model_construct(passwords={"bank": SecretStr("1"), "statements": SecretStr("2")})
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.ENCRYPTED)
    assert_nothing_was_begun(world, run, provider)
    world.settings = KNOWN
    world.hints.hint_all(world.ledger.retry(RunFilter(state=State.FAILED), by="test"))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED


@pytest.mark.parametrize("when", ["before it is routed", "before it is sent"])
def test_a_password_that_vanished_from_the_settings_is_named(world_of, provider, when):
    world = world_of(LOCKED)
    run = world.drop("paid/a.pdf", make_pdf(1, password=PASSWORD))
    if when == "before it is sent":
        while world.app.messages[0].task != "headrace.submit":
            world.deliver()
    world.settings = Settings.model_construct(passwords={"bank": SecretStr("1")})
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason, failed.published) == (State.FAILED, Reason.CONFIGURATION, True)
    assert 'no password "statements"' in failed.detail
    assert_nothing_was_begun(world, run, provider)
    assert [key for key in world.store.keys("out") if "/documents/" in key]  # its manifest tells


class BrokenPreparer:
    """A machine on which copies come to nothing."""

    def __init__(self, *errors):
        self.errors = list(errors)

    def prepared(self, source, preparation, *, pages, passwords):
        raise self.errors.pop(0)


def test_a_copy_that_cannot_be_made_fails_the_run(world_of, provider):
    world = world_of(LOCKED)
    run = routed(world, "paid/a.pdf", make_pdf(1, password=PASSWORD))
    world.preparer = BrokenPreparer(UnreadableDocument("There is none."))
    world.deliver_all()
    assert world.ledger.run(run).reason is Reason.UNREADABLE
    assert_nothing_was_begun(world, run, provider)


def test_a_machine_without_room_costs_the_run_no_attempt(world_of, provider, clock):
    world = world_of(LOCKED)
    run = routed(world, "paid/a.pdf", make_pdf(1, password=PASSWORD))
    preparer, world.preparer = world.preparer, BrokenPreparer(StorageUnavailable("The disk is full."))
    world.deliver_all()
    waiting = world.ledger.run(run)
    assert (waiting.state, waiting.attempts, waiting.deliveries) == (State.ADMITTED, 0, 0)
    assert_nothing_was_begun(world, run, provider)
    world.preparer = preparer
    clock.pass_(waiting.due_at - clock.now())
    world.sweep()
    world.deliver_all()
    assert world.state(run) is State.EXPORTED


def test_a_bucket_that_is_too_slow_is_tried_ten_times(world_of, provider, clock):
    world = world_of(LOCKED)
    run = routed(world, "paid/a.pdf", make_pdf(1, password=PASSWORD))
    world.preparer = BrokenPreparer(*[NotSent("It gave 2 of 9 bytes.")] * 10)
    for _ in range(10):
        world.deliver_all()
        due_at = world.ledger.run(run).due_at
        if due_at is not None:
            clock.pass_(due_at - clock.now())
            world.sweep()
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.NOT_SENT)
    assert_nothing_was_begun(world, run, provider)


@pytest.mark.parametrize(("change", "state"), [("replaced", State.SUPERSEDED), ("removed", State.REMOVED)])
def test_a_document_that_changes_before_its_copy_is_made_is_told_apart(world_of, provider, change, state):
    world = world_of(LOCKED)
    run = routed(world, "paid/a.pdf", make_pdf(1, password=PASSWORD))
    other = make_pdf(2)

    def meanwhile(call, key):
        if (call, key) == ("read", "paid/a.pdf"):
            world.store.before = lambda _call, _key: None
            if change == "replaced":
                world.store.put("inbox", key, other)
            else:
                world.store.delete("inbox", key)

    world.store.before = meanwhile
    world.deliver_all()
    # It is looked for once more: it may be dropped again within the second.
    world.clock.pass_(timedelta(seconds=2))
    world.sweep()
    world.deliver_all()
    assert world.state(run) is state
    assert world.ledger.submissions(run) == []
    assert provider.bodies == ([other] if change == "replaced" else [])


# Free providers.


@pytest.fixture
def local():
    provider = LocalProvider()
    yield provider
    provider.close()


def test_the_local_provider_reads_a_protected_pdf_like_any_other(make_world, local):
    world = make_world(None, free=local, routes=(FREE.model_copy(update={"passwords": ("statements",)}),))
    world.settings = KNOWN
    run = world.drop("free/a.pdf", make_pdf(1, password=PASSWORD))
    world.deliver_all()
    found = world.ledger.run(run)
    assert (found.state, found.preparation, found.pages) == (State.EXPORTED, Preparation.DECRYPT, 1)


def test_each_part_that_a_free_provider_reads_is_of_a_copy(make_world):
    free = ReadingProvider([answer(1), answer(1)], paid=False, part_pages=1)
    world = make_world(None, free=free, routes=(FREE.model_copy(update={"passwords": ("statements",)}),))
    world.settings = KNOWN
    run = world.drop("free/a.pdf", make_pdf(2, password=PASSWORD))
    world.deliver_all()
    assert [entry.state for entry in world.ledger.submissions(run)] == [SubmissionState.ANSWERED] * 2
    assert [pikepdf.open(BytesIO(body)).is_encrypted for body in free.bodies] == [False, False]


def test_a_picture_that_became_a_pdf_still_needs_ocr(make_world, local):
    world = make_world(None, free=local, routes=(FREE.model_copy(update={"convert": True}),))
    run = world.drop("free/a.png", make_picture("PNG"))
    world.deliver_all()
    assert (world.state(run), world.ledger.run(run).reason) == (State.FAILED, Reason.NEEDS_OCR)


# What a route asks.


def test_what_a_route_asks_reaches_the_provider(world_of, provider):
    world = world_of(PAID.model_copy(update={"language": "de", "send": "base64"}))
    world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    (request,) = provider.requests
    assert (request.language, request.as_base64, request.text_only, request.page_numbers) == ("de", True, False, ())


def test_only_the_chosen_pages_are_sent_and_paid(world_of, provider):
    world = world_of(PAID.model_copy(update={"pages_to_process": (2, 5, 30)}))
    run = world.drop("paid/a.pdf", make_pdf(12))
    provider.submits.append(answer(2))
    world.deliver_all()
    (request,) = provider.requests
    # Two pages are few enough to be answered at once, whatever the document's length.
    assert (request.page_numbers, request.mode) == ((2, 5), Mode.SYNC)
    (submission,) = world.ledger.submissions(run)
    found = world.ledger.run(run)
    assert (submission.pages, found.pages, found.pages_source) == (2, 12, "walked")
    assert found.cost == pytest.approx(0.2)


def test_the_chosen_pages_of_a_sending_are_noted_before_it_goes_out(world_of, provider):
    world = world_of(PAID.model_copy(update={"pages_to_process": (1, 2, 3, 4)}))
    run = world.drop("paid/a.pdf", make_pdf(9))
    noted = []

    def look(source, request):
        noted.extend(entry.pages for entry in world.ledger.submissions(run))
        return accepted(pages=4)

    provider.submits.append(look)
    provider.polls.append(answer(4))
    world.deliver_all()
    assert noted == [4]
    assert (world.state(run), world.ledger.run(run).mode) == (State.EXPORTED, Mode.ASYNC)


def test_a_document_without_any_of_the_chosen_pages_is_not_sent(world_of, provider):
    world = world_of(PAID.model_copy(update={"pages_to_process": (5, 6)}))
    run = world.drop("paid/a.pdf", make_pdf(4))
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.NO_PAGES)
    assert "begins with page 5" in failed.detail
    assert_nothing_was_begun(world, run, provider)


def test_the_text_alone_is_asked_for_sync_however_long_the_document(world_of, provider):
    world = world_of(PAID.model_copy(update={"text_only": True, "model": ""}))
    world.drop("paid/a.pdf", make_pdf(9))
    provider.submits.append(answer(9))
    world.deliver_all()
    (request,) = provider.requests
    assert (request.text_only, request.mode, request.model) == (True, Mode.SYNC, "")


# A count that is only a lower bound.


class BoundedCounter:
    """Finds so many pages, and not whether there are more."""

    def count(self, *_, **__):
        return PageCount(5, "walked", "application/pdf", at_least=True)


@pytest.mark.parametrize("chosen", [(), (1, 9), (9,)])
@pytest.mark.parametrize(("most_pages", "reason"), [(4, Reason.TOO_LONG), (5, Reason.UNREADABLE)])
def test_a_document_of_unknown_length_is_not_sent(world_of, provider, chosen, most_pages, reason):
    world = world_of(PAID.model_copy(update={"most_pages": most_pages, "pages_to_process": chosen}))
    world.counter = BoundedCounter()
    run = world.drop("paid/a.pdf", make_pdf(9))
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason) == (State.FAILED, reason)
    assert "at least 5 pages" in failed.detail
    assert_nothing_was_begun(world, run, provider)


# Pieces of work that are slow together.


def test_preparing_and_reading_that_outlast_the_task_end_with_their_reason(make_world):
    free = ReadingProvider([SoftTimeLimitExceeded()], paid=False, part_pages=10)
    world = make_world(None, free=free)
    run = world.drop("free/a.pdf", make_pdf(3))
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason, failed.published) == (State.FAILED, Reason.READ_TIMED_OUT, True)
    assert "pages 1 to 3 takes longer than a task may (110 seconds)" in failed.detail


def test_so_does_a_copy_that_outlasts_it(make_world):
    world = make_world(None, free=ReadingProvider(paid=False), routes=(LOCKED_FREE,))
    world.settings = KNOWN
    run = world.drop("free/a.pdf", make_pdf(1, password=PASSWORD))
    world.preparer = BrokenPreparer(SoftTimeLimitExceeded())
    world.deliver_all()
    assert (world.state(run), world.ledger.run(run).reason) == (State.FAILED, Reason.READ_TIMED_OUT)


def test_so_does_counting(world_of, provider):
    class LateCounter:
        def count(self, *_, **__):
            raise SoftTimeLimitExceeded

    world = world_of(PAID)
    world.counter = LateCounter()
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    assert (world.state(run), world.ledger.run(run).reason) == (State.FAILED, Reason.COUNT_TIMED_OUT)
    assert_nothing_was_begun(world, run, provider)
