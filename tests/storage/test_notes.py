"""The fence before each paid request."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from headrace.document import Document, SubmissionKey
from headrace.errors import PreconditionFailed, StorageUnavailable
from headrace.ledger.records import Run, Submission
from headrace.routing import Lane, Route
from headrace.states import Mode, Reason, State, SubmissionState
from headrace.storage import Location
from headrace.storage.notes import Adopt, Doubt, Granted, Note, Over, SubmissionNotes
from tests.memory_store import InMemoryStore

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PRIVATE = Location("private", "headrace")
DOCUMENT = Document("inbox", "in/a.pdf", "abc", 10, NOW, "v1", "0055AED6DCD90281E5")
KEY = SubmissionKey(DOCUMENT.id, 1, "nanonets", "all", 1)
ROUTE = Route(
    name="invoices",
    bucket="inbox",
    prefix="in/",
    provider="nanonets",
    model="m",
    output="s3://outbox/rows",
    private="s3://private/headrace",
)


def attempt(number: int = 1, *, token: int | None = None, nonce: str | None = None) -> Note:
    """The note of one attempt; each has a nonce of its own."""
    lane = Lane("nanonets", "nanonets", "m")
    intent = Submission(
        KEY,
        f"{DOCUMENT.id}-1",
        lane,
        Mode.SYNC,
        SubmissionState.INTENDED,
        number,
        token if token is not None else number,
        NOW + timedelta(seconds=120),
    )
    run = Run(f"{DOCUMENT.id}-1", DOCUMENT, 1, State.ADMITTED, received_on="2026-11-20")
    return Note.of(intent, run=run, route=ROUTE, nonce=nonce or f"nonce-{number}", at=NOW)


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def notes(store) -> SubmissionNotes:
    return SubmissionNotes(store)


def test_the_first_attempt_may_send_and_its_note_says_all_that_a_rebuild_needs(store, notes):
    assert notes.fence(PRIVATE, attempt()) == Granted(attempt())
    note = json.loads(store.read("private", f"headrace/submissions/{KEY}.json"))
    assert note["document"] == {
        "bucket": "inbox",
        "key": "in/a.pdf",
        "etag": "abc",
        "version_id": "v1",
        "size": 10,
        "last_modified": "2026-11-20T12:00:00Z",
        "sequencer": "0055AED6DCD90281E5",
        "received": "2026-11-20",
    }
    assert (note["key"], note["run"], note["part"], note["attempt"], note["token"]) == (str(KEY), 1, "all", 1, 1)
    assert (note["route"], note["revision"], note["outcome"]) == ("invoices", ROUTE.revision, "none")
    assert note["send_before"] == "2026-11-20T12:02:00Z"


def test_an_attempt_without_outcome_stops_the_next_one(notes):
    notes.fence(PRIVATE, attempt(1))
    verdict = notes.fence(PRIVATE, attempt(2))
    assert isinstance(verdict, Doubt)
    assert "Attempt 1" in verdict.detail


def test_an_attempt_knows_its_own_note_again(notes):
    notes.fence(PRIVATE, attempt(1))
    assert notes.fence(PRIVATE, attempt(1)) == Granted(attempt(1))


def test_the_same_attempt_number_of_another_life_is_not_ones_own(notes):
    notes.fence(PRIVATE, attempt(1))
    assert isinstance(notes.fence(PRIVATE, attempt(1, nonce="of a ledger that forgot")), Doubt)


def test_after_a_certain_refusal_the_next_attempt_may_send(notes):
    notes.fence(PRIVATE, attempt(1))
    notes.refused(PRIVATE, attempt(1), Reason.RATE_LIMITED, NOW)
    assert notes.fence(PRIVATE, attempt(2)) == Granted(attempt(2))
    assert notes.read(PRIVATE, str(KEY)) == attempt(2)


def test_attempts_are_counted_on_from_the_note_where_the_ledger_forgot_some(notes):
    notes.fence(PRIVATE, attempt(7, token=7))
    notes.refused(PRIVATE, attempt(7, token=7), Reason.NOT_SENT, NOW)
    verdict = notes.fence(PRIVATE, attempt(1, token=8))
    assert isinstance(verdict, Granted)
    assert verdict.note.attempt == 8
    notes.accepted(PRIVATE, attempt(1, token=8), "job-1", NOW)
    assert notes.read(PRIVATE, str(KEY)).job == "job-1"


def test_an_accepted_job_is_adopted(notes):
    notes.fence(PRIVATE, attempt(1))
    notes.accepted(PRIVATE, attempt(1), "job-1", NOW)
    assert notes.fence(PRIVATE, attempt(2)) == Adopt("job-1")
    assert notes.fence(PRIVATE, attempt(1)) == Adopt("job-1")


def test_a_worker_that_lost_its_claim_does_not_follow_a_later_one(notes):
    notes.fence(PRIVATE, attempt(2, token=9))
    notes.refused(PRIVATE, attempt(2, token=9), Reason.RATE_LIMITED, NOW)
    assert isinstance(notes.fence(PRIVATE, attempt(1, token=3)), Doubt)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"key": 1}', b"\xff\xfe"])
def test_a_damaged_note_is_doubt(store, notes, body):
    store.put("private", f"headrace/submissions/{KEY}.json", body)
    assert isinstance(notes.fence(PRIVATE, attempt()), Doubt)


def test_an_acceptance_outweighs_a_refusal_that_comes_late(notes):
    notes.fence(PRIVATE, attempt(1))
    notes.accepted(PRIVATE, attempt(1), "job-1", NOW)
    notes.refused(PRIVATE, attempt(1), Reason.NOT_SENT, NOW)
    assert notes.fence(PRIVATE, attempt(2)) == Adopt("job-1")


def test_two_jobs_under_one_key_raise_an_alert_and_the_first_stays(notes):
    notes.fence(PRIVATE, attempt(1))
    notes.accepted(PRIVATE, attempt(1), "job-1", NOW)
    with capture_logs() as logs:
        notes.accepted(PRIVATE, attempt(1), "job-2", NOW)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("two truths under one key", "error")]
    note = notes.read(PRIVATE, str(KEY))
    assert (note.job, note.others) == ("job-1", ("job-2",))


def test_the_alert_is_told_to_whoever_notes_the_second_job_and_once(notes):
    notes.fence(PRIVATE, attempt(1))
    assert notes.accepted(PRIVATE, attempt(1), "job-1", NOW) is None
    assert "Two jobs under one key: job-2 beside job job-1" in notes.accepted(PRIVATE, attempt(1), "job-2", NOW)
    assert notes.accepted(PRIVATE, attempt(1), "job-2", NOW) is None
    assert notes.accepted(PRIVATE, attempt(1), "job-1", NOW) is None


def test_the_alert_is_told_although_the_store_answered_a_write_that_it_took_with_a_refusal(store, notes):
    notes.fence(PRIVATE, attempt(1))
    notes.accepted(PRIVATE, attempt(1), "job-1", NOW)
    alert = SubmissionNotes(WritesThenFails(store, PreconditionFailed)).accepted(PRIVATE, attempt(1), "job-2", NOW)
    assert alert is not None
    assert "Two jobs under one key" in alert
    assert notes.read(PRIVATE, str(KEY)).others == ("job-2",)


def outcome(note, **more):
    return note.model_copy(update=more)


@pytest.mark.parametrize("state", ["refused", "abandoned"])
def test_a_job_of_an_attempt_that_was_settled_otherwise_is_not_hidden(notes, state):
    notes.fence(PRIVATE, attempt(1))
    notes.conclude(PRIVATE, attempt(1), outcome(attempt(1), outcome=state, reason=Reason.NOT_TAKEN))
    with capture_logs() as logs:
        assert "turned out to be accepted as job job-1" in notes.accepted(PRIVATE, attempt(1), "job-1", NOW)
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert notes.fence(PRIVATE, attempt(2)) == Adopt("job-1")


def test_a_job_beside_a_later_attempt_is_noted_with_it(notes):
    notes.fence(PRIVATE, attempt(1))
    notes.refused(PRIVATE, attempt(1), Reason.NOT_TAKEN, NOW)
    notes.fence(PRIVATE, attempt(2))
    assert "beside attempt 2" in notes.accepted(PRIVATE, attempt(1), "job-1", NOW)
    note = notes.read(PRIVATE, str(KEY))
    assert (note.attempt, note.outcome, note.job, note.others) == (2, "none", None, ("job-1",))
    assert notes.accepted(PRIVATE, attempt(2), "job-2", NOW) is None


def test_only_the_attempt_that_was_looked_for_is_concluded(notes):
    notes.fence(PRIVATE, attempt(1))
    absent = outcome(attempt(1), outcome="refused", reason=Reason.NOT_TAKEN)
    assert notes.conclude(PRIVATE, attempt(1), absent) == absent
    assert notes.conclude(PRIVATE, attempt(1), outcome(attempt(1), outcome="abandoned")) == absent
    assert notes.fence(PRIVATE, attempt(2)) == Granted(attempt(2))
    assert notes.conclude(PRIVATE, attempt(1), absent) == attempt(2)


@pytest.mark.parametrize("body", [None, b"nonsense", b"{}"])
def test_a_note_that_is_gone_or_damaged_is_written_anew_when_it_is_concluded(store, notes, body):
    if body is not None:
        store.put("private", f"headrace/submissions/{KEY}.json", body)
    absent = outcome(attempt(1), outcome="refused", reason=Reason.NOT_TAKEN)
    assert notes.conclude(PRIVATE, attempt(1), absent) == absent
    assert notes.fence(PRIVATE, attempt(2)) == Granted(attempt(2))


def test_a_note_of_another_request_counts_as_damaged(store, notes):
    notes.fence(PRIVATE, attempt(1))
    other = store.read("private", f"headrace/submissions/{KEY}.json").replace(b"-all-1", b"-all-2")
    store.put("private", f"headrace/submissions/{KEY}.json", other)
    assert notes.read(PRIVATE, str(KEY)) is None


def test_nothing_is_sent_under_a_key_that_was_abandoned_or_given_up_by_the_provider(notes):
    notes.fence(PRIVATE, attempt(1))
    notes.conclude(PRIVATE, attempt(1), outcome(attempt(1), outcome="abandoned", reason=Reason.GIVEN_UP))
    assert notes.fence(PRIVATE, attempt(2)) == Over(Reason.GIVEN_UP, abandoned=True)


def test_what_the_provider_could_not_read_is_not_sent_again_under_its_key(notes):
    notes.fence(PRIVATE, attempt(1))
    notes.refused(PRIVATE, attempt(1), Reason.PREDICTION_FAILED, NOW)
    assert notes.fence(PRIVATE, attempt(2)) == Over(Reason.PREDICTION_FAILED, abandoned=False)


def test_the_outcome_of_a_replaced_attempt_does_not_touch_its_follower(notes):
    notes.fence(PRIVATE, attempt(1))
    notes.refused(PRIVATE, attempt(1), Reason.RATE_LIMITED, NOW)
    notes.fence(PRIVATE, attempt(2))
    with capture_logs() as logs:
        notes.refused(PRIVATE, attempt(1), Reason.NOT_SENT, NOW)
    assert logs[0]["event"] == "submission note replaced by another attempt"
    assert notes.read(PRIVATE, str(KEY)) == attempt(2)


def test_no_note_is_none(notes):
    assert notes.read(PRIVATE, str(KEY)) is None


def test_a_note_written_although_the_store_failed_is_found_again(store):
    notes = SubmissionNotes(WritesThenFails(store))
    assert notes.fence(PRIVATE, attempt(1)) == Granted(attempt(1))


def test_a_store_that_stays_away_grants_nothing(store):
    def away(call: str, key: str) -> None:
        raise StorageUnavailable("The store is away.")

    store.before = away
    with pytest.raises(StorageUnavailable):
        SubmissionNotes(store).fence(PRIVATE, attempt(1))


def test_of_racing_attempts_exactly_one_may_send(notes):
    for refused_before in (False, True):
        location = Location("private", f"race-{refused_before}")
        if refused_before:
            notes.fence(location, attempt(1))
            notes.refused(location, attempt(1), Reason.RATE_LIMITED, NOW)
        verdicts = []
        barrier = threading.Barrier(8)

        def fence(number: int, location=location, verdicts=verdicts, barrier=barrier) -> None:
            barrier.wait(10)
            verdicts.append(notes.fence(location, attempt(2, nonce=f"racer-{number}")))

        threads = [threading.Thread(target=fence, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sum(isinstance(verdict, Granted) for verdict in verdicts) == 1
        assert sum(isinstance(verdict, Doubt) for verdict in verdicts) == 7


class WritesThenFails:
    """A store whose first write is done and not answered; or was tried again by the client, and then refused."""

    def __init__(self, store: InMemoryStore, error: type[Exception] = StorageUnavailable) -> None:
        self._inner = store
        self._error = error
        self._failed = False

    def put(self, *args, **kwargs) -> str:
        etag = self._inner.put(*args, **kwargs)
        if not self._failed:
            self._failed = True
            raise self._error("The answer was lost.")
        return etag

    def __getattr__(self, name):
        return getattr(self._inner, name)


def test_how_an_attempt_ended_is_added_without_reading_what_was_just_written(store, notes):
    first = attempt()
    notes.fence(PRIVATE, first)
    notes.accepted(PRIVATE, first, "job-1", NOW)
    assert [call for call, _ in store.calls] == ["put", "put"]
    assert notes.read(PRIVATE, str(KEY)).job == "job-1"


def test_what_another_process_wrote_since_is_read_and_counts(store, notes):
    first = attempt()
    notes.fence(PRIVATE, first)
    SubmissionNotes(store).accepted(PRIVATE, first, "job-1", NOW)
    notes.refused(PRIVATE, first, Reason.RATE_LIMITED, NOW)
    standing = notes.read(PRIVATE, str(KEY))
    assert (standing.outcome, standing.job) == ("accepted", "job-1")


def test_a_note_that_was_taken_away_meanwhile_is_not_written_again(store, notes):
    first = attempt()
    notes.fence(PRIVATE, first)
    store.delete("private", f"headrace/submissions/{KEY}.json")
    notes.accepted(PRIVATE, first, "job-1", NOW)
    assert notes.read(PRIVATE, str(KEY)) is None
