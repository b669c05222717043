"""The record of every document, run, submission and what happened (SQL): SQLite or PostgreSQL."""

from headrace.ledger.breakers import Breakers
from headrace.ledger.claims import Claims
from headrace.ledger.dispatch import Dispatch
from headrace.ledger.documents import Documents
from headrace.ledger.doubts import Doubts
from headrace.ledger.durations import KnownDurations
from headrace.ledger.echoes import Echoes
from headrace.ledger.inspections import Inspections
from headrace.ledger.leases import Leases
from headrace.ledger.parked import Parked
from headrace.ledger.passes import Passes
from headrace.ledger.poll_groups import PollGroups
from headrace.ledger.poll_rests import PollRests
from headrace.ledger.put_offs import PutOffs
from headrace.ledger.queries import Queries
from headrace.ledger.republishing import Republishing
from headrace.ledger.reruns import Reruns
from headrace.ledger.restoring import Restoring
from headrace.ledger.revisions import Revisions
from headrace.ledger.scans import Scans
from headrace.ledger.setup import Setup
from headrace.ledger.spending import Spending
from headrace.ledger.standstills import Standstills
from headrace.ledger.submissions import Submissions
from headrace.ledger.sweep import Sweep
from headrace.ledger.tallies import Tallies
from headrace.ledger.unstored import UnstoredAnswers

__all__ = ["Ledger"]


class Ledger(
    Setup,
    Documents,
    Reruns,
    Republishing,
    Claims,
    Submissions,
    Doubts,
    Echoes,
    KnownDurations,
    PollGroups,
    PollRests,
    Dispatch,
    Breakers,
    Spending,
    Sweep,
    Leases,
    Revisions,
    Parked,
    Passes,
    PutOffs,
    UnstoredAnswers,
    Restoring,
    Scans,
    Standstills,
    Queries,
    Tallies,
    Inspections,
):
    """The ledger, all its calls together: each base is one subject, in a module of its own.

    `url` is sqlite:////folder/ledger.db or postgresql+psycopg://user:password@host/database. Nothing connects
    before the first call. Every call raises LedgerUnavailable where the database cannot do its part.
    """
