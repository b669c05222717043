"""The one place that knows all the parts and puts them together."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import redis
from celery import Celery

from config.celery import celery_settings
from config.routes import RouteTable, check_secrets, load_routes
from config.settings import Settings
from headrace.clock import Clock, SystemClock
from headrace.counting.counter import PageCounter
from headrace.errors import ConfigurationError, ProviderUnavailable
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

if TYPE_CHECKING:
    from headrace.providers.nanonets import NanonetsApi

# Who waits for a place holds a claim meanwhile; a Redis that takes longer is away.
_LIMITS_SECONDS = 5.0


class WorkerServices:
    """tasks.services.Services, each part made when it is first asked for.

    A process that forks must not have used any part before: no two processes share a connection.
    """

    def __init__(self, settings: Settings, app: Celery, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self._app = app
        self._providers: dict[tuple[str, str], Provider] = {}
        self._lock = threading.Lock()

    @cached_property
    def routes(self) -> RouteTable:
        table = load_routes(self.settings.routes_file)
        check_secrets(table, self.settings)
        return table

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.require("ledger_url"), self.clock)

    @cached_property
    def store(self) -> ObjectStore:
        from headrace.storage.s3 import S3Store, s3_client

        return S3Store(
            s3_client(
                endpoint_url=self.settings.s3_endpoint,
                region=self.settings.s3_region,
                access_key=self.settings.s3_access_key_id,
                secret_key=self.settings.s3_secret_access_key,
            )
        )

    @cached_property
    def marker(self) -> Marker:
        marker = Marker(self.store, self.ledger, self.clock)
        for place in self.routes.privates():
            marker.establish(place)
        return marker

    @cached_property
    def notes(self) -> SubmissionNotes:
        return SubmissionNotes(self.store)

    @cached_property
    def answers(self) -> Answers:
        return Answers(self.store)

    @cached_property
    def revisions(self) -> StoredRevisions:
        return StoredRevisions(self.store)

    @cached_property
    def exporter(self) -> Exporter:
        return Exporter(self.store, self.ledger)

    @cached_property
    def counter(self) -> PageCounter:
        return PageCounter(memory_bytes=self.settings.count_memory_bytes, seconds=self.settings.count_seconds)

    @cached_property
    def preparer(self) -> Preparer:
        return Preparer()

    @cached_property
    def limiter(self) -> RateLimiter:
        client = redis.Redis.from_url(
            self.settings.require("broker_url"),
            socket_timeout=_LIMITS_SECONDS,
            socket_connect_timeout=_LIMITS_SECONDS,
            health_check_interval=25,
        )
        return RateLimiter(client)

    @cached_property
    def hints(self) -> Hints:
        return Hints(self._app, self.clock)

    def provider(self, lane: Lane) -> Provider:
        """One client an account and process, made lazily; ConfigurationError where its key is missing."""
        with self._lock:
            found = self._providers.get(lane[:2])
            if found is None:
                found = self._providers[lane[:2]] = self._make_provider(lane)
            return found

    def _make_provider(self, lane: Lane) -> Provider:
        match lane.provider:
            case "local":
                from headrace.providers.local import LocalProvider

                return LocalProvider()
            case "nanonets":
                from headrace.providers.nanonets import DIALECTS, NanonetsProvider, nanonets_client

                client = nanonets_client(self.settings.account_key(lane.account), self.settings.nanonets_base_url)
                return NanonetsProvider(client, self.clock, DIALECTS[self.settings.nanonets_dialect])
            case _:
                raise ConfigurationError(
                    f"The provider {lane.provider!r} is not known; nanonets and local are. "
                    "Mend the route in headrace.toml."
                )


@contextmanager
def nanonets_api(settings: Settings, account: str, clock: Clock | None = None) -> "Iterator[NanonetsApi]":
    """Nanonets' calls for an account, as a command makes them; ConfigurationError where its key is missing.

    Where a call cannot be made, ProviderUnavailable says which address was asked, and what to look at.
    """
    from headrace.providers.nanonets import DIALECTS, NanonetsApi, nanonets_client

    address = settings.nanonets_base_url
    with nanonets_client(settings.account_key(account), address) as client:
        try:
            yield NanonetsApi(client, clock or SystemClock(), DIALECTS[settings.nanonets_dialect])
        except ProviderUnavailable as error:
            raise ProviderUnavailable(
                f"{error} Asked was {address}: check HEADRACE_NANONETS_BASE_URL, the network, and any proxy between."
            ) from error


STEPS = ("export", "maintenance", "poll", "route", "scan", "schedules", "settling", "submit")


def make_app(settings: Settings, services: WorkerServices | None = None) -> Celery:
    """A Celery app with the services hung on it as `app.services`."""
    app = Celery("headrace", include=[f"tasks.{name}" for name in STEPS])
    app.conf.update(celery_settings(settings.require("broker_url")))
    app.services = services or WorkerServices(settings, app)
    return app


def build_services(settings: Settings, clock: Clock | None = None) -> WorkerServices:
    """The services for a process that only sends hints: the listener, the command line."""
    app = Celery("headrace")
    app.conf.update(celery_settings(settings.require("broker_url")))
    return WorkerServices(settings, app, clock)
