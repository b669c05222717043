"""What a message tells us: the documents in it that a route takes, and whether that is all of it."""

from dataclasses import dataclass

import structlog

from config.routes import RouteTable
from headrace.document import Document
from headrace.errors import UnreadableEvent
from headrace.events import read_notification

log = structlog.get_logger()


@dataclass(frozen=True)
class Reading:
    """The documents that a route takes and those that none takes; `ignored` says what else the message tells.

    `why` says why the message must be kept for a person: it is no event, or a part of it cannot be read. It is None
    where all of it was understood.
    """

    documents: tuple[Document, ...] = ()
    untaken: tuple[Document, ...] = ()
    ignored: tuple[str, ...] = ()
    why: str | None = None


def read_message(body: str | bytes, routes: RouteTable) -> Reading:
    """Read a message's body, whatever it is; nothing is raised."""
    try:
        told = read_notification(body)
    except UnreadableEvent as error:
        return Reading(why=str(error))
    except Exception as error:
        # Whoever can write to the queue must not be able to end the listener.
        log.exception("event reader failed")
        return Reading(why=f"The reader of events failed, which is a fault in headrace: {type(error).__name__}.")
    return Reading(
        documents=tuple(each for each in told.created if _is_taken(each, routes)),
        untaken=tuple(each for each in told.created if not _is_taken(each, routes)),
        # An object that was removed needs no record: whoever is to read it finds that it is gone.
        ignored=(*told.ignored, *("The object was removed." for _ in told.removed)),
        why=" ".join(told.unreadable) or None,
    )


def _is_taken(document: Document, routes: RouteTable) -> bool:
    return any(route.takes(document.bucket, document.key) for route in routes.routes)
