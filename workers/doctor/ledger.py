"""The ledger: reachable, its tables current, and the bucket's own."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from headrace.errors import ForeignLedger, HeadraceError, LedgerError
from headrace.storage import Location
from workers.doctor.findings import Finding, ok, wrong

if TYPE_CHECKING:
    from headrace.ledger import Ledger
    from headrace.ledger.marker import Marker

SUBJECT = "ledger"


def examine_ledger(ledger: "Ledger") -> Iterator[Finding]:
    """Ask it something cheap."""
    try:
        ledger.check()
        identity = ledger.identity()
    except LedgerError as error:
        yield wrong(SUBJECT, str(error), "Start the database, correct HEADRACE_LEDGER_URL, or run `headrace migrate`.")
    else:
        yield ok(SUBJECT, f"It answers, and its tables are current (id {identity.id}, sequence {identity.sequence}).")


def examine_markers(marker: "Marker", privates: Iterable[Location]) -> Iterator[Finding]:
    """Compare the ledger with the marker that each private prefix holds."""
    for location in sorted(privates):
        subject = f"marker {location}"
        try:
            marker.check(location)
        except ForeignLedger as error:
            yield wrong(subject, str(error), "Use the ledger that belongs to this bucket, or another private prefix.")
        except HeadraceError as error:
            yield wrong(subject, str(error), "Mend the ledger and the store first, then look again.")
        else:
            yield ok(subject, "It names this ledger.")
