"""Short ways to bring a run to where a test begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from headrace.budgets import Budget
from headrace.dispatching import LaneRules
from headrace.document import Document, SubmissionKey
from headrace.ledger import Ledger
from headrace.ledger.records import Advance, Claim, Run, Submission, SubmissionChange
from headrace.routing import Lane
from headrace.states import Mode, State, SubmissionState
from tests.clocks import ManualClock

LANE = Lane("nanonets", "main", "model-1")
FREE_LANE = Lane("local", "local", "")
MORNING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

ROUTED = {
    "route": "invoices",
    "revision": "0123456789ab",
    "lane": LANE,
    "mode": Mode.ASYNC,
    "media_type": "application/pdf",
    "pages": 5,
    "pages_source": "walked",
}


@dataclass(frozen=True)
class SomeRules:
    """Rules of the dispatcher, the same for every lane."""

    in_flight: int = 1000
    pages_per_minute: int | None = None
    requests_per_second: float | None = None
    price: float | None = None
    budgets: tuple[Budget, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    by_lane: Mapping[Lane, LaneRules] = field(default_factory=dict)

    def of_lane(self, lane: Lane) -> LaneRules:
        rate = (self.pages_per_minute, self.requests_per_second)
        mine = LaneRules(self.in_flight, *rate, price=self.price, paid=lane.provider != "local")
        return self.by_lane.get(lane, mine)


def document(name: str = "a", *, etag: str = "1", **facts: object) -> Document:
    """A content of the key `name`."""
    return Document("inbox", f"in/{name}.pdf", etag, **{"size": 100, "last_modified": MORNING, **facts})  # type: ignore[arg-type]


def received(ledger: Ledger, name: str = "a") -> str:
    """The id of a run that was just received."""
    (recorded,) = ledger.record([document(name)])
    return recorded.run_id


def claimed(ledger: Ledger, run_id: str) -> Claim:
    """A claim on a run, whatever its state."""
    claim = ledger.claim(run_id, set(State))
    assert claim is not None
    return claim


def advanced(ledger: Ledger, run_id: str, state: State, **facts: object) -> Run:
    """The run, taken to `state` by one claim."""
    return ledger.advance(claimed(ledger, run_id), Advance(state, facts=facts))


def waiting(ledger: Ledger, name: str = "a", lane: Lane = LANE, **facts: object) -> str:
    """The id of a run that is routed and waits."""
    run_id = received(ledger, name)
    advanced(ledger, run_id, State.WAITING, **{**ROUTED, "lane": lane, **facts})
    return run_id


def admitted(ledger: Ledger, name: str = "a", lane: Lane = LANE) -> str:
    run_id = waiting(ledger, name, lane)
    assert run_id in {hint.run_id for hint in ledger.admit(SomeRules())}
    return run_id


def intended(ledger: Ledger, claim: Claim, clock: ManualClock, *, paid: bool = True, part: str = "all") -> Submission:
    """The submission of the claimed run, about to be sent."""
    run = claim.run
    assert run.lane is not None
    key = SubmissionKey(run.document.id, run.number, run.lane.provider, part, 1)
    return ledger.intend(
        claim, key, run.lane, Mode.ASYNC, pages=run.pages, send_before=clock.now() + timedelta(seconds=120), paid=paid
    )


def accepted(ledger: Ledger, clock: ManualClock, name: str = "a", *, due_in: float = 5.0, lane: Lane = LANE):
    """A submitted run, its submission's key, and the hint of its poll group, if it is a new one."""
    claim = claimed(ledger, admitted(ledger, name, lane))
    key = intended(ledger, claim, clock).key
    change = SubmissionChange(key, SubmissionState.ACCEPTED, job=f"job-{name}")
    hint = ledger.accept(claim, change, due_at=clock.now() + timedelta(seconds=due_in))
    return claim.run.id, key, hint


def exported(ledger: Ledger, run_id: str) -> str:
    """The run, exported and its manifest published."""
    advanced(ledger, run_id, State.EXPORTED, **ROUTED)
    ledger.published(claimed(ledger, run_id))
    return run_id


def events(ledger: Ledger, run_id: str) -> list[str]:
    """What happened to a run, in a word each."""
    run = ledger.run(run_id)
    assert run is not None
    return [entry.event for entry in ledger.history(run.document.id) if entry.run_id == run_id]
