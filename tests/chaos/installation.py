"""The installation that is broken: real servers, the processes that `headrace run` starts, and a supervisor."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from config.routes import RouteTable, load_routes
from config.settings import Settings, load_settings
from headrace.clock import SystemClock
from headrace.storage import Location
from tasks.services import Services
from tests.chaos.documents import INBOX, SYNC_PAGE_LIMIT
from tests.chaos.limits import AMPLE_PAGES, PAGES_PER_MINUTE, REQUESTS_PER_SECOND, SCARCE_BUDGET, SCARCE_PAGES
from tests.chaos.postgres import Postgres, postgres_server
from workers.factory import build_services
from workers.stack.child import Command
from workers.stack.environment import Plan, Secrets, plan, write_down
from workers.stack.folder import DataFolder
from workers.stack.own_routes import models_toml
from workers.stack.ports import free_ports
from workers.stack.processes import BEAT, LISTENER, PROJECT, WORKERS, Process, simulator
from workers.stack.processes_file import Noted, read_noted
from workers.stack.supervisor import Supervisor

# What the stack's own servers take, and one for PostgreSQL.
PORTS = 14
OUTPUT = Location.parse("s3://outbox/rows")
PRIVATE = Location.parse("s3://outbox-private/headrace")
MODEL = "chaos"
IN_FLIGHT = 48

ROUTES = f"""\
[[routes]]
name = "paid"
bucket = "{INBOX}"
prefix = "paid/"
provider = "nanonets"
model = "{MODEL}"
sync_page_limit = {SYNC_PAGE_LIMIT}
output = "{OUTPUT}"
private = "{PRIVATE}"
columns = ["Description", "Quantity"]

[routes.poll]
first_seconds = 1
longest_seconds = 2
polls = 60

[[routes.fields]]
label = "invoice_number"

[[routes.fields]]
label = "total"
kind = "amount"

[[routes]]
name = "thrifty"
bucket = "{INBOX}"
prefix = "thrifty/"
provider = "nanonets"
model = "{MODEL}"
sync_page_limit = {SYNC_PAGE_LIMIT}
output = "{OUTPUT}"
private = "{PRIVATE}"
columns = ["Description", "Quantity"]

[routes.poll]
first_seconds = 1
longest_seconds = 2
polls = 60

[[routes.fields]]
label = "invoice_number"

[[routes.fields]]
label = "total"
kind = "amount"

[[routes]]
name = "local"
bucket = "{INBOX}"
prefix = "local/"
provider = "local"
output = "{OUTPUT}"
private = "{PRIVATE}"
columns = ["Description", "Quantity"]

[[routes.fields]]
label = "invoice_number"

[[lanes]]
provider = "nanonets"
account = "nanonets"
model = "{MODEL}"
in_flight = {IN_FLIGHT}
pages_per_minute = {PAGES_PER_MINUTE}
requests_per_second = {REQUESTS_PER_SECOND}
price_per_page = "0.01"

[[budgets]]
name = "{SCARCE_BUDGET}"
route = "thrifty"
period = "month"
pages = {SCARCE_PAGES}

[[budgets]]
name = "everything"
account = "nanonets"
period = "month"
pages = {AMPLE_PAGES}
cost = {AMPLE_PAGES}
"""


@dataclass(frozen=True)
class Pace:
    """How quickly things go: shorter than in earnest, by configuration alone."""

    watch_seconds: float = 4.0
    send_seconds: float = 5.0
    settle_seconds: float = 6.0
    sync_seconds: float = 0.1
    async_seconds: float = 2.0
    listing_lag_seconds: float = 2.0
    """The simulator's listings lag behind, by less than it takes to settle."""
    fault_rate: float = 0.01
    """How many calls meet a fault of the simulator's own accord."""


class Installation:
    """One folder with everything in it. `running` starts it, and stops all of it again."""

    def __init__(self, folder: Path, seed: int, pace: Pace, postgres: Postgres | None) -> None:
        self.folder = DataFolder(folder.absolute())
        self.seed = seed
        self._pace = pace
        self._postgres = postgres
        first_port = free_ports(PORTS)
        keys = self._prepare()
        ours = {
            "HEADRACE_DATA_FOLDER": str(self.folder.path),
            "HEADRACE_PORT_BASE": str(first_port),
            "HEADRACE_ROUTES_FILE": str(self.folder.routes_file),
            "HEADRACE_WATCH_SECONDS": str(pace.watch_seconds),
            "HEADRACE_SEND_SECONDS": str(pace.send_seconds),
            "HEADRACE_SETTLE_SECONDS": str(pace.settle_seconds),
            "HEADRACE_SCAN_HOURS": "0",
        }
        if postgres is not None:
            ours["HEADRACE_LEDGER_URL"] = postgres.url(first_port + PORTS - 1)
        self.planned: Plan = plan(load_settings(ours), self.folder, keys)
        others = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "NANONETS_"))}
        self.environ: Mapping[str, str] = {**others, **ours, **self.planned.environment}
        self.settings: Settings = load_settings({**ours, **self.planned.environment})
        self.routes: RouteTable = load_routes(self.folder.routes_file)
        write_down(self.folder, keys, self.planned)
        self.servers: Mapping[str, Command] = self._servers(keys, first_port + PORTS - 1)
        self._supervisor = Supervisor(
            [
                *([server] for server in self.servers.values()),
                [self._command(process) for process in WORKERS],
                [self._command(BEAT), self._command(LISTENER), self._events()],
            ],
            self.folder.processes_file,
            SystemClock(),
        )
        self.services: Services = build_services(self.settings)

    @property
    def ledger_url(self) -> str:
        return self.settings.require("ledger_url")

    @property
    def spool(self) -> Path:
        """Where the events of what was dropped are written, for the process that tells of them."""
        return self.folder.path / "events.jsonl"

    @property
    def journal(self) -> Path:
        """What the simulator billed."""
        return self.folder.simulator / "journal.jsonl"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start everything, and stop everything when the block ends."""
        try:
            self._supervisor.start(up_to=len(self.servers))
            self.services.ledger.migrate()
            for bucket in (INBOX, OUTPUT.bucket, PRIVATE.bucket):
                self.services.store.create_bucket(bucket)
            self.services.marker.establish(PRIVATE)
            self._supervisor.start()
            yield
        finally:
            self.services.ledger.close()
            self._supervisor.stop()

    def process(self, name: str) -> Noted | None:
        """The process of this name that was started last."""
        return next((noted for noted in read_noted(self.folder.processes_file) if noted.name == name), None)

    def trouble(self) -> str | None:
        """Why the supervisor gave up, if it did."""
        return self._supervisor.trouble

    def restarts(self) -> dict[str, int]:
        """How often each process was started again."""
        return self._supervisor.restarts()

    def _prepare(self) -> Secrets:
        self.folder.make()
        self.folder.routes_file.write_text(ROUTES, encoding="utf-8")
        self.spool.touch()
        return Secrets.kept(self.folder)

    def _servers(self, keys: Secrets, postgres_port: int) -> dict[str, Command]:
        log = self.folder.log
        assert self.planned.valkey is not None
        assert self.planned.s3 is not None
        assert self.planned.simulator_port is not None
        models = models_toml(route for route in self.routes.routes if route.model)
        (self.folder.simulator / "models.toml").write_text(models, encoding="utf-8")
        servers = {
            "valkey": self.planned.valkey.command(log("valkey")),
            "s3": self.planned.s3.command(log("s3")),
            "simulator": self._simulator(self.planned.simulator_port, keys.simulator_key),
        }
        if self._postgres is not None:
            servers["postgres"] = self._postgres.command(postgres_port, log("postgres"))
        return servers

    def _simulator(self, port: int, key: str) -> Command:
        """The simulator as the stack starts it, but inventing its pages, at our pace and with faults."""
        usual = simulator(port, key, self.folder.simulator, self.folder.log("simulator"))
        options = {
            "engine": "invented",
            "seed": self.seed,
            "sync-seconds": self._pace.sync_seconds,
            "async-seconds": self._pace.async_seconds,
            "listing-lag": self._pace.listing_lag_seconds,
            "fault-rate": self._pace.fault_rate,
            # What is above them is taken, and noted: the journal then has every request that was too much.
            "pages-per-minute": PAGES_PER_MINUTE,
            "requests-per-second": REQUESTS_PER_SECOND,
            "above": "noted",
        }
        # Of an option that is given twice the last one counts.
        return replace(usual, argv=(*usual.argv, *(f"--{name}={value}" for name, value in options.items())))

    def _command(self, process: Process) -> Command:
        return process.command(self.folder.path, self.folder.log(process.name), self.environ)

    def _events(self) -> Command:
        return Command(
            "events",
            (sys.executable, "-m", "tests.chaos.events", str(self.spool), str(self.seed)),
            folder=PROJECT,
            log=self.folder.log("events"),
            environment=self.environ,
            grace_seconds=10.0,
        )


@contextmanager
def installation(folder: Path, seed: int, pace: Pace, *, postgres: bool) -> Iterator[Installation]:
    """A new installation in an empty folder, with its ledger in SQLite or in a PostgreSQL of its own."""
    if not postgres:
        yield Installation(folder, seed, pace, None)
        return
    with postgres_server() as server:
        yield Installation(folder, seed, pace, server)
