"""The record of every document, run, submission and what happened (SQL): SQLite or PostgreSQL."""

from headrace.ledger.claims import Claims
from headrace.ledger.dispatch import Dispatch
from headrace.ledger.documents import Documents
from headrace.ledger.doubts import Doubts
from headrace.ledger.inspections import Inspections
from headrace.ledger.leases import Leases
from headrace.ledger.parked import Parked
from headrace.ledger.poll_groups import PollGroups
from headrace.ledger.queries import Queries
from headrace.ledger.reruns import Reruns
from headrace.ledger.revisions import Revisions
from headrace.ledger.setup import Setup
from headrace.ledger.submissions import Submissions
from headrace.ledger.sweep import Sweep

__all__ = ["Ledger"]


class Ledger(
    Setup,
    Documents,
    Reruns,
    Claims,
    Submissions,
    Doubts,
    PollGroups,
    Dispatch,
    Sweep,
    Leases,
    Revisions,
    Parked,
    Queries,
    Inspections,
):
    """The ledger, all its calls together: each base is one subject, in a module of its own.

    `url` is sqlite:////folder/ledger.db or postgresql+psycopg://user:password@host/database. Nothing connects
    before the first call. Every call raises LedgerUnavailable where the database cannot do its part.
    """
