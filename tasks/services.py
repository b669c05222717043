"""What the steps work with. workers/factory.py builds it, on first use, after the worker forks."""

from typing import Protocol

from config.routes import RouteTable
from config.settings import Settings
from headrace.clock import Clock
from headrace.counting.counter import PageCounter
from headrace.exports import Exporter
from headrace.ledger import Ledger
from headrace.ledger.marker import Marker
from headrace.limits.rate import RateLimiter
from headrace.preparing.preparer import Preparer
from headrace.providers import Provider
from headrace.routing import Lane
from headrace.storage import ObjectStore
from headrace.storage.answers import Answers
from headrace.storage.notes import SubmissionNotes
from headrace.storage.revisions import StoredRevisions
from tasks.hints import Hints


class Services(Protocol):
    """The parts, each made when it is first asked for."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def routes(self) -> RouteTable: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def store(self) -> ObjectStore: ...
    @property
    def marker(self) -> Marker: ...
    @property
    def notes(self) -> SubmissionNotes: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def exporter(self) -> Exporter: ...
    @property
    def revisions(self) -> StoredRevisions: ...
    @property
    def counter(self) -> PageCounter: ...
    @property
    def preparer(self) -> Preparer: ...
    @property
    def limiter(self) -> RateLimiter: ...
    @property
    def hints(self) -> Hints: ...

    def provider(self, lane: Lane) -> Provider:
        """The client of this lane's provider and account; ConfigurationError where its key is missing."""
        ...
