"""`headrace run`: the whole pipeline on this machine, with the samples, until somebody stops it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from rich.console import Console
from rich.text import Text

from config.routes import RouteTable, check_accounts, load_routes
from config.settings import Settings, environment, load_settings
from headrace.clock import Clock, SystemClock
from headrace.document import Document
from headrace.errors import LedgerUnavailable, StorageUnavailable
from headrace.ledger.records import RunFilter
from headrace.storage import Location
from tasks.services import Services
from workers.factory import build_services
from workers.stack import processes_file
from workers.stack.drops import drop_samples, lying_documents, sample_files
from workers.stack.environment import Plan, Secrets, plan, write_down
from workers.stack.errors import StackError, StopAsked, disk_full
from workers.stack.folder import DataFolder
from workers.stack.own_routes import SAMPLES, models_toml, read_rules, routes_toml
from workers.stack.ports import refuse_taken
from workers.stack.processes import BEAT, LISTENER, WORKERS, simulator
from workers.stack.progress import Lines, Seen, progress_on
from workers.stack.results import copy_outputs, first_rows, outcome
from workers.stack.stopping import StopRequest
from workers.stack.summary import FIELD_PREVIEW, print_outcomes, print_places, print_rows, table_row_columns
from workers.stack.supervisor import Supervisor

log = structlog.get_logger()

LONGEST_RUN = timedelta(minutes=10)
LOOK_SECONDS = 0.5
COPY_SECONDS = 10.0
MOST_SHOWN = 500
PREVIEW_ROWS = 5

ENDED, NOT_ENDED, INTERRUPTED = 0, 1, 130


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
                return _Session(settings, environ, folder, console or Console(), stop, SystemClock()).run(once=once)
        except StopAsked:
            return INTERRUPTED if once else ENDED
        except OSError as error:
            full = disk_full(error, folder.path)
            if full is None:
                raise
            raise full from error


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
            self._write_own_routes(simulated=planned.simulator_port is not None)
        environ = {**self.environ, **planned.environment}
        settings = load_settings(environ)
        # Mistakes in the routes are shown before anything is started.
        check_accounts(load_routes(settings.routes_file), settings)
        write_down(self.folder, keys, planned)
        supervisor = self._supervisor(planned, environ, keys)
        try:
            return self._at_work(supervisor, planned, build_services(settings), once=once)
        finally:
            self.say("Stopping; work under way is finished first. Ctrl-C again stops at once.")
            supervisor.stop()
            self.say("Stopped. A second start finds everything again.")

    def say(self, text: str) -> None:
        """A line for the person who started us."""
        self.console.print(Text(text), soft_wrap=True)

    def _write_own_routes(self, *, simulated: bool) -> None:
        rules = read_rules()
        self.folder.routes_file.write_text(routes_toml(rules, simulated=simulated), encoding="utf-8")
        (self.folder.simulator / "models.toml").write_text(models_toml(rules), encoding="utf-8")

    def _supervisor(self, planned: Plan, environ: Mapping[str, str], keys: Secrets) -> Supervisor:
        servers = [
            server.command(self.folder.log(name))
            for name, server in (("valkey", planned.valkey), ("s3", planned.s3))
            if server is not None
        ]
        self.servers = len(servers)
        groups = [[server] for server in servers]
        if planned.simulator_port is not None:
            log_file = self.folder.log("simulator")
            groups.append([simulator(planned.simulator_port, keys.simulator_key, self.folder.simulator, log_file)])
        groups += [
            [process.command(self.folder.path, self.folder.log(process.name), environ) for process in group]
            for group in (WORKERS, (BEAT, LISTENER))
        ]
        return Supervisor(groups, self.folder.processes_file, self.clock, self.stop)

    def _at_work(self, supervisor: Supervisor, planned: Plan, services: Services, *, once: bool) -> int:
        self.say(f"Starting under {self.folder.path} …")
        supervisor.start(up_to=self.servers)
        _prepare(services, planned)
        supervisor.start()
        documents = self._documents(services, planned)
        self.say(f"Up. {len(documents)} documents are looked after; logs are in {self.folder.path / 'logs'}.")
        ended = self._watch(supervisor, services, documents, limited=once)
        self._tell(services, planned, documents)
        if once:
            return ENDED if ended else NOT_ENDED
        self._stay_up(supervisor, services, planned)
        return ENDED

    def _documents(self, services: Services, planned: Plan) -> list[Document]:
        if planned.own_routes:
            return drop_samples(services.store, sample_files(SAMPLES / "documents"), services.routes.routes)
        return lying_documents(services.store, services.routes, MOST_SHOWN)

    def _watch(
        self, supervisor: Supervisor, services: Services, documents: Sequence[Document], *, limited: bool
    ) -> bool:
        """Show the documents until all have ended; False where that takes longer than it may."""
        deadline = self.clock.monotonic() + LONGEST_RUN.total_seconds()
        with progress_on(self.console) as progress:
            while True:
                seen = [Seen.of(document, services.ledger.latest_run(document.id)) for document in documents]
                progress.show(seen, supervisor.restarts())
                if all(one.has_ended for one in seen):
                    return True
                if limited and self.clock.monotonic() > deadline:
                    break
                _refuse_failing(supervisor, patient=not limited)
                self.stop.wait(LOOK_SECONDS)
        self.say(
            f"Not ended after {LONGEST_RUN}: " + ", ".join(one.line for one in seen if not one.has_ended) + ". "
            f"Look into {self.folder.path / 'logs'}; the next start goes on where this one stops."
        )
        return False

    def _tell(self, services: Services, planned: Plan, documents: Sequence[Document]) -> None:
        routes = {route.name: route for route in services.routes.routes}
        runs = [run for document in documents if (run := services.ledger.latest_run(document.id)) is not None]
        outcomes = [
            outcome(services.store, run, routes[run.route])
            for run in runs
            if run.route in routes and run.state.is_end and run.published
        ]
        if not outcomes:
            return
        self.console.print()
        print_outcomes(self.console, outcomes)
        fields = first_rows(services.store, outcomes, "fields", PREVIEW_ROWS)
        print_rows(self.console, "The first rows of one file of fields:", fields, FIELD_PREVIEW)
        table_rows = first_rows(services.store, outcomes, "table_rows", PREVIEW_ROWS)
        print_rows(self.console, "The first rows of one file of table_rows:", table_rows, table_row_columns(table_rows))
        self._copy(services, planned)
        output = ", ".join(sorted({route.output for route in services.routes.routes}))
        outbox = self.folder.outbox if planned.own_routes else None
        simulated = planned.own_routes and planned.simulator_port is not None
        print_places(self.console, outbox, output, simulated=simulated)

    def _copy(self, services: Services, planned: Plan) -> None:
        if not planned.own_routes:
            return  # The user's outputs lie where the user's routes say.
        for place in {route.output for route in services.routes.routes}:
            copy_outputs(services.store, Location.parse(place), self.folder.outbox)

    def _stay_up(self, supervisor: Supervisor, services: Services, planned: Plan) -> None:
        """Take whatever is dropped, and say what becomes of it, until somebody asks for an end."""
        since = self.clock.now()
        self.say("\nStaying up; Ctrl-C stops everything. Drop more, for example:")
        for bucket, prefix in services.routes.watched():
            self.say(f"  headrace drop FILE.pdf s3://{bucket}/{prefix}")
        progress = Lines(self.console)
        next_copy = self.clock.monotonic()
        while True:
            self.stop.wait(LOOK_SECONDS)
            _refuse_failing(supervisor, patient=True)
            try:
                runs = services.ledger.runs(RunFilter(since=since), limit=MOST_SHOWN)
                progress.show([Seen.of(run.document, run) for run in reversed(runs)], supervisor.restarts())
                if self.clock.monotonic() >= next_copy:
                    self._copy(services, planned)
                    next_copy = self.clock.monotonic() + COPY_SECONDS
            except (StorageUnavailable, LedgerUnavailable) as error:
                log.warning("a server is away", error=str(error))


def _prepare(services: Services, planned: Plan) -> None:
    """The ledger's tables, the marker of each private place; and the buckets, where the store is our own."""
    services.ledger.migrate()
    if planned.s3 is not None:
        for bucket in sorted(_buckets(services.routes)):
            services.store.create_bucket(bucket)
    for place in services.routes.privates():
        services.marker.establish(place)


def _buckets(table: RouteTable) -> set[str]:
    places = {Location.parse(place).bucket for route in table.routes for place in (route.output, route.private)}
    return places | {route.bucket for route in table.routes}


def _refuse_failing(supervisor: Supervisor, *, patient: bool) -> None:
    """StackError where supervising ended, or (unless patient) where a process dies again and again."""
    if supervisor.trouble is not None:
        raise StackError(supervisor.trouble)
    failing = supervisor.failing()
    if failing and not patient:
        raise StackError(
            "; ".join(f"{command.name} ends by itself again and again, see {command.log}" for command in failing) + "."
        )
