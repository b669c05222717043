"""The command line on a real ledger (SQLite), a store in memory, and hints that are only written down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from config.routes import RouteTable, load_routes
from config.settings import Settings
from headrace.clock import Clock, SystemClock
from headrace.document import Document, SubmissionKey
from headrace.ledger import Ledger
from headrace.ledger.marker import Marker
from headrace.ledger.records import Advance, Hint, Run, SubmissionChange
from headrace.providers import Known
from headrace.routing import Lane, choose_route
from headrace.states import Mode, Reason, State, SubmissionState
from headrace.storage import Location, ObjectStore
from headrace.storage.answers import Answers
from headrace.storage.notes import SubmissionNotes
from tests.memory_store import InMemoryStore
from tests.tasks.scripted import ScriptedProvider
from workers.cli.main import app
from workers.cli.session import Session

ROUTES = """
[[routes]]
name = "local"
bucket = "inbox"
prefix = "local/"
provider = "local"
output = "s3://outbox/rows"
private = "s3://private/headrace"

[[routes]]
name = "nanonets"
bucket = "inbox"
prefix = "nanonets/"
provider = "nanonets"
model = "samples"
output = "s3://outbox/rows"
private = "s3://private/headrace"

[[lanes]]
provider = "nanonets"
model = "samples"
price_per_page = "0.10"
"""


@dataclass
class WrittenHints:
    """Takes tasks.hints.Hints' place: keeps what would have been published."""

    given: list[Hint] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    dispatches: int = 0

    def hint(self, run_id: str, state: State, provider: str | None = None) -> bool:
        self.given.append(Hint(run_id, state, provider))
        return True

    def settle(self, lane: Lane) -> bool:
        self.lanes.append(lane)
        return True

    def dispatch(self) -> bool:
        self.dispatches += 1
        return True

    def hint_all(self, hints: Sequence[Hint]) -> None:
        self.given += hints


@dataclass
class Parts:
    """The services that commands use."""

    settings: Settings
    ledger: Ledger
    store: ObjectStore = field(default_factory=InMemoryStore)
    hints: WrittenHints = field(default_factory=WrittenHints)
    clock: Clock = field(default_factory=SystemClock)
    paid: ScriptedProvider = field(default_factory=ScriptedProvider)

    def provider(self, _lane: Lane) -> ScriptedProvider:
        return self.paid

    @cached_property
    def marker(self) -> Marker:
        return Marker(self.store, self.ledger, self.clock)

    @cached_property
    def notes(self) -> SubmissionNotes:
        return SubmissionNotes(self.store)

    @cached_property
    def answers(self) -> Answers:
        return Answers(self.store)

    @cached_property
    def routes(self) -> RouteTable:
        return load_routes(self.settings.routes_file)


class Installation:
    """A folder with routes and a ledger, and `headrace` to call in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.routes_file = folder / "headrace.toml"
        self.routes_file.write_text(ROUTES)
        self.environ = {
            "HEADRACE_DATA_FOLDER": str(folder / "data"),
            "HEADRACE_ROUTES_FILE": str(self.routes_file),
            "HEADRACE_LEDGER_URL": f"sqlite:///{folder}/ledger.db",
            "HEADRACE_BROKER_URL": "redis://:broker-password@127.0.0.1:1/0",
            "NANONETS_API_KEY": "the-api-key",
        }
        self.ledger = Ledger(self.environ["HEADRACE_LEDGER_URL"], SystemClock())
        self.store = InMemoryStore()
        self.hints = WrittenHints()
        self.clock: Clock = SystemClock()
        self.paid = ScriptedProvider()
        self.paid.jobs |= {f"job-{number}": Known() for number in range(10)}
        self.person: str | None = None

    def build(self, settings: Settings) -> Parts:
        return Parts(settings, self.ledger, self.store, self.hints, self.clock, self.paid)

    def __call__(self, *arguments: str, answer: str | None = None) -> Result:
        """Call `headrace`; with an answer a person is there who gives it."""
        session = Session(
            environ=lambda: dict(self.environ),
            build=self.build,
            start_logging=lambda _settings, _level: None,
            can_ask=lambda: answer is not None,
        )
        return CliRunner().invoke(app, list(arguments), input=answer, obj=session, prog_name="headrace")

    def drop(self, key: str, content: bytes = b"%PDF") -> Document:
        """Put an object in the inbox and record it."""
        etag = self.store.put("inbox", key, content)
        document = Document(
            "inbox", key, etag, size=len(content), last_modified=datetime.now(UTC).replace(microsecond=0)
        )
        self.ledger.record([document])
        return document

    def admit(self) -> list[Hint]:
        """Let the dispatcher play a round."""
        return self.ledger.admit(load_routes(self.routes_file))

    def lose_ledger(self) -> None:
        """Let the ledger's database be an empty one."""
        self.ledger.close()
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            (self.folder / name).unlink(missing_ok=True)

    def marker_stands(self) -> None:
        """Let the private place be this ledger's, as the first worker's start does."""
        Marker(self.store, self.ledger, SystemClock()).establish(Location("private", "headrace"))

    def bring_to(
        self,
        document: Document,
        state: State,
        reason: Reason | None = None,
        *,
        pages: int | None = None,
        detail: str = "",
        cost: float | None = None,
    ) -> Run:
        """Let the document's latest run stand in this state, as a worker would leave it."""
        run = self.ledger.latest_run(document.id)
        assert run is not None
        claim = self.ledger.claim(run.id, {run.state})
        assert claim is not None
        facts: dict[str, object] = {}
        if pages is not None:
            route = choose_route(document.bucket, document.key, self.build_routes())
            self.ledger.record_revision(route)
            facts = {
                "route": route.name,
                "revision": route.revision,
                "provider": route.provider,
                "account": route.account,
                "model": route.model,
                "mode": Mode.SYNC,
                "pages": pages,
                "pages_source": "walked",
            }
        if cost is not None:
            facts["cost"] = cost
        return self.ledger.advance(claim, Advance(state, reason, detail, facts=facts))

    def doubt(self, key: str, *, why: Reason = Reason.TIMED_OUT, held: bool = False) -> SubmissionKey:
        """Drop a document of four pages whose paid request came into doubt; its submission key."""
        document = self.drop(key, key.encode())
        run = self.bring_to(document, State.ADMITTED, pages=4)
        claim = self.ledger.claim(run.id, {State.ADMITTED})
        assert claim is not None
        assert run.lane is not None
        now = SystemClock().now()
        submission = SubmissionKey(document.id, run.number, "nanonets", "all", 1)
        self.ledger.intend(claim, submission, run.lane, Mode.SYNC, pages=4, send_before=now + timedelta(seconds=120))
        change = SubmissionChange(submission, SubmissionState.IN_DOUBT, reason=why, look_at=now + timedelta(seconds=15))
        until = now + timedelta(seconds=1020)
        self.ledger.advance(claim, Advance(State.WAITING, Reason.IN_DOUBT, "No answer came.", due_at=until), change)
        if held:
            asked = self.ledger.request(submission)
            assert asked is not None
            self.ledger.hold_doubt(asked.submission, "The provider cannot say.")
        return submission

    def build_routes(self):
        return load_routes(self.routes_file).routes


@pytest.fixture
def headrace(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    # A process logs to stderr; here nothing is configured, and structlog would write to stdout.
    with capture_logs():
        installation.ledger.migrate()
        yield installation
    installation.ledger.close()
