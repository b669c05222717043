"""A case's corner of the servers: its prefix of the buckets, its ledger, its queue, its model at the API."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
from celery import Celery
from sqlalchemy import Engine, create_engine, select

from config.lanes import LaneSettings
from config.routes import RouteTable
from config.schedules import Schedule
from config.settings import Settings, load_settings
from headrace.budgets import Budget
from headrace.clock import SystemClock
from headrace.document import Document
from headrace.ledger import Ledger
from headrace.ledger.records import Run, RunFilter
from headrace.ledger.schema import GroupState, poll_groups
from headrace.polling import PollSchedule
from headrace.routing import Lane, Route
from headrace.storage.s3 import S3Store
from tests.fault_points.parts import CaseServices
from tests.fault_points.servers import Servers
from tests.simulator.process import API_KEY

INBOX, OUT, PRIVATE = "inbox", "outbox", "private"
# More than a busy machine needs, and less than the dead are waited for.
SEND_SECONDS = 10.0
SETTLE_SECONDS = 2.0
QUEUE_VISIBILITY_SECONDS = 3
_MOST_RUNS = 100
AMPLE_PAGES = 1000
BUDGET = "all-that-is-paid"


@dataclass(frozen=True)
class Ground:
    """What every case is made from: the servers, a client for the store that was never used, a ledger with tables."""

    servers: Servers
    store: S3Store
    sqlite_template: Path
    app: Celery
    postgres_template: str = "headrace_template"


@dataclass
class World:
    """One case's. `name` stands in every key, so that no two cases ever meet; so does the model at the API."""

    name: str
    number: int
    folder: Path
    ground: Ground
    route_options: Mapping[str, Any]
    schedules: tuple[Schedule, ...] = ()
    on_postgres: bool = False
    has_queue: bool = False
    budget_pages: int = AMPLE_PAGES
    more_environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def lane(self) -> Lane:
        return Lane("nanonets", "nanonets", self.model)

    @property
    def model(self) -> str:
        return self.name

    @property
    def trace(self) -> Path:
        return self.folder / "trace.txt"

    @cached_property
    def environ(self) -> dict[str, str]:
        """The environment of each of its processes, and of the commands that a person calls."""
        servers = self.ground.servers
        return {
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
            **(self._queue_environ() if self.has_queue else {}),
            **self.more_environ,
        }

    def _queue_environ(self) -> dict[str, str]:
        return {
            "HEADRACE_WATCH_SECONDS": "0",
            "HEADRACE_SCAN_HOURS": "0",
            "HEADRACE_SQS_ENDPOINT": self.servers.queues or "",
            "HEADRACE_SQS_QUEUE_URLS": self.queue_url,
        }

    @cached_property
    def queues(self) -> Any:
        """A client of the server that has the queues."""
        return boto3.session.Session().client(
            "sqs",
            endpoint_url=self.servers.queues,
            region_name=self.servers.s3.region,
            aws_access_key_id=self.servers.s3.access_key,
            aws_secret_access_key=self.servers.s3.secret_key,
        )

    @cached_property
    def queue_url(self) -> str:
        """The case's own queue, made where there is none yet."""
        attributes = {"VisibilityTimeout": str(QUEUE_VISIBILITY_SECONDS)}
        return str(self.queues.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"])

    def messages_in_queue(self) -> int:
        """How many messages there are, received ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.queues.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return sum(int(number) for number in told.values())

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.environ)

    @cached_property
    def app(self) -> Celery:
        """The app, made before the fork, now with this case's broker and services."""
        app = self.ground.app
        app.conf.broker_url = self.settings.require("broker_url")
        app.services = CaseServices(self.settings, app, self.routes, self.ground.store)
        # The threads of the worker find the app by this.
        app.set_default()
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
            poll=poll,
            metadata={"team": "intake"},
            **places,
            **{"model": self.model, **self.route_options},
        )
        free = Route(name="free", bucket=INBOX, prefix=f"{self.name}/free/", provider="local", **places)
        # High enough for nobody to wait long for a place, but each one has to be taken, and paid from the budget.
        lane = LaneSettings(
            provider="nanonets",
            model=paid.model,
            pages_per_minute=6000,
            requests_per_second=50.0,
            price_per_page="0.1",
        )
        return RouteTable((paid, free), (lane,), self.schedules, (self.budget,))

    @property
    def budget(self) -> Budget:
        """What all that is paid counts against."""
        return Budget(name=BUDGET, account="nanonets", period="month", pages=self.budget_pages)

    @property
    def _ledger_url(self) -> str:
        if self.on_postgres:
            return self.ground.servers.postgres(self.name)
        return f"sqlite:///{self.folder / 'ledger.db'}"

    def make_ledger(self) -> None:
        """A ledger with tables and nothing in it."""
        if not self.on_postgres:
            shutil.copyfile(self.ground.sqlite_template, self.folder / "ledger.db")
            return
        with psycopg.connect(self.ground.servers.postgres_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.ground.postgres_template}"')

    def clear(self) -> None:
        """Leave nothing of it but what lies in the buckets."""
        shutil.rmtree(self.folder)
        if self.on_postgres:
            with psycopg.connect(
                self.servers.postgres("postgres").replace("+psycopg", ""), autocommit=True
            ) as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def lose_ledger(self) -> None:
        """An empty ledger stands where the case's own was; it has another id."""
        self.services.ledger.close()
        self.database.dispose()
        for path in self.folder.glob("ledger.db*"):
            path.unlink()
        ledger = Ledger(self._ledger_url, SystemClock())
        ledger.migrate()
        ledger.close()

    def key(self, name: str) -> str:
        return f"{self.name}/{name}"

    def put(self, name: str, body: bytes) -> Document:
        """Put an object into the inbox; it is told of by nobody."""
        etag = self.services.store.put(INBOX, self.key(name), body, content_type="application/pdf")
        return Document(INBOX, self.key(name), etag)

    def record(self, name: str, body: bytes) -> Document:
        """Put an object into the inbox and record it; nobody is hinted."""
        document = self.put(name, body)
        self.services.ledger.record([document])
        return document

    def order(self, **order) -> None:
        """Have the API do this to the next call for this case's model."""
        address = self.ground.servers.simulator_url.replace("/api/v2", "/simulator/faults")
        httpx.post(address, json={"model": self.model, **order}, trust_env=False).raise_for_status()

    def bill(self) -> dict[str, dict]:
        """What the API billed, by submission key: of all cases, for it does not know them apart."""
        address = self.ground.servers.simulator_url.replace("/api/v2", "/simulator/bill")
        return httpx.get(address, trust_env=False, timeout=60).raise_for_status().json()["submissions"]

    @property
    def servers(self) -> Servers:
        return self.ground.servers

    def manifests(self) -> list[str]:
        """The text of every manifest that is published."""
        store = self.services.store
        heads = [head for page in store.list(OUT, f"{self.name}/rows/documents/") for head in page]
        return [store.read(OUT, head.key).decode() for head in heads]

    @cached_property
    def database(self) -> Engine:
        """Another way into the ledger's database, for whoever looks and wants to pass no fault point."""
        return create_engine(self.settings.require("ledger_url"))

    def open_poll_groups(self) -> list[int]:
        """The poll groups that somebody has still to look after."""
        unended = select(poll_groups.c.id).where(poll_groups.c.state != GroupState.ENDED)
        with self.database.connect() as connection:
            return list(connection.execute(unended).scalars())

    def runs(self) -> list[Run]:
        """Every run, by key and number."""
        found = self.services.ledger.runs(RunFilter(latest=False), limit=_MOST_RUNS)
        return sorted(found, key=lambda run: (run.document.key, run.document.etag, run.number))
