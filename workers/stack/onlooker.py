"""What a person sees while the stack works: where each document is, what came out, and where to drop more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from rich.console import Console
from rich.text import Text

from headrace.clock import Clock
from headrace.document import Document
from headrace.doubt import first_pause
from headrace.errors import LedgerUnavailable, StorageUnavailable
from headrace.ledger.records import RunFilter
from headrace.storage import Location
from tasks.services import Services
from workers.stack.environment import Plan, simulated_routes
from workers.stack.errors import StackError
from workers.stack.folder import DataFolder
from workers.stack.progress import Lines, Seen, progress_on
from workers.stack.results import Outcome, copy_outputs, first_rows, outcome, telling
from workers.stack.stopping import StopRequest
from workers.stack.summary import FIELD_PREVIEW, print_outcomes, print_places, print_rows, table_row_columns
from workers.stack.supervisor import Supervisor

log = structlog.get_logger()

LONGEST_RUN = timedelta(minutes=10)
LOOK_SECONDS = 0.5
COPY_SECONDS = 10.0
# The provider is asked after one first pause, then after ever longer ones: three times within so many.
EARLY_LOOKS = 8
LEAST_PATIENCE = timedelta(minutes=1)
MOST_SHOWN = 100
PREVIEW_ROWS = 5


@dataclass(frozen=True)
class Onlooker:
    """Looks at the ledger and the outputs, and tells a person."""

    console: Console
    folder: DataFolder
    planned: Plan
    supervisor: Supervisor
    services: Services
    stop: StopRequest
    clock: Clock
    started_at: datetime

    def say(self, text: str) -> None:
        """A line for the person who started the stack."""
        self.console.print(Text(text), soft_wrap=True)

    def watch(self, documents: Sequence[Document], *, staying: bool) -> bool:
        """Show the documents until all have ended; False where that takes longer than it may.

        One that waits in doubt is looked at as long as it is likely to be found early: then only its time will tell.
        StackError where supervising ended and, unless we are `staying` up, where a process dies again and again.
        """
        deadline = self.clock.monotonic() + LONGEST_RUN.total_seconds()
        with progress_on(self.console) as progress:
            seen = [Seen.of(document, None, self.clock.now()) for document in documents]
            while self.clock.monotonic() < deadline:
                try:
                    seen = [self._seen(document) for document in documents]
                except LedgerUnavailable as error:
                    log.warning("ledger is away", error=str(error))
                progress.show(seen, self.supervisor.restarts())
                if all(one.has_ended for one in seen):
                    return True
                if all(one.has_ended or self._is_left_to_time(one) for one in seen):
                    self._tell_of_doubt([one for one in seen if not one.has_ended], staying=staying)
                    return False
                self._refuse_failing(patient=staying)
                self.stop.wait(LOOK_SECONDS)
        further = "they are still worked on" if staying else "the next start goes on where this one stops"
        self.say(
            f"Not ended after {LONGEST_RUN}: " + ", ".join(one.line for one in seen if not one.has_ended) + ". "
            f"Look into {self.folder.path / 'logs'}; {further}."
        )
        return False

    def _is_left_to_time(self, one: Seen) -> bool:
        """Whether it waits in doubt, and its provider was asked early on and in vain."""
        first = first_pause(timedelta(seconds=self.services.settings.settle_seconds))
        early = max(EARLY_LOOKS * first, LEAST_PATIENCE)
        return one.in_doubt_since is not None and self.clock.now() - one.in_doubt_since > early

    def _seen(self, document: Document) -> Seen:
        return Seen.of(document, self.services.ledger.latest_run(document.id), self.clock.now())

    def _tell_of_doubt(self, seen: Sequence[Seen], *, staying: bool) -> None:
        further = "it is settled then" if staying else "the next start settles it then"
        self.say(
            "Nobody knows yet whether the provider took "
            + ("this document" if len(seen) == 1 else "these documents")
            + f"; nothing is sent twice meanwhile, and {further}: "
            + "; ".join(one.line for one in seen)
            + ". `headrace resolve` tells more."
        )

    def tell(self, documents: Sequence[Document]) -> None:
        """What came out of the documents that have ended, and where it is."""
        services, planned = self.services, self.planned
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
        print_outcomes(self.console, outcomes, self.started_at)
        self._preview(outcomes)
        self._copy()
        output = ", ".join(sorted({route.output for route in services.routes.routes}))
        outbox = self.folder.outbox if planned.own_routes else None
        simulated = [route.name for route in simulated_routes(planned, services.routes)]
        print_places(self.console, outbox, output, simulated)

    def _preview(self, outcomes: Sequence[Outcome]) -> None:
        one = telling(outcomes)
        if one is None:
            return
        fields = first_rows(self.services.store, one, "fields", PREVIEW_ROWS)
        table_rows = first_rows(self.services.store, one, "table_rows", PREVIEW_ROWS)
        key = one.run.document.key
        print_rows(self.console, f"The first fields of {key}:", fields, FIELD_PREVIEW)
        print_rows(self.console, f"The first table rows of {key}:", table_rows, table_row_columns(table_rows))

    def _copy(self) -> None:
        if not self.planned.own_routes:
            return  # The user's outputs lie where the user's routes say.
        for place in {route.output for route in self.services.routes.routes}:
            copy_outputs(self.services.store, Location.parse(place), self.folder.outbox)

    def stay_up(self) -> None:
        """Take whatever is dropped, and say what becomes of it, until somebody asks for an end."""
        since = self.clock.now()
        self.say("\nStaying up; Ctrl-C stops everything. Drop more, for example:")
        for bucket, prefix in self.services.routes.watched():
            self.say(f"  headrace drop FILE.pdf s3://{bucket}/{prefix}")
        progress = Lines(self.console)
        next_copy = self.clock.monotonic()
        while True:
            self.stop.wait(LOOK_SECONDS)
            self._refuse_failing(patient=True)
            try:
                runs = self.services.ledger.runs(RunFilter(since=since), limit=MOST_SHOWN)
                now = self.clock.now()
                progress.show([Seen.of(run.document, run, now) for run in reversed(runs)], self.supervisor.restarts())
                if self.clock.monotonic() >= next_copy:
                    self._copy()
                    next_copy = self.clock.monotonic() + COPY_SECONDS
            except (StorageUnavailable, LedgerUnavailable) as error:
                log.warning("a server is away", error=str(error))

    def _refuse_failing(self, *, patient: bool) -> None:
        """StackError where supervising ended, or (unless patient) where a process dies again and again."""
        if self.supervisor.trouble is not None:
            raise StackError(self.supervisor.trouble)
        failing = self.supervisor.failing()
        if failing and not patient:
            raise StackError(
                "; ".join(f"{command.name} ends by itself again and again, see {command.log}" for command in failing)
                + "."
            )
