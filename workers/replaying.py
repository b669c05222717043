"""Parked messages, read once more with today's reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from headrace.document import Document
from headrace.errors import LedgerError, LedgerUnavailable, StorageError, StorageUnavailable
from headrace.ledger.records import Hint, ParkedEvent, Recorded
from workers.comebacks import Comebacks
from workers.reading import read_message

if TYPE_CHECKING:
    from tasks.services import Services

log = structlog.get_logger()


@dataclass(frozen=True)
class Replayed:
    """What a parked message told this time. `why` says why it stays parked; None where it was removed."""

    id: str
    recorded: Sequence[Recorded]
    untaken: Sequence[Document]
    why: str | None


def replay(event: ParkedEvent, services: "Services") -> Replayed:
    """Record and hint the message's documents that a route takes; remove it where all of it was read and recorded.

    Raises LedgerUnavailable; whatever else is in the way is a reason to keep the message.
    """
    ledger = services.ledger
    reading = read_message(event.body, services.routes)
    reasons = [] if reading.why is None else [reading.why]
    comebacks = Comebacks(ledger, services.store, {document.id for document in reading.documents})
    recorded: list[Recorded] = []
    for told in reading.documents:
        try:
            recorded += ledger.record([comebacks.completed(told)])
        except LedgerUnavailable:
            raise
        except (StorageUnavailable, StorageError, LedgerError) as error:
            reasons.append(str(error))
    services.hints.hint_all([Hint(one.run_id, one.hint) for one in recorded if one.hint is not None])
    if not reasons:
        ledger.forget_parked([event.id])
    log.info("parked message replayed", parked=event.id, documents=len(recorded), stays=bool(reasons))
    return Replayed(event.id, recorded, reading.untaken, " ".join(reasons) or None)
