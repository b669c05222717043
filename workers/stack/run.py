"""`headrace run`: the whole pipeline on this machine, with the samples, until somebody stops it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from config.routes import RouteTable, check_secrets, load_routes
from config.settings import Settings, environment, load_settings
from headrace.clock import Clock, SystemClock
from headrace.document import Document
from headrace.errors import ForeignLedger
from headrace.faults import fault_point
from headrace.storage import Location
from tasks.services import Services
from workers.factory import build_services
from workers.logging import configure_logging
from workers.stack import processes_file
from workers.stack.drops import drop_samples, lying_documents, sample_files
from workers.stack.environment import Plan, Secrets, plan, simulated_routes, told_of_simulation, write_down
from workers.stack.errors import StackError, StopAsked, disk_full
from workers.stack.folder import DataFolder
from workers.stack.onlooker import LOOK_SECONDS, Onlooker
from workers.stack.own_routes import SAMPLES, models_toml, read_rules, routes_toml
from workers.stack.ports import refuse_taken
from workers.stack.processes import BEAT, LISTENER, WORKERS, simulator
from workers.stack.stopping import StopRequest
from workers.stack.supervisor import Supervisor

MOST_SHOWN = 500
PIPE_WIDTH = 160

ENDED, NOT_ENDED, INTERRUPTED = 0, 1, 130

_REBUILD_HERE = (
    "A rebuild reads the store of this stack, which stops with it: start `headrace run` without --once, which keeps "
    "the servers up and no worker. Run `headrace rebuild` in a second terminal; once it is done, Ctrl-C the first, and "
    "start `headrace run --once` again."
)


def run(once: bool, environ: Mapping[str, str] | None = None, console: Console | None = None) -> int:
    """Start everything, show what becomes of the documents, and stop everything in order.

    With `once` it stops by itself when every document has ended. Returns 0, 1 where time ran out first,
    130 where it was interrupted before; raises HeadraceError where it cannot start or go on.
    """
    environ = environment() if environ is None else environ
    settings = load_settings(environ)
    folder = DataFolder(settings.data_folder.absolute())
    stop = StopRequest()
    with stop.from_signals():
        try:
            folder.make()
            with folder.locked():
                return _Session(settings, environ, folder, console or _console(), stop, SystemClock()).run(once=once)
        except StopAsked:
            return INTERRUPTED if once else ENDED
        except OSError as error:
            full = disk_full(error, folder.path)
            if full is None:
                raise
            raise full from error


def _console() -> Console:
    # Wide enough that a pipe or a log gets one line a row.
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


@dataclass
class _Session:
    """One start of the stack, from the first check to the last stop."""

    given: Settings
    environ: Mapping[str, str]
    folder: DataFolder
    console: Console
    stop: StopRequest
    clock: Clock

    def run(self, *, once: bool) -> int:
        """Check all, start all, watch; and stop all, whatever happens."""
        self.folder.refuse_little_room()
        for name in processes_file.end_orphans(self.folder.processes_file, self.clock):
            self.say(f"{name} was left by a killed headrace and is stopped now.")
        keys = Secrets.kept(self.folder)
        planned = plan(self.given, self.folder, keys)
        refuse_taken(planned.ports)
        if planned.own_routes:
            toml = routes_toml(read_rules(), simulated=planned.simulator_port is not None)
            self.folder.routes_file.write_text(toml, encoding="utf-8")
        environ = {**self.environ, **planned.environment}
        settings = load_settings(environ)
        # Mistakes in the routes are shown before anything is started.
        table = load_routes(settings.routes_file)
        check_secrets(table, settings)
        write_down(self.folder, keys, planned)
        supervisor = self._supervisor(planned, table, environ, keys)
        with self._logs_in_the_folder(settings):
            try:
                return self._at_work(supervisor, planned, build_services(settings), once=once)
            finally:
                self.say("Stopping; work under way is finished first. Ctrl-C again stops at once.")
                supervisor.stop()
                self.say("Stopped. A second start finds everything again.")

    def say(self, text: str) -> None:
        """A line for the person who started us."""
        self.console.print(Text(text), soft_wrap=True)

    @contextmanager
    def _logs_in_the_folder(self, settings: Settings) -> Iterator[None]:
        """Keep the terminal for the table: what we log goes where the children's logs are."""
        with self.folder.log("run").open("a", encoding="utf-8") as stream:
            configure_logging(settings.log_level, settings.log_format, settings.secrets(), stream=stream)
            try:
                yield
            finally:
                configure_logging(settings.log_level, settings.log_format, settings.secrets())

    def _supervisor(self, planned: Plan, table: RouteTable, environ: Mapping[str, str], keys: Secrets) -> Supervisor:
        servers = [
            server.command(self.folder.log(name))
            for name, server in (("valkey", planned.valkey), ("s3", planned.s3))
            if server is not None
        ]
        groups = [[server] for server in servers]
        if planned.simulator_port is not None and (simulated := simulated_routes(planned, table)):
            (self.folder.simulator / "models.toml").write_text(models_toml(simulated), encoding="utf-8")
            log_file = self.folder.log("simulator")
            groups.append([simulator(planned.simulator_port, keys.simulator_key, self.folder.simulator, log_file)])
        groups += [
            [process.command(self.folder.path, self.folder.log(process.name), environ) for process in group]
            for group in (WORKERS, (BEAT, LISTENER))
        ]
        return Supervisor(groups, self.folder.processes_file, self.clock, self.stop)

    def _at_work(self, supervisor: Supervisor, planned: Plan, services: Services, *, once: bool) -> int:
        started_at = self.clock.now()
        self.say(f"Starting under {self.folder.path} …")
        supervisor.start(up_to=sum(server is not None for server in (planned.valkey, planned.s3)))
        try:
            _prepare(services, planned)
        except ForeignLedger as error:
            # Where the store is not our own, a rebuild can reach it without us.
            if planned.s3 is None:
                raise
            if once:
                raise ForeignLedger(f"{error} {_REBUILD_HERE}") from error
            self._keep_servers(supervisor, error)
        supervisor.start()
        documents = self._documents(services, planned)
        self.say(f"Up. {len(documents)} documents are looked after; logs are in {self.folder.path / 'logs'}.")
        if (simulation := told_of_simulation(planned, services.routes)) is not None:
            self.say(simulation)
        onlooker = Onlooker(self.console, self.folder, planned, supervisor, services, self.stop, self.clock, started_at)
        ended = onlooker.watch(documents, staying=not once)
        onlooker.tell(documents)
        if once:
            return ENDED if ended else NOT_ENDED
        onlooker.stay_up()
        return ENDED

    def _keep_servers(self, supervisor: Supervisor, refused: ForeignLedger) -> NoReturn:
        """Keep the servers alone up until an end is asked for: a rebuild needs the store, and no worker."""
        self.say(str(refused))
        self.say(
            "Only the servers are up: no worker runs, and nothing is processed. Run `headrace rebuild` in a second "
            "terminal; once it is done, Ctrl-C here and start again."
        )
        while True:
            self.stop.wait(LOOK_SECONDS)
            if supervisor.trouble is not None:
                raise StackError(supervisor.trouble)

    def _documents(self, services: Services, planned: Plan) -> list[Document]:
        if planned.own_routes:
            return drop_samples(services.store, sample_files(SAMPLES / "documents"), services.routes.routes)
        return lying_documents(services.store, services.routes, MOST_SHOWN)


def _prepare(services: Services, planned: Plan) -> None:
    """The ledger's tables, the marker of each private place; and the buckets, where the store is our own."""
    services.ledger.migrate()
    if planned.s3 is not None:
        for bucket in sorted(_buckets(services.routes)):
            fault_point("stack.bucket.before")
            services.store.create_bucket(bucket)
            fault_point("stack.bucket.after")
    for place in services.routes.privates():
        services.marker.establish(place)


def _buckets(table: RouteTable) -> set[str]:
    places = {Location.parse(place).bucket for route in table.routes for place in (route.output, route.private)}
    return places | {route.bucket for route in table.routes}
