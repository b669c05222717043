"""An installation whose servers and processes die one after the other, and documents that must not notice."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import psutil

from headrace.clock import SystemClock
from headrace.states import Reason, State
from tests.chaos.breaking import Breaker, Happened
from tests.chaos.checking import Findings, Truth, billed_twice, check_documents, read_journal, wrongly_priced
from tests.chaos.documents import INBOX, Kind, Planned
from tests.chaos.faults import Fault
from tests.chaos.installation import MODEL, Installation, Pace, installation
from tests.chaos.ledger_view import LedgerAway, LedgerView, Moved
from tests.chaos.limits import SCARCE_PAGES
from tests.chaos.operating import Operator
from tests.pdfs import pdf_of
from workers.stack.child import Child
from workers.stack.processes import Process

SEED = 7
PACE = Pace(watch_seconds=2.0, sync_seconds=1.0, async_seconds=3.0, fault_rate=0.0)
# What is promised of a run that is not in doubt, from when the servers are back.
MOVES_WITHIN_SECONDS = 30.0
# From its drop, also where the processes have just been started on a busy machine.
UNDER_WAY_WITHIN_SECONDS = 90.0
# For all that a batch goes through after a fault, doubt and its settling too.
ENDS_WITHIN_SECONDS = 100.0
USUAL_KINDS = (Kind.SYNC,) * 4 + (Kind.ASYNC,) * 4 + (Kind.LOCAL,)
_PAGES = {Kind.SYNC: 2, Kind.ASYNC: 4, Kind.LOCAL: 1}


class LargeDocument(Planned):
    """A PDF of one page and 24 MB: more than all the buffers of a connection hold."""

    def content(self, version: int) -> bytes:
        """The page refers to nothing of what makes it large."""
        name = b"CH-%05d-%d" % (self.number, version)
        padding = name + b"\n" + b"x" * 24 * 1024 * 1024
        return pdf_of(
            [
                b"<< /Type /Catalog /Pages 2 0 R >>",
                b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>",
                b"<< /Length %d >>\nstream\n%s\nendstream" % (len(padding), padding),
            ]
        )


@dataclass
class Batch:
    """Documents that were dropped together."""

    documents: Sequence[Planned]
    ids: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = frozenset(planned.document(0).id for planned in self.documents)

    def has(self, run_id: str) -> bool:
        return run_id.rpartition("-")[0] in self.ids


class Survival:
    """A running installation: drops batches, breaks things, and holds what came of it against the truth."""

    def __init__(self, installed: Installation) -> None:
        self.installed = installed
        self.view = LedgerView(installed.ledger_url)
        self._numbers = iter(range(10_000))
        self._rules = next(route.fields for route in installed.routes.routes if route.model == MODEL)

    def drop(self, *kinds: Kind) -> Batch:
        """Put new documents of these kinds into the bucket; the listener finds them."""
        documents = [Planned(next(self._numbers), kind, _PAGES[kind], (0,), ()) for kind in kinds or USUAL_KINDS]
        return self._put(documents)

    def drop_large(self) -> Batch:
        """Put a document into the bucket that takes long to send to whoever does not listen."""
        return self._put([LargeDocument(next(self._numbers), Kind.SYNC, 1, (0,), ())])

    def _put(self, documents: Sequence[Planned]) -> Batch:
        for planned in documents:
            self.installed.services.store.put(INBOX, planned.key, planned.content(0))
        return Batch(documents)

    def wait_until_under_way(self, batch: Batch) -> None:
        """Return once some wait for their answer and others are still to be sent."""
        self.wait_until(lambda: {State.SUBMITTED, State.ADMITTED} <= self.states(batch), UNDER_WAY_WITHIN_SECONDS)

    def states(self, batch: Batch) -> set[State]:
        return {run.state for run in self.view.last_runs().values() if run.document in batch.ids}

    def starts(self, name: str) -> int:
        """How often a worker said that it is ready."""
        return self.installed.folder.log(name).read_text(encoding="utf-8").count(' ready."')

    def wait_until(self, so, seconds: float) -> None:
        """Look until it is so; a ledger that is away is asked again. AssertionError when the time is over."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(LedgerAway):
                if so():
                    return
            assert time.monotonic() < end, "waited in vain"
            assert self.installed.trouble() is None, self.installed.trouble()
            time.sleep(0.1)

    def undergo(self, *faults: Fault) -> list[Happened]:
        """Carry all of them out at once; returns when what died is back."""
        breaker = Breaker(self.installed, self.view, Operator(self.installed, self.view, SCARCE_PAGES))
        for fault in faults:
            breaker.begin(fault)
        breaker.wait()
        assert [happened.trouble for happened in breaker.happened if happened.trouble] == []
        return breaker.happened

    def wait_until_published(self, batch: Batch) -> None:
        """Return once each document of the batch has ended and its manifest is out."""

        def all_ended() -> bool:
            ended = [run for run in self.view.last_runs().values() if run.published and run.document in batch.ids]
            return len(ended) == len(batch.ids)

        self.wait_until(all_ended, ENDS_WITHIN_SECONDS)

    def moves(self, batch: Batch) -> list[Moved]:
        return [moved for moved in self.view.moves() if batch.has(moved.run)]

    def stands_after(self, batch: Batch, back_at: datetime) -> dict[str, float]:
        """How many seconds after this time each run that had begun was taken up again, but for those in doubt.

        The history has a step once it ended, and how long it took since it was claimed.
        """
        stands: dict[str, float] = {}
        for document in batch.ids:
            entries = [one for one in self.installed.services.ledger.history(document) if one.event != "handed back"]
            entries.sort(key=lambda one: one.at)
            before = [one for one in entries if one.at <= back_at]
            after = entries[len(before) :]
            if before and after and before[-1].reason is not Reason.IN_DOUBT:
                went_on = after[0].at - timedelta(seconds=after[0].seconds or 0)
                stands[document] = max(0.0, (went_on - back_at).total_seconds())
        return stands

    def check(self, batch: Batch) -> None:
        """Every document is exported, its rows are those of the truth, and it was billed once."""
        truth = Truth(batch.documents, self._rules, SEED)
        findings = Findings()
        check_documents(self.installed.services.store, truth, self.view.last_runs(), findings)
        ours = {planned.digest(0) for planned in batch.documents}
        accepted = [one for one in read_journal(self.installed.journal) if one.files[0].digest in ours]
        findings.billed_twice += [*billed_twice(accepted), *wrongly_priced(accepted, truth)]
        assert findings == Findings()
        assert len(accepted) == sum(planned.kind is not Kind.LOCAL for planned in batch.documents)

    def billed(self, batch: Batch) -> int:
        """How often documents of the batch were billed."""
        ours = {planned.digest(0) for planned in batch.documents}
        return sum(one.files[0].digest in ours for one in read_journal(self.installed.journal))

    def order(self, **order) -> None:
        """Order a fault of the simulator."""
        port = self.installed.planned.simulator_port
        httpx.post(f"http://127.0.0.1:{port}/simulator/faults", json=order, trust_env=False).raise_for_status()

    def process(self, name: str) -> psutil.Process:
        """The process of this name that runs now."""
        noted = self.installed.process(name)
        assert noted is not None
        return psutil.Process(noted.pid)

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Stop a process, which has no children, with SIGSTOP; it is woken when the block ends."""
        process = self.process(name)
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    @contextmanager
    def second(self, process: Process) -> Iterator[None]:
        """Have another one of these processes beside that which is supervised."""
        data = self.installed.folder
        child = Child(process.command(data.path, data.log(f"second-{process.name}"), self.installed.environ))
        try:
            yield
        finally:
            child.stop(SystemClock())


@contextmanager
def survival(folder: Path) -> Iterator[Survival]:
    """An installation with its ledger in PostgreSQL, up and running."""
    with installation(folder, SEED, PACE, postgres=True) as installed, installed.running():
        surviving = Survival(installed)
        try:
            yield surviving
        finally:
            surviving.view.close()


def back_at(happened: Sequence[Happened]) -> datetime:
    """When the last of the servers was back."""
    return max(one.back_at for one in happened if one.back_at is not None)
