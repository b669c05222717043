"""A content that is not there any more when a step comes to read it: is that the end of its run?"""

from datetime import datetime, timedelta
from typing import Any

from headrace.document import Document
from headrace.errors import DocumentGone, DocumentReplaced, ObjectNotFound
from headrace.ledger.records import Advance, Run
from headrace.states import State
from tasks.services import Services
from tasks.step import Held, hand_back

# LastModified has whole seconds: what is dropped again within the second that it was dropped in looks like the first
# drop, and no listing tells of it. After this long it cannot be within that second any more.
SAME_SECOND = timedelta(seconds=2)


def end_unread(held: Held, error: DocumentGone | DocumentReplaced, facts: dict[str, Any] | None = None) -> None:
    """End the run as removed or superseded, unless the content may lie there again: then it is looked at again."""
    lies_again = isinstance(error, DocumentReplaced) and _record_what_is_there(held.services, held.document)
    if lies_again or (isinstance(error, DocumentGone) and _is_just_told(held.run, held.services.clock.now())):
        hand_back(held, SAME_SECOND, str(error))
        return
    state = State.SUPERSEDED if isinstance(error, DocumentReplaced) else State.REMOVED
    held.advance(Advance(state, error.reason, str(error), facts=facts or {}))


def _is_just_told(run: Run, now: datetime) -> bool:
    """Whether the drop that was told of may be of a second that still lasts."""
    moments = (run.created_at, run.document.last_modified)
    told = [moment for moment in moments if moment is not None and moment <= now]
    return bool(told) and now - max(told) < SAME_SECOND


def _record_what_is_there(services: Services, document: Document) -> bool:
    """Take up the content that replaced a document's, in case no event tells of it.

    Whether it is the very content that was replaced a moment ago.
    """
    try:
        head = services.store.head(document.bucket, document.key)
    except ObjectNotFound:
        return False
    now_there = Document(
        document.bucket, document.key, head.etag, head.size, head.last_modified, version_id=head.version_id
    )
    for recorded in services.ledger.record([now_there]):
        if recorded.hint is not None:
            services.hints.hint(recorded.run_id, recorded.hint)
    return now_there.id == document.id
