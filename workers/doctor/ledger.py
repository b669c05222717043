"""The ledger: reachable, its tables current, and the bucket's own."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from headrace.errors import HeadraceError, LedgerError, ObjectNotFound
from headrace.storage import Location, ObjectStore
from workers.doctor.findings import Finding, advice, ok, wrong

if TYPE_CHECKING:
    from headrace.ledger import Ledger
    from headrace.ledger.marker import Marker

SUBJECT = "ledger"
PARKED = "parked messages"


def examine_ledger(ledger: "Ledger") -> Iterator[Finding]:
    """Ask it something cheap, and what is parked in it."""
    try:
        ledger.check()
        identity = ledger.identity()
        parked = ledger.parked_count()
    except LedgerError as error:
        yield wrong(SUBJECT, str(error), "docs/operations.md says what the ledger needs.")
        return
    yield ok(SUBJECT, f"It answers, and its tables are current (id {identity.id}, sequence {identity.sequence}).")
    yield judge_parked(parked)


def judge_parked(parked: int) -> Finding:
    """What it means that so many messages of the queues could not be read."""
    if not parked:
        return ok(PARKED, "No message of a queue waits to be read by a person.")
    from headrace.ledger.parked import MOST_PARKED_WHOLE

    if parked >= MOST_PARKED_WHOLE:
        return wrong(
            PARKED,
            f"{parked} messages of the queues could not be read and are parked. Of each further one only the beginning "
            "is kept, and it is left in its queue.",
            "Look who writes to the queues. `headrace events forget` makes room, `headrace events replay` reads again.",
        )
    which = "1 message of a queue" if parked == 1 else f"{parked} messages of the queues"
    return advice(
        PARKED,
        f"{which} could not be read, wholly or in part, and may tell of documents.",
        "`headrace events parked` lists what is parked, `headrace events replay` reads it again.",
    )


def examine_markers(marker: "Marker", store: ObjectStore, privates: Iterable[Location]) -> Iterator[Finding]:
    """Compare the ledger with the marker that each private prefix holds."""
    from headrace.ledger.marker import NAME

    for location in sorted(privates):
        subject = f"marker {location}"
        try:
            store.head(location.bucket, location.key(NAME))
            marker.check(location)
        except ObjectNotFound:
            yield advice(
                subject,
                "There is none, so nothing is submitted yet.",
                "Where nothing was ever paid from here, the first worker that starts writes it.",
            )
        except HeadraceError as error:
            yield wrong(subject, str(error), "docs/operations.md tells about markers.")
        else:
            yield ok(subject, "It names this ledger.")
