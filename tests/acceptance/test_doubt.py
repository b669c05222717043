"""A worker is killed while a paid request is at the provider: its document is found there, and paid once."""

import signal

import httpx
import pytest

from config.settings import load_settings
from headrace.ledger.records import RunFilter
from headrace.states import Reason, State, SubmissionState
from headrace.storage import Location
from tests.acceptance.stack import PROJECT, Stack, wait_until
from workers.factory import build_services

pytestmark = [pytest.mark.proof, pytest.mark.timeout(400)]

PRIVATE = Location.parse("s3://outbox-private/headrace")
ROUTES = f"""
[[routes]]
name = "paid"
bucket = "inbox"
prefix = "paid/"
provider = "nanonets"
model = "invoices"
output = "s3://outbox/rows"
private = "{PRIVATE}"

[routes.poll]
first_seconds = 1
longest_seconds = 2
polls = 30
"""
CUT_OFF, OTHER, UNTOLD = "invoice-plain.pdf", "credit-note.pdf", "statement.pdf"
# On a busy machine the simulator reads a document for longer than the list may lag behind here: it lists it before.
LISTED_AT_ONCE = {"pending": "pages"}
# Far longer than the rest of the test takes: the answer certainly is not there before the kill.
SLOW = {"do": "slow", "seconds": 300, "on": "submit", "file": CUT_OFF, "variants": LISTED_AT_ONCE}
# The connection breaks after the document was taken and billed, and the list tells its file without our key.
CUT = {"do": "cut", "on": "submit", "file": UNTOLD, "variants": {**LISTED_AT_ONCE, "metadata": "blank"}}

LONGEST_SECONDS = 120


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """A stack whose worker was killed after the simulator took and billed one document, and before it answered."""
    folder = tmp_path_factory.mktemp("doubt")
    (folder / "headrace.toml").write_text(ROUTES)
    stack = Stack(folder)
    stack.environ |= {"HEADRACE_SEND_SECONDS": "12", "HEADRACE_SETTLE_SECONDS": "8"}
    with stack.running() as process:
        wait_until(lambda: "Staying up" in stack.told(), 120)
        order(stack, SLOW)
        samples = [str(PROJECT / "samples" / "documents" / name) for name in (CUT_OFF, OTHER)]
        dropped = stack.headrace("drop", *samples, "s3://inbox/paid/")
        assert dropped.returncode == 0, dropped.stderr
        wait_until(lambda: state_of(stack, OTHER) is State.EXPORTED and len(stack.billed()) == 2, 90)
        stack.kill("worker-threads")
        # That the kill came between the note and the noted answer is no matter of luck: here it is seen.
        (submission,) = submissions_of(stack, CUT_OFF)
        note = build_services(load_settings(stack.settings())).notes.read(PRIVATE, str(submission.key))
        assert submission.state is SubmissionState.INTENDED
        assert (note.outcome, note.job) == ("none", None)
        assert stack.billed()[str(submission.key)] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(LONGEST_SECONDS) == 0, stack.told()
    return stack


def run_of(stack, name):
    return next((run for run in stack.ledger().runs(RunFilter(), limit=10) if run.document.key == f"paid/{name}"), None)


def state_of(stack, name):
    run = run_of(stack, name)
    return run and run.state


def submissions_of(stack, name):
    return stack.ledger().submissions(run_of(stack, name).id)


def order(stack, fault):
    simulator = stack.settings()["HEADRACE_NANONETS_BASE_URL"].removesuffix("/api/v2")
    ordered = httpx.post(f"{simulator}/simulator/faults", json=fault, trust_env=False)
    assert ordered.is_success, ordered.text


def test_the_document_is_found_at_the_provider_and_its_answer_exported(cut_off):
    already_told = len(cut_off.told())
    with cut_off.running("--once") as process:
        assert process.wait(LONGEST_SECONDS) == 0, cut_off.told()
    told = cut_off.told()[already_told:]
    assert f"paid/{CUT_OFF}: 1 page, route paid, sync, exported" in told
    assert "2 documents" in told
    assert [state_of(cut_off, name) for name in (CUT_OFF, OTHER)] == [State.EXPORTED, State.EXPORTED]
    assert "doubt settled" in [entry.event for entry in history_of(cut_off, CUT_OFF)]
    assert [entry.job is not None for entry in submissions_of(cut_off, CUT_OFF)] == [True]
    assert list(cut_off.billed().values()) == [1, 1]
    assert cut_off.left_running() == []


def test_what_the_provider_cannot_tell_is_held_and_a_person_finds_it_with_its_reason(cut_off):
    already_told = len(cut_off.told())
    with cut_off.running() as process:
        wait_until(lambda: "Staying up" in cut_off.told()[already_told:], 120)
        order(cut_off, CUT)
        dropped = cut_off.headrace("drop", str(PROJECT / "samples" / "documents" / UNTOLD), "s3://inbox/paid/")
        assert dropped.returncode == 0, dropped.stderr
        wait_until(lambda: state_of(cut_off, UNTOLD) is State.HELD, 90)
        listed = cut_off.headrace("status", "--state", State.HELD)
        process.send_signal(signal.SIGINT)
        assert process.wait(LONGEST_SECONDS) == 0, cut_off.told()
    assert listed.returncode == 0, listed.stderr
    assert f"s3://inbox/paid/{UNTOLD}" in listed.stdout
    assert "in_doubt" in listed.stdout
    held = run_of(cut_off, UNTOLD)
    assert "a file of this name without a key" in held.detail
    assert [(entry.state, entry.reason) for entry in submissions_of(cut_off, UNTOLD)] == [
        (SubmissionState.IN_DOUBT, Reason.CONNECTION_CUT)
    ]
    assert list(cut_off.billed().values()) == [1, 1, 1]


def history_of(stack, name):
    return stack.ledger().history(run_of(stack, name).document.id)
