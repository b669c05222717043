"""`headrace events`: what could not be read is found, shown safely, read again and forgotten."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from headrace.errors import StorageUnavailable
from headrace.ledger.parked import parked_event
from headrace.ledger.records import RunFilter
from tests.listener.doors import s3_message, s3_record
from workers.cli.exits import Exit

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
UNKNOWN = "0123456789abcdef"


@pytest.fixture
def park(headrace):
    """Parks messages, a minute apart; gives the id of each."""

    def parked(body: str | bytes, why: str = "It is no event.", message: str = "m1") -> str:
        at = NOON + timedelta(minutes=len(headrace.ledger.parked_ids()))
        kept = body if isinstance(body, bytes) else body.encode()
        event = parked_event("sqs.example/1/inbox", message, kept, why, at)
        headrace.ledger.park([event])
        return event.id

    return parked


def test_where_nothing_is_parked_it_says_so(headrace):
    assert headrace("events", "parked").stdout == "No message is parked.\n"
    assert json.loads(headrace("events", "parked", "--json").stdout) == {"messages": [], "more": False}


def test_parked_messages_are_listed_with_why_and_the_newest_first(headrace, park):
    first, second = park("{}", message="m1"), park("nö", why="It is not JSON.", message="m2")
    shown = headrace("events", "parked").stdout
    for words in (first, second, "sqs.example/1/inbox", "2026-11-20 12:01:00", "It is not JSON."):
        assert words in shown
    assert shown.index(second) < shown.index(first)
    told = json.loads(headrace("events", "parked", "--limit", "1", "--json").stdout)
    assert told["more"] is True
    assert told["messages"] == [
        {
            "id": second,
            "queue": "sqs.example/1/inbox",
            "message": "m2",
            "why": "It is not JSON.",
            "parked_at": "2026-11-20T12:01:00Z",
            "size_bytes": 3,
        }
    ]
    assert "These are the newest 1" in headrace("events", "parked", "--limit", "1").stdout


def test_a_message_is_shown_whole_and_nothing_in_it_reaches_the_terminal_as_it_is(headrace, park):
    one = park("first\nsecond \x1b]0;owned\x07 \u202ereversed\r\n".encode() + b"\xed\xa0\x80 \xc3")
    shown = headrace("events", "show", one).stdout
    assert shown.endswith("first\nsecond \\x1b]0;owned\\x07 \\u202ereversed\\r\n\\xed\\xa0\\x80 \\xc3\n")
    assert "why: It is no event." in shown
    told = json.loads(headrace("events", "show", one, "--json").stdout)
    assert (told["size_bytes"], told["body"].splitlines()[0]) == (42, "first")


@pytest.mark.parametrize("command", [["show"], ["replay"], ["forget", "--yes"]], ids=" ".join)
def test_what_is_not_parked_is_said_and_nothing_is_done(headrace, park, command):
    there = park(s3_message(s3_record("inbox", "local/a.pdf")))
    others = [] if command == ["show"] else [there]
    result = headrace("events", *command, *others, UNKNOWN)
    assert result.exit_code == Exit.FAILED
    assert f"no message {UNKNOWN} is parked" in result.stderr
    assert headrace.ledger.parked_ids() == [there]


@pytest.mark.parametrize("command", [["show"], ["replay"], ["forget", "--yes"]], ids=" ".join)
def test_the_beginning_of_an_id_is_enough_where_no_other_begins_so(headrace, park, command):
    ids = [park(s3_message(s3_record("inbox", "local/a.pdf")), message=f"m{number}") for number in range(20)]
    first = ids[0]
    length = next(n for n in range(1, 17) if sum(one.startswith(first[:n]) for one in ids) == 1)
    shared = next(one[0] for one in ids if sum(other.startswith(one[0]) for other in ids) > 1)
    result = headrace("events", *command, shared)
    assert result.exit_code == Exit.FAILED
    assert f"ids of parked messages begin with {shared}; write more of the one you mean." in result.stderr
    assert headrace("events", *command, "").exit_code == Exit.FAILED
    assert len(headrace.ledger.parked_ids()) == 20
    assert headrace("events", *command, first[:length]).exit_code == 0
    assert (first in headrace.ledger.parked_ids()) == (command == ["show"])


def test_replaying_records_what_a_route_takes_and_parks_no_longer_what_was_read_whole(headrace, park):
    park(s3_message(s3_record("inbox", "local/a+b.pdf"), s3_record("elsewhere", "c.pdf")))
    result = headrace("events", "replay", "--all")
    assert result.exit_code == 0
    assert "1 new document, 0 known already, 1 that no route takes." in result.stdout
    assert "1 message read, 0 parked as before." in result.stdout
    (run,) = headrace.ledger.runs(RunFilter(), limit=10)
    assert run.document.key == "local/a b.pdf"
    assert [hint.run_id for hint in headrace.hints.given] == [run.id]
    assert headrace.ledger.parked_ids() == []


def test_replaying_what_is_partly_unreadable_records_the_rest_and_keeps_it(headrace, park):
    one = park(s3_message(s3_record("inbox", "local/a.pdf"), s3_record("inbox", "local/b.pdf", etag=None)))
    other = park("no json", message="m2")
    result = headrace("events", "replay", one, other, "--json")
    assert result.exit_code == Exit.FAILED
    told = json.loads(result.stdout)
    assert (told["read"], told["stay_parked"]) == (0, 2)
    assert [each["object"] for each in told["messages"][0]["documents"]] == ["s3://inbox/local/a.pdf"]
    assert "JSON" in told["messages"][1]["why"]
    assert headrace.ledger.parked_ids() == [one, other]


def test_replaying_a_document_that_is_known_begins_no_second_run(headrace, park):
    document = headrace.drop("local/a.pdf")
    park(s3_message(s3_record("inbox", "local/a.pdf", etag=document.etag)))
    assert "0 new documents, 1 known already." in headrace("events", "replay", "--all").stdout
    assert len(headrace.ledger.runs(RunFilter(latest=False), limit=10)) == 1


def test_a_message_whose_object_cannot_be_looked_at_stays_parked(headrace, park):
    first = headrace.drop("local/a.pdf", b"A")
    headrace.drop("local/a.pdf", b"B")
    one = park(s3_message(s3_record("inbox", "local/a.pdf", etag=first.etag)))

    def away(_call, _key):
        raise StorageUnavailable("The store is away.")

    headrace.store.before = away
    result = headrace("events", "replay", one)
    assert result.exit_code == Exit.FAILED
    assert "It stays parked: The store is away." in result.stdout
    assert headrace.ledger.parked_ids() == [one]


@pytest.mark.parametrize("arguments", [[], ["--all", UNKNOWN]], ids=["neither", "both"])
def test_replay_wants_messages_or_all_of_them(headrace, arguments):
    result = headrace("events", "replay", *arguments)
    assert result.exit_code == Exit.USAGE
    assert "--all" in result.stderr


def test_a_message_is_forgotten_once_a_person_agrees(headrace, park):
    one, other = park("1"), park("2", message="m2")
    assert headrace("events", "forget", one).exit_code == Exit.USAGE
    assert headrace("events", "forget", one, answer="n\n").exit_code == Exit.FAILED
    assert headrace.ledger.parked_ids() == [one, other]
    result = headrace("events", "forget", one, answer="y\n")
    assert "Remove 1 message for good?" in result.stderr
    assert result.stdout.endswith("1 message removed.\n")
    assert json.loads(headrace("events", "forget", other, "--yes", "--json").stdout) == {"removed": 1}
    assert headrace.ledger.parked_ids() == []
