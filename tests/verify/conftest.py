"""An installation in which documents of every kind have ended, and what `headrace verify` says of it."""

import json
import shutil
import sqlite3
from contextlib import closing
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pytest

from headrace.counting.counter import PageCounter
from headrace.errors import PredictionRejected
from headrace.ledger import Ledger
from headrace.ledger.records import Run, RunFilter
from headrace.providers import Refused
from headrace.states import Reason, State
from headrace.storage.read_only import ReadOnlyStore
from tests.clocks import ManualClock
from tests.memory_store import InMemoryStore
from tests.pdfs import make_pdf
from tests.tasks.conftest import FREE, PAID
from tests.tasks.scripted import ScriptedProvider, accepted, answer
from tests.tasks.world import World, table
from workers.verify.verifying import Report, Scope, Verification

NIGHT = timedelta(hours=1)
"""Long enough that nothing which was written before is too new to be judged."""


@pytest.fixture(scope="session")
def counter():
    with PageCounter() as counter:
        yield counter


def pdf(pages: int, text: str) -> bytes:
    """A document with so many pages, unlike others with as many."""
    return make_pdf(pages) + f"% {text}\n".encode()


class Installation(World):
    """A world with `headrace verify` in it."""

    def verify(self, which=None, *, sample: int | None = None, seed: int = 1) -> Report:
        """A verification of all, or of a sample, after a night in which nothing happened."""
        self.clock.pass_(NIGHT)
        ledger = self.ledger.for_reading()
        try:
            verification = Verification(ledger, ReadOnlyStore(self.store), self.routes, self.clock)
            return verification.verify(Scope(which or RunFilter(), sample, seed))
        finally:
            ledger.close()

    def damage(self, statement: str, *values: object) -> None:
        """Change the ledger behind its own back."""
        with closing(sqlite3.connect(self.ledger._url.database)) as connection:
            assert connection.execute(statement, values).rowcount > 0, "nothing was damaged"
            connection.commit()

    def keys(self, bucket: str, part: str) -> list[str]:
        """The keys in a bucket that have `part` in them."""
        return [key for key in self.store.keys(bucket) if part in key]

    def run_of(self, name: str, number: int = 1) -> Run:
        """A run of the document that lay under `paid/{name}.pdf` or `free/{name}.pdf` first."""
        for run in self.ledger.runs(RunFilter(latest=False), limit=100):
            if run.document.key.endswith(f"/{name}.pdf") and run.number == number:
                return run
        raise LookupError(name)

    def note_of(self, name: str) -> str:
        """Where the note of the document's first submission lies."""
        (key,) = self.keys("private", f"/submissions/{self.run_of(name).document.id}-1-nanonets-all-1")
        return key

    def rewrite(self, bucket: str, key: str, **changes: object) -> None:
        """Change what a JSON object of the bucket says; its metadata stays."""
        head = self.store.head(bucket, key)
        body = json.loads(self.store.read(bucket, key)) | changes
        self.store.put(bucket, key, json.dumps(body).encode(), metadata=head.metadata)

    def codes(self, which=None) -> list[str]:
        return sorted(finding.code.value for finding in self.verify(which).findings)


def _installed(folder: Path, counter: PageCounter, clock: ManualClock, store: InMemoryStore) -> Installation:
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock)
    ledger.migrate()
    return Installation(
        ledger=ledger,
        clock=clock,
        providers={"nanonets": ScriptedProvider(), "local": ScriptedProvider(paid=False, part_pages=2)},
        routes=table(PAID, FREE),
        counter=counter,
        store=store,
    )


@pytest.fixture(scope="session")
def lived(tmp_path_factory, counter):
    """An installation that has dealt with its documents, to be copied."""
    clock = ManualClock()
    installation = _installed(tmp_path_factory.mktemp("lived"), counter, clock, InMemoryStore(now=clock.now))
    _live(installation)
    installation.ledger.close()
    return installation


@pytest.fixture
def healthy(lived, tmp_path, counter):
    """Documents that went sync, async and in parts; refused, failed, retried, given up, replaced, reprocessed."""
    clock = ManualClock(lived.clock.now())
    store = InMemoryStore(now=clock.now)
    store._buckets = deepcopy(lived.store._buckets)
    shutil.copyfile(lived.ledger._url.database, tmp_path / "ledger.db")
    installation = _installed(tmp_path, counter, clock, store)
    yield installation
    installation.ledger.close()


def _live(installation: Installation) -> None:
    drop, provider = installation.drop, installation.providers["nanonets"]

    drop("paid/sync.pdf", make_pdf(2))
    provider.submits.append(answer(2))
    installation.deliver_all()

    drop("paid/async.pdf", make_pdf(5))
    provider.submits.append(accepted("job-async", pages=5))
    provider.polls.append(answer(5, job="job-async"))
    installation.deliver_all()

    drop("free/parts.pdf", make_pdf(5))
    installation.providers["local"].submits.extend([answer(2, job=None), answer(2, job=None), answer(1, job=None)])
    installation.deliver_all()

    drop("free/damaged.pdf", b"this is no PDF")
    drop("elsewhere/no-route.pdf", make_pdf(1))
    drop("paid/rejected.pdf", pdf(1, "rejected"))
    provider.submits.append(PredictionRejected("No.", Reason.BAD_REQUEST))
    installation.deliver_all()

    drop("paid/given-up.pdf", pdf(5, "given up"))
    provider.submits.extend([accepted("job-first", pages=5), answer(5, job="job-second")])
    provider.polls.append(Refused(Reason.PREDICTION_FAILED, "all pages failed"))
    installation.deliver_all()
    failed = RunFilter(state=State.FAILED, reason=Reason.PREDICTION_FAILED)
    installation.hints.hint_all(installation.ledger.retry(failed, by="test"))
    installation.deliver_all()

    for number in (1, 2):
        drop("paid/replaced.pdf", pdf(1, f"version {number}"))
        provider.submits.append(answer(1, job=f"job-version-{number}"))
        installation.deliver_all()
        installation.clock.pass_(timedelta(minutes=1))

    run = drop("paid/again.pdf", pdf(1, "again"))
    provider.submits.extend([answer(1, job="job-again-1"), answer(1, job="job-again-2")])
    installation.deliver_all()
    document = installation.ledger.run(run).document.id
    for recorded in installation.ledger.reprocess([document], by="test"):
        installation.hints.hint(recorded.run_id, recorded.hint)
    installation.deliver_all()
