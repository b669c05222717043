"""Everything that is judged of one S3 key: pure functions over what was gathered."""

from collections.abc import Iterator
from datetime import datetime

from headrace.document import Document
from headrace.states import State
from workers.verify.facts import ObjectFacts
from workers.verify.findings import Code, Finding
from workers.verify.payments import check_payments
from workers.verify.publications import check_publications

# Ends in which it is known already that the object was gone, or another lay there.
_KNOWN_TO_BE_GONE = frozenset({State.REMOVED, State.SUPERSEDED})


def check_object(facts: ObjectFacts, told_before: datetime) -> list[Finding]:
    """All that does not add up about one S3 key. What was dropped after `told_before` nobody need know of yet."""
    return [
        *_check_source(facts, told_before),
        *_check_revisions(facts),
        *check_payments(facts),
        *check_publications(facts),
    ]


def _check_source(facts: ObjectFacts, told_before: datetime) -> Iterator[Finding]:
    """Whether what lies in the bucket is what the ledger takes for current."""
    current = next((one for one in facts.record.documents if one.id == facts.record.current), None)
    if current is None:
        return
    if facts.there is None:
        runs = [one.run for one in facts.runs if one.run.document.id == current.id]
        known = facts.record.gone_at is not None or (bool(runs) and runs[-1].state in _KNOWN_TO_BE_GONE)
        if not known and facts.is_quiet:
            yield Finding(Code.OBJECT_GONE, current.url, "nothing lies there", f"eTag {current.etag}", current.id)
        return
    there = Document(current.bucket, current.key, facts.there.etag)
    if there.id == current.id or facts.there.last_modified > told_before:
        return
    is_known = any(one.id == there.id for one in facts.record.documents)
    found = f"eTag {there.etag}, {'an earlier content' if is_known else 'of which the ledger does not know'}"
    code = Code.NOT_CURRENT if is_known else Code.OBJECT_UNKNOWN
    yield Finding(code, current.url, found, f"eTag {current.etag}, as in the ledger", there.id)


def _check_revisions(facts: ObjectFacts) -> Iterator[Finding]:
    for one in facts.runs:
        if one.run.revision is not None and one.route is None:
            found = f"the ledger has no readable revision {one.run.revision} of the route {one.run.route}"
            document = one.run.document
            yield Finding(Code.REVISION_LOST, document.url, found, "the route as it was", document.id, one.run.id)
