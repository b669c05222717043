"""A case's corner of the servers: its prefix of the buckets, its ledger, its queue, its model at the API."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
import psycopg
from celery import Celery

from config.lanes import LaneSettings
from config.routes import RouteTable
from config.schedules import Schedule
from config.settings import Settings, load_settings
from headrace.document import Document
from headrace.ledger.records import Run, RunFilter
from headrace.polling import PollSchedule
from headrace.routing import Route
from headrace.storage.s3 import S3Store
from tests.fault_points.parts import CaseServices
from tests.fault_points.servers import Servers
from tests.simulator.process import API_KEY
from workers.factory import make_app

INBOX, OUT, PRIVATE = "inbox", "outbox", "private"
SEND_SECONDS = 5.0
SETTLE_SECONDS = 2.0
_MOST_RUNS = 100


@dataclass(frozen=True)
class Ground:
    """What every case is made from: the servers, a client for the store that was never used, a ledger with tables."""

    servers: Servers
    store: S3Store
    sqlite_template: Path
    postgres_template: str = "headrace_template"


@dataclass
class World:
    """One case's. `name` stands in every key, so that no two cases ever meet; so does the model at the API."""

    name: str
    number: int
    folder: Path
    ground: Ground
    route_options: dict
    schedules: tuple[Schedule, ...] = ()
    on_postgres: bool = False

    @property
    def model(self) -> str:
        return self.name

    @property
    def trace(self) -> Path:
        return self.folder / "trace.txt"

    @cached_property
    def settings(self) -> Settings:
        servers = self.ground.servers
        return load_settings(
            {
                "HEADRACE_BROKER_URL": servers.broker(self.number),
                "HEADRACE_LEDGER_URL": self._ledger_url,
                "HEADRACE_S3_ENDPOINT": servers.s3.endpoint,
                "HEADRACE_S3_REGION": servers.s3.region,
                "HEADRACE_S3_ACCESS_KEY_ID": servers.s3.access_key,
                "HEADRACE_S3_SECRET_ACCESS_KEY": servers.s3.secret_key,
                "HEADRACE_NANONETS_BASE_URL": servers.simulator_url,
                "NANONETS_API_KEY": API_KEY,
                "HEADRACE_SEND_SECONDS": str(SEND_SECONDS),
                "HEADRACE_SETTLE_SECONDS": str(SETTLE_SECONDS),
                "HEADRACE_PASSWORDS": '{"the-one": "secret"}',
            }
        )

    @cached_property
    def app(self) -> Celery:
        app = make_app(self.settings)
        # The threads of the worker find the app by this.
        app.set_default()
        app.services = CaseServices(self.settings, app, self.routes, self.ground.store)
        return app

    @property
    def services(self) -> CaseServices:
        return self.app.services

    @cached_property
    def routes(self) -> RouteTable:
        places = {"output": f"s3://{OUT}/{self.name}/rows", "private": f"s3://{PRIVATE}/{self.name}"}
        poll = PollSchedule(first_seconds=0.5, longest_seconds=1.0, polls=60)
        paid = Route(
            name="paid",
            bucket=INBOX,
            prefix=f"{self.name}/paid/",
            provider="nanonets",
            model=self.model,
            poll=poll,
            metadata={"team": "intake"},
            **places,
            **self.route_options,
        )
        free = Route(name="free", bucket=INBOX, prefix=f"{self.name}/free/", provider="local", **places)
        lane = LaneSettings(provider="nanonets", model=self.model, price_per_page="0.1")
        return RouteTable((paid, free), (lane,), self.schedules)

    @property
    def _ledger_url(self) -> str:
        if self.on_postgres:
            return f"{self.ground.servers.postgres_url.rpartition('/')[0]}/{self.name}"
        return f"sqlite:///{self.folder / 'ledger.db'}"

    def make_ledger(self) -> None:
        """A ledger with tables and nothing in it."""
        if not self.on_postgres:
            shutil.copyfile(self.ground.sqlite_template, self.folder / "ledger.db")
            return
        with psycopg.connect(self.ground.servers.postgres_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.ground.postgres_template}"')

    def key(self, name: str) -> str:
        return f"{self.name}/{name}"

    def put(self, name: str, body: bytes) -> Document:
        """Put an object into the inbox; it is told of by nobody."""
        etag = self.services.store.put(INBOX, self.key(name), body, content_type="application/pdf")
        return Document(INBOX, self.key(name), etag)

    def order(self, **order) -> None:
        """Have the API do this to the next call for this case's model."""
        address = self.ground.servers.simulator_url.replace("/api/v2", "/simulator/faults")
        httpx.post(address, json={"model": self.model, **order}, trust_env=False).raise_for_status()

    def bill(self) -> dict[str, dict]:
        """What the API billed, by submission key: of all cases, for it does not know them apart."""
        address = self.ground.servers.simulator_url.replace("/api/v2", "/simulator/bill")
        return httpx.get(address, trust_env=False, timeout=20).raise_for_status().json()["submissions"]

    def runs(self) -> list[Run]:
        """Every run, by key and number."""
        found = self.services.ledger.runs(RunFilter(latest=False), limit=_MOST_RUNS)
        return sorted(found, key=lambda run: (run.document.key, run.document.etag, run.number))
