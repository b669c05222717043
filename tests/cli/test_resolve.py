"""`headrace resolve` shows what is in doubt, and does what a person decides, and says what that costs."""

import json
import re

import pytest

from headrace.clock import SystemClock
from headrace.document import SubmissionKey
from headrace.errors import ConfigurationError, PredictionRejected, ProviderUnavailable
from headrace.ledger.records import LookedFor
from headrace.providers import Known
from headrace.states import Reason, State, SubmissionState
from headrace.storage import Location
from headrace.storage.notes import Note, SubmissionNotes
from workers.cli.exits import Exit

A, B = "nanonets/a.pdf", "nanonets/sub/b.pdf"
OTHER = SubmissionKey("f" * 32, 1, "nanonets", "all", 1)


@pytest.fixture(autouse=True)
def _marker(headrace):
    headrace.marker_stands()


def run_of(headrace, key: SubmissionKey):
    return headrace.ledger.run(f"{key.document}-{key.run}")


def request_of(headrace, key):
    return headrace.ledger.request(key).submission


def note_of(headrace, key):
    return SubmissionNotes(headrace.store).read(Location("private", "headrace"), str(key))


def told(headrace, *arguments):
    result = headrace("resolve", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# Looking.


def test_without_a_choice_it_shows_what_is_in_doubt_since_when_and_until_when(headrace):
    waiting, held = headrace.doubt(A), headrace.doubt(B, why=Reason.WORKER_DIED, held=True)
    result = headrace("resolve")
    assert result.exit_code == 0
    for key, address in ((waiting, A), (held, B)):
        (line,) = [line for line in result.stdout.splitlines() if str(key) in line]
        assert f"s3://inbox/{address}" in line
        assert "nanonets/nanonets/samples" in line
    assert re.search(r"waiting \(in_doubt, until (?:[-\d]{10} )?\d\d:\d\d UTC\)", result.stdout)
    assert "The provider is to be asked." in result.stdout
    assert "The provider cannot say." in result.stdout
    assert "1 request will be settled without you where the provider tells; else held for you." in result.stdout
    assert "1 request held: nothing happens until you say" in result.stdout
    assert (run_of(headrace, waiting).state, run_of(headrace, held).state) == (State.WAITING, State.HELD)


def test_a_script_is_told_the_same(headrace):
    key = headrace.doubt(A)
    (found,) = told(headrace)["in_doubt"]
    assert found["submission"]["key"] == str(key)
    assert (found["state"], found["reason"], found["submission"]["reason"]) == ("waiting", "in_doubt", "timed_out")
    assert found["until"] == found["due_at"] is not None
    assert (found["looks"], found["absent_since"]) == (0, None)


def test_nothing_in_doubt_is_no_failure(headrace):
    assert headrace("resolve").stdout == "Nothing is in doubt.\n"
    assert told(headrace) == {"in_doubt": []}
    result = headrace("resolve", "--give-up", "--yes")
    assert (result.exit_code, result.stderr) == (0, "No request in doubt matches.\n")


@pytest.mark.parametrize(
    "narrowed",
    [
        ["--reason", "worker_died"],
        ["--prefix", "s3://inbox/nanonets/sub/"],
        [f"s3://inbox/{B}"],
    ],
)
def test_only_what_matches_is_meant(headrace, narrowed):
    headrace.doubt(A)
    meant = headrace.doubt(B, why=Reason.WORKER_DIED)
    assert [one["submission"]["key"] for one in told(headrace, *narrowed)["in_doubt"]] == [str(meant)]


def test_a_document_and_a_request_can_be_named(headrace):
    first, second = headrace.doubt(A), headrace.doubt(B)
    keys = [one["submission"]["key"] for one in told(headrace, first.document, str(second))["in_doubt"]]
    assert keys == [str(first), str(second)]


def test_what_an_earlier_run_left_in_doubt_is_shown_too(headrace):
    key = headrace.doubt(A, held=True)
    headrace.ledger.reprocess([key.document], by="test")
    assert [one["submission"]["key"] for one in told(headrace)["in_doubt"]] == [str(key)]


# Deciding.


def test_a_job_is_adopted_and_nothing_is_sent(headrace):
    key = headrace.doubt(A, held=True)
    result = headrace("resolve", str(key), "--adopt", "job-7", answer="y\n")
    assert result.exit_code == 0, result.output
    assert "Nothing is sent, and nothing more is paid" in result.stderr
    assert f"s3://inbox/{A}: adopted." in result.stdout
    assert run_of(headrace, key).state is State.ADMITTED
    assert (request_of(headrace, key).state, request_of(headrace, key).job) == (SubmissionState.ACCEPTED, "job-7")
    assert (note_of(headrace, key).outcome, note_of(headrace, key).job) == ("accepted", "job-7")
    assert [hint.run_id for hint in headrace.hints.given] == [run_of(headrace, key).id]


def test_many_are_adopted_from_a_file(headrace):
    first, second = headrace.doubt(A), headrace.doubt(B, held=True)
    (headrace.folder / "jobs").write_text(f"# key, job\n{first}, job-1\n\n{second}\tjob-2  # found by hand\n")
    result = headrace("resolve", "--adopt-file", str(headrace.folder / "jobs"), "--yes", "--json")
    assert result.exit_code == 0, result.output
    settled = json.loads(result.stdout)["settled"]
    assert [(one["submission"], one["ending"]) for one in settled] == [
        (str(first), "adopted"),
        (str(second), "adopted"),
    ]
    assert [request_of(headrace, key).job for key in (first, second)] == ["job-1", "job-2"]


@pytest.mark.parametrize("held", [False, True])
def test_the_provider_is_asked_again_without_a_question_since_it_costs_nothing(headrace, held):
    key = headrace.doubt(A, held=held)
    result = headrace("resolve", "--ask")
    assert result.exit_code == 0, result.output
    assert f"s3://inbox/{A}: asked again." in result.stdout
    run, request = run_of(headrace, key), request_of(headrace, key)
    assert (run.state, run.reason) == (State.WAITING, Reason.IN_DOUBT)
    assert (request.state, request.looks) == (SubmissionState.IN_DOUBT, 0)
    assert request.look_at <= SystemClock().now()
    assert headrace.hints.lanes == [request.lane]


def test_what_keeps_the_provider_from_being_asked_is_shown(headrace):
    key = headrace.doubt(A)
    now = SystemClock().now()
    headrace.ledger.note_looks([LookedFor(request_of(headrace, key), now, now, None, detail="The key is refused.")])
    assert "Asked 1 time. The key is refused." in headrace("resolve").stdout
    assert "The key is refused." in headrace("status", key.document).stdout


def test_what_is_sent_again_is_priced_and_goes_out_under_the_next_key(headrace):
    key = headrace.doubt(A)
    result = headrace("resolve", "--route", "nanonets", "--resend", answer="y\n")
    assert result.exit_code == 0, result.output
    assert "charged a SECOND time" in result.stderr
    assert "To be sent again: 1 run, 4 pages; at most 0.4 USD is charged for these." in result.stderr
    assert "1 run in doubt may be paid a second time." in result.stderr
    run = run_of(headrace, key)
    assert (run.state, run.reason) == (State.WAITING, None)
    assert request_of(headrace, key).state is SubmissionState.ABANDONED
    assert note_of(headrace, key).outcome == "abandoned"


def test_what_is_given_up_fails_and_says_so(headrace):
    key = headrace.doubt(A, held=True)
    result = headrace("resolve", key.document, "--give-up", "--yes")
    assert result.exit_code == 0, result.output
    assert "What the provider took stays charged" in result.stderr
    run = run_of(headrace, key)
    assert (run.state, run.reason) == (State.FAILED, Reason.GIVEN_UP)
    assert request_of(headrace, key).state is SubmissionState.ABANDONED
    assert note_of(headrace, key).outcome == "abandoned"


@pytest.mark.parametrize("choice", [["--adopt", "job-7"], ["--resend"], ["--give-up"]])
def test_a_person_is_asked_first_and_may_say_no(headrace, choice):
    key = headrace.doubt(A)
    refused = headrace("resolve", *choice, answer="n\n")
    assert (refused.exit_code, "Nothing was done." in refused.stderr) == (Exit.FAILED, True)
    alone = headrace("resolve", *choice)
    assert (alone.exit_code, "--yes" in alone.stderr) == (Exit.USAGE, True)
    assert request_of(headrace, key).state is SubmissionState.IN_DOUBT


def test_a_dry_run_changes_nothing_and_says_what_it_may_cost(headrace):
    key = headrace.doubt(A)
    assert str(key) in headrace("resolve", "--resend", "--dry-run").stdout
    facts = told(headrace, "--resend", "--dry-run")
    assert (facts["choice"], facts["requests"], facts["settled"]) == ("resend", [str(key)], [])
    assert facts["cost_at_most"] == {"USD": "0.40"}
    assert request_of(headrace, key).state is SubmissionState.IN_DOUBT
    assert headrace.hints.given == []


def test_an_answer_that_turned_up_meanwhile_is_used_rather_than_paid_again(headrace):
    key = headrace.doubt(A)
    run = run_of(headrace, key)
    notes, place = SubmissionNotes(headrace.store), Location("private", "headrace")
    route = headrace.ledger.route_at(run.revision)
    granted = notes.fence(place, notes_of(request_of(headrace, key), run, route))
    notes.accepted(place, granted.note, "job-9", run.updated_at)
    result = headrace("resolve", str(key), "--resend", "--yes")
    assert result.exit_code == 0, result.output
    assert "adopted" in result.stdout
    assert request_of(headrace, key).job == "job-9"


def notes_of(request, run, route):
    return Note.of(request, run=run, route=route, nonce="0" * 16, at=run.updated_at)


# Mistakes.


def test_a_job_that_is_another_documents_is_refused(headrace):
    first, second = headrace.doubt(A), headrace.doubt(B)
    headrace("resolve", str(first), "--adopt", "job-1", "--yes")
    result = headrace("resolve", str(second), "--adopt", "job-1", "--yes")
    assert result.exit_code == Exit.FAILED
    assert f"the job job-1 is that of {first}, another document's request" in result.stderr
    assert request_of(headrace, second).state is SubmissionState.IN_DOUBT


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (None, "the provider has no job job-7 of the model samples"),
        (Known(frozenset({OTHER})), f"the job job-7 is that of another request: {OTHER}, of a document that the"),
        (PredictionRejected("The key is refused.", Reason.KEY_REFUSED), "could not be asked: The key is refused."),
        (ProviderUnavailable("It is away."), "could not be asked: It is away. Nothing is lost"),
        (ConfigurationError("There is no API key."), "could not be asked: There is no API key."),
    ],
)
def test_a_job_that_the_provider_does_not_have_for_this_request_is_refused(headrace, known, why):
    first, second = headrace.doubt(A), headrace.doubt(B, held=True)
    headrace.paid.jobs["job-7"] = known
    (headrace.folder / "jobs").write_text(f"{first} job-1\n{second} job-7\n")
    result = headrace("resolve", "--adopt-file", str(headrace.folder / "jobs"), "--yes")
    assert result.exit_code == Exit.FAILED
    assert "nothing was done" in result.stderr
    assert f"{second}: " in result.stderr
    assert why in result.stderr
    assert {request_of(headrace, key).state for key in (first, second)} == {SubmissionState.IN_DOUBT}


def test_a_job_that_carries_another_documents_key_is_refused_with_that_documents_name(headrace):
    first, second = headrace.doubt(A), headrace.doubt(B)
    headrace.paid.jobs["job-7"] = Known(frozenset({first}))
    result = headrace("resolve", str(second), "--adopt", "job-7", "--yes")
    assert result.exit_code == Exit.FAILED
    assert f"that of another request: {first}, of s3://inbox/{A}." in result.stderr
    assert headrace("resolve", str(first), "--adopt", "job-7", "--yes").exit_code == 0


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("0" * 32, "the ledger knows nothing of it"),
        ("s3://inbox/nanonets/none.pdf", "the ledger knows nothing of it"),
        (f"{'0' * 32}-1-nanonets-all-1", "the ledger knows no such request"),
        (f"s3://inbox/{B}", "nothing of it is in doubt"),
    ],
)
def test_what_is_not_in_doubt_is_refused_and_nothing_is_done_to_the_others(headrace, named, why):
    key = headrace.doubt(A)
    headrace.drop(B)
    result = headrace("resolve", str(key), named, "--give-up", "--yes")
    assert result.exit_code == Exit.FAILED
    assert "nothing was done" in result.stderr
    assert f"{named}: {why}" in result.stderr
    assert request_of(headrace, key).state is SubmissionState.IN_DOUBT


def test_a_request_whose_doubt_has_ended_is_named_with_its_state(headrace):
    key = headrace.doubt(A)
    headrace("resolve", str(key), "--adopt", "job-1", "--yes")
    result = headrace("resolve", str(key), "--resend", "--yes")
    assert result.exit_code == Exit.FAILED
    assert f"{key}: it is not in doubt: it is accepted." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--resend", "--give-up"], "Only one of"),
        (["--adopt", "job-1"], "2 in doubt match"),
        (["--adopt", "two words", f"s3://inbox/{A}"], "is no job id"),
        (["--adopt-file", "no-such-file"], "cannot be read"),
        (["something"], "neither s3://bucket/key"),
        ([f"s3://inbox/{A}", "--route", "nanonets"], "or narrow it"),
    ],
)
def test_a_command_that_means_nothing_certain_is_refused(headrace, arguments, why):
    keys = [headrace.doubt(A), headrace.doubt(B)]
    result = headrace("resolve", *arguments, "--yes")
    assert result.exit_code == Exit.USAGE
    assert why in " ".join(result.stderr.split())
    assert {request_of(headrace, key).state for key in keys} == {SubmissionState.IN_DOUBT}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("{key}", "line 1 is no submission key and job id"),
        ("{key} job-1\nnonsense job-2", "line 2 is no submission key and job id"),
        ("{key} job-1\n{key} job-2", "line 2 names a key or a job a second time"),
        ("{key} job-\u00e9", "line 1 is no submission key and job id"),
    ],
)
def test_a_file_with_a_wrong_line_is_refused_as_a_whole(headrace, lines, why):
    key = headrace.doubt(A)
    (headrace.folder / "jobs").write_text(lines.format(key=key), encoding="latin-1")
    result = headrace("resolve", "--adopt-file", str(headrace.folder / "jobs"), "--yes")
    assert result.exit_code == Exit.USAGE
    assert why in " ".join(result.stderr.split())
    assert request_of(headrace, key).state is SubmissionState.IN_DOUBT


# Elsewhere.


def test_status_shows_until_when_doubt_lasts(headrace):
    key = headrace.doubt(A)
    counts = headrace("status").stdout
    assert re.search(r"waiting +in_doubt, until (?:[-\d]{10} )?\d\d:\d\d UTC +nanonets", counts)
    assert re.search(
        r"Run 1: waiting \(in_doubt, until (?:[-\d]{10} )?\d\d:\d\d UTC\)", headrace("status", key.document).stdout
    )
    assert re.search(r"in_doubt, until (?:[-\d]{10} )?\d\d:\d\d UTC", headrace("status", "--state", "waiting").stdout)
    (count,) = json.loads(headrace("status", "--json").stdout)["counts"]
    assert count["until"] is not None


def test_a_job_of_another_account_is_another_job(headrace):
    key = headrace.doubt(A)
    request = request_of(headrace, key)
    headrace("resolve", str(key), "--adopt", "job-1", "--yes")
    assert headrace.ledger.requests_of_jobs(request.lane, ["job-1", "job-2"]) == {"job-1": key}
    assert headrace.ledger.requests_of_jobs(request.lane._replace(account="other"), ["job-1"]) == {}
