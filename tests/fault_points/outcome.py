"""What a case came to: runs, files and bill, in words that are the same for every case; and what was left open."""

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from headrace.ledger.claims import LEASE
from headrace.ledger.schema import leases, submissions
from headrace.states import State, SubmissionState
from tests.fault_points.world import OUT, PRIVATE, World

# When, by which attempt, under which number of the provider's, in which words: another time it is another.
_PASSING_FACTS = re.compile(
    r"_at$|^at$|^token$|^send_before$|^nonce$|^last_modified$|^sequence$|^revision$|^job$|^detail$|^received"
)
# What the provider gives every file, page, box and label: told apart, never equal.
_GIVEN_IDS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=PredictionImages/)\d+|(?<=revisions/)[0-9a-f]{12}"
)
# The number of a request of a part.
_N = re.compile(r"(?<=-all)-\d+")
# What a doctor that was killed in the middle leaves in either place: nobody reads it.
_DOCTORS = "/headrace-doctor-"
_DATE = re.compile(r"received=\d{4}-\d\d-\d\d")
_OPEN_SUBMISSIONS = (SubmissionState.INTENDED, SubmissionState.IN_DOUBT, SubmissionState.ACCEPTED)


def outcome(world: World) -> dict[str, Any]:
    """Everything that must be equal, disturbed or not."""
    names = _Names(world)
    return {
        "runs": [
            {
                "document": names.plain(f"{run.document.key} {run.document.etag}"),
                "number": run.number,
                "state": run.state,
                "reason": run.reason,
                "marks": list(run.marks),
                "pages": run.pages,
                "cost": run.cost,
                "published": run.published,
            }
            for run in world.runs()
        ],
        "files": _files(world, names),
        "bill": _bill(world, names),
        "spent": world.services.ledger.budgets_used([world.budget])[0].spent.pages,
    }


def _bill(world: World, names: "_Names") -> dict[str, dict[str, int]]:
    """How often each part of each run was billed, and for how many pages: whatever number its request had."""
    bill: dict[str, dict[str, int]] = {}
    for key, entry in world.bill().items():
        if names.is_ours(key):
            of_part = bill.setdefault(names.plain(key).rpartition("-")[0], {"billed": 0, "pages": 0})
            of_part["billed"] += entry["billed"]
            of_part["pages"] += entry["pages"]
    return bill


def open_ends(world: World) -> list[str]:
    """What a case must not leave behind once everything has ended, in words."""
    names = _Names(world)
    now = datetime.now(UTC)
    with world.database.connect() as connection:
        unsettled = connection.execute(
            select(submissions.c.key, submissions.c.state).where(submissions.c.state.in_(_OPEN_SUBMISSIONS))
        ).all()
        held = connection.execute(
            select(leases.c.name).where(leases.c.until > now + LEASE + timedelta(seconds=5))
        ).all()
    found = [
        *(f"the run {run.id} is {run.state} ({run.reason})" for run in world.runs() if not run.state.is_end),
        *(f"the run {run.id} is held ({run.reason})" for run in world.runs() if run.state is State.HELD),
        *(f"the run {run.id} has no manifest" for run in world.runs() if not run.published),
        *(f"the submission {row.key} is {row.state}" for row in unsettled),
        *(f"the poll group {group} is not ended" for group in world.open_poll_groups()),
        *(f"the lease {row.name} is held for longer than leases are" for row in held),
        *_open_notes(world),
        *_open_promises(world),
    ]
    return [names.plain(text) for text in found]


def _open_promises(world: World) -> list[str]:
    """Pages that are promised to a run still."""
    (used,) = world.services.ledger.budgets_used([world.budget])
    return [f"{used.reserved.pages} pages are promised"] if used.reserved.pages else []


def _open_notes(world: World) -> list[str]:
    """Notes that say of no attempt how it ended, though nothing is under way."""
    store = world.services.store
    found = []
    for page in store.list(PRIVATE, f"{world.name}/submissions/"):
        for head in page:
            note = json.loads(store.read(PRIVATE, head.key))
            if note["outcome"] == "none" and note["key"] not in _answered(world):
                found.append(f"the note {head.key} has no outcome")
    return found


def _answered(world: World) -> set[str]:
    """The submissions whose answer is stored: what their note says does not matter any more."""
    return {
        str(entry.key)
        for run in world.runs()
        for entry in world.services.ledger.submissions(run.id)
        if entry.state in (SubmissionState.ANSWERED, SubmissionState.REJECTED, SubmissionState.ABANDONED)
    }


def _files(world: World, names: "_Names") -> dict[str, Any]:
    """What is published, and the names of what is kept beside it: an answer has one shape at once, another later."""
    store = world.services.store
    heads = {
        bucket: [head for page in store.list(bucket, f"{world.name}/") for head in page] for bucket in (OUT, PRIVATE)
    }
    return {
        "published": {
            _DATE.sub("received=DAY", names.plain(head.key)): _content(head.key, store.read(OUT, head.key), names)
            # In the order of what every case calls them, for what is given a name is numbered as it comes.
            for head in sorted(heads[OUT], key=lambda head: names.plain(head.key))
            if _DOCTORS not in head.key
        },
        # The raw answer goes second; who dies in between leaves the prediction alone, which is what counts.
        "private": sorted(
            {
                _N.sub("-N", names.plain(head.key))
                for head in heads[PRIVATE]
                if not head.key.endswith("/raw.json.gz") and _DOCTORS not in head.key
            }
        ),
    }


def _content(key: str, body: bytes, names: "_Names") -> Any:
    """Rows exactly as they are; of JSON objects the facts that last."""
    text = names.plain((gzip.decompress(body) if key.endswith(".gz") else body).decode())
    if not key.endswith(".json"):
        return text
    return _lasting(json.loads(_DATE.sub("received=DAY", text)))


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(entry) for name, entry in value.items() if not _PASSING_FACTS.search(name)}
    return [_lasting(entry) for entry in value] if isinstance(value, list) else value


class _Names:
    """The names that are a case's own, and what every case calls them."""

    def __init__(self, world: World) -> None:
        self._plain = {world.name: "CASE"}
        for number, document in enumerate(dict.fromkeys(run.document for run in world.runs()), 1):
            self._plain[document.id] = f"DOCUMENT-{number}"
            self._plain.setdefault(document.object_id, f"OBJECT-{number}")
        self._given: dict[str, str] = {}
        self._pattern = re.compile("|".join(map(re.escape, sorted(self._plain, key=len, reverse=True))))

    def plain(self, text: str) -> str:
        known = self._pattern.sub(lambda found: self._plain[found[0]], text)
        return _GIVEN_IDS.sub(lambda found: self._given.setdefault(found[0], f"ID-{len(self._given)}"), known)

    def is_ours(self, submission_key: str) -> bool:
        return submission_key.partition("-")[0] in self._plain
