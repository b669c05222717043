"""What the ledger keeps, as values: runs, submissions, poll groups, and what is asked of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from headrace.document import Document, SubmissionKey
from headrace.providers import Job
from headrace.routing import Lane
from headrace.states import Mark, Mode, Precedence, Preparation, Reason, State, SubmissionState


@dataclass(frozen=True)
class Run:
    """One processing of a document under one revision of its route."""

    id: str
    document: Document
    number: int
    state: State
    reason: Reason | None = None
    detail: str = ""
    marks: tuple[Mark, ...] = ()
    route: str | None = None
    revision: str | None = None
    lane: Lane | None = None
    mode: Mode | None = None
    media_type: str | None = None
    preparation: Preparation | None = None
    """What has to be done to a copy before the provider gets it."""
    pages: int | None = None
    pages_source: str | None = None
    """"walked", "declared" or, once the provider answered, "answered"."""
    walked_pages: int | None = None
    """How many pages were walked before it was sent, where that is exact; whatever the provider answers."""
    cost: float | None = None
    """In the currency of the price list; None until something was charged."""
    batch: str | None = None
    reserved_on: str | None = None
    """The UTC day against whose budgets `reserved_pages` and `reserved_cost` count, until it is known what it cost."""
    reserved_pages: int | None = None
    reserved_cost: float | None = None
    precedence: Precedence = Precedence.FRESH
    stands_until: datetime | None = None
    """Of a run that waits in a queue that stands still, where it was asked for: until when, as far as is known."""
    due_at: datetime | None = None
    lease_until: datetime | None = None
    token: int = 0
    deliveries: int = 0
    attempts: int = 0
    """Sendings that ended certainly unpaid and may be tried again, since the run last was admitted anew."""
    put_offs: int = 0
    """How often in a row a store that failed had it wait."""
    put_off_for: Reason | None = None
    """Why, the last time; `put_off_since` is since when it has been that."""
    put_off_since: datetime | None = None
    published: bool = False
    """Whether the manifest of this state is published."""
    received_at: datetime | None = None
    """When this document was first seen."""
    received_on: str | None = None
    """The UTC day, as 2026-11-20, on which its bucket and key were first seen."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def in_doubt_until(self) -> datetime | None:
        """When its doubt can be decided at the earliest, while it waits for that; else None."""
        return self.due_at if (self.state, self.reason) == (State.WAITING, Reason.IN_DOUBT) else None

    @property
    def waits_until(self) -> datetime | None:
        """Until when it waits for the reason that it has, as far as is known."""
        return self.in_doubt_until or self.stands_until


@dataclass(frozen=True)
class Claim:
    """A worker's hold on a run: writes carry its token, and a stale token is refused."""

    run: Run
    token: int
    lease_until: datetime


@dataclass(frozen=True)
class Advance:
    """Where a run goes. `facts` are columns of the run to set (pages, mode, route …).

    `due_at`: when the sweep should look, if nothing else did; by default soon. `published`: the manifest
    of this end state is out already, so nothing is due any more.
    """

    state: State
    reason: Reason | None = None
    detail: str = ""
    due_at: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    published: bool = False


@dataclass(frozen=True)
class Submission:
    """One paid request of a run: (run, provider, part, n)."""

    key: SubmissionKey
    run_id: str
    lane: Lane
    mode: Mode
    state: SubmissionState
    attempt: int
    token: int
    send_before: datetime
    pages: int | None = None
    job: str | None = None
    cost: float | None = None
    provider_cost: float | None = None
    """What the provider itself says it costs, in its own unit."""
    reason: Reason | None = None
    polls: int = 0
    accepted_at: datetime | None = None
    paid: bool = True
    """Whether sending it costs money: only then can it be in doubt."""
    deliveries: int = 0
    """How often a worker began to poll it, or to look for it, and never said what came of it."""
    doubted_at: datetime | None = None
    """When it came into doubt last."""
    looks: int = 0
    """How often the provider was asked for it since."""
    look_at: datetime | None = None
    """When it is asked next; None where it is not, because it is not in doubt or a person decides."""
    absent_at: datetime | None = None
    """When the provider was asked first, of those times on end when it did not have it."""
    spent_on: str | None = None
    """The UTC day on which budgets count `spent_pages` and `spent_cost` for it; None where it costs nothing, or brings
    something yet."""
    spent_pages: int | None = None
    spent_cost: float | None = None


@dataclass(frozen=True)
class Doubtful:
    """A paid request in doubt, and its run."""

    submission: Submission
    run: Run


@dataclass(frozen=True)
class LookedFor:
    """What comes of asking for a request in doubt: it is asked for again `at`, and decided at `until` at the earliest.

    `detail` is what the provider told, for people. `counts` is False where nobody came to ask; then it says nothing.
    """

    submission: Submission
    at: datetime
    until: datetime
    absent_at: datetime | None
    counts: bool = True
    detail: str = ""


@dataclass(frozen=True)
class SubmissionChange:
    """What became of a submission, written together with the run's advance."""

    key: SubmissionKey
    state: SubmissionState
    job: str | None = None
    pages: int | None = None
    cost: float | None = None
    provider_cost: float | None = None
    reason: Reason | None = None
    look_at: datetime | None = None
    """Of what comes into doubt: when the provider is to be asked for it first."""


@dataclass(frozen=True)
class Recorded:
    """What `Ledger.record` made of one document: `hint` names the step to hint, if any."""

    document: Document
    run_id: str
    new: bool
    hint: State | None


@dataclass(frozen=True)
class Hint:
    """A run whose next step should be hinted, from its state."""

    run_id: str
    state: State
    provider: str | None = None


class Overdue(NamedTuple):
    """Which overdue runs: those of a state; with True for `local` only the local provider's, with False all others."""

    state: State
    local: bool | None = None


@dataclass(frozen=True)
class PollHint:
    """A poll group whose message should be published: it may take this generation's turn, so many seconds later."""

    group_id: int
    generation: int
    in_seconds: float = 0.0


@dataclass(frozen=True)
class Turn:
    """The right to look after a poll group: holds while the group is in this generation."""

    group_id: int
    generation: int
    lane: Lane
    deadline: datetime
    rested: bool = False
    """Whether the lane's jobs were left alone before: the provider had refused to say more."""


@dataclass(frozen=True)
class PollJob:
    """One accepted job of a group that is due.

    `deliveries`: how often it was asked for, since it was last heard of, by workers that never said what came of it.
    `heard_at`: when the provider said last that it accepted it, or that it is not ready. `send_before`: it was sent so
    late at the latest.
    """

    run: Run
    key: SubmissionKey
    job: Job
    polls: int
    accepted_at: datetime
    heard_at: datetime
    send_before: datetime
    deliveries: int = 0


@dataclass(frozen=True)
class Postponed:
    """A job that is due again at `due_at`. Where nothing was `heard` of it, it was no poll."""

    job: PollJob
    due_at: datetime
    heard: bool = True


@dataclass(frozen=True)
class HistoryEntry:
    """One thing that happened to a run."""

    at: datetime
    run_id: str
    step: str
    event: str
    state: State | None
    reason: Reason | None
    detail: str
    seconds: float | None


@dataclass(frozen=True)
class ParkedEvent:
    """A message of a bucket's queue that could not be read: `id` is ours, `message` the queue's, `why` for people."""

    id: str
    queue: str
    message: str
    why: str
    body: bytes
    parked_at: datetime


@dataclass(frozen=True)
class ParkedSummary:
    """A parked message without its body."""

    id: str
    queue: str
    message: str
    why: str
    parked_at: datetime
    size_bytes: int
    """Of the body, as far as it is kept."""


@dataclass(frozen=True)
class RunFilter:
    """Which runs are meant; what is None does not matter.

    `prefix` is of the key. `since`: ended at or after it, or, while a run has not ended, created then.
    `document` is a document's id. `latest`: only the latest run of each document.
    `not_reasons`: runs with any other reason.
    """

    state: State | None = None
    reason: Reason | None = None
    route: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    since: datetime | None = None
    batch: str | None = None
    document: str | None = None
    latest: bool = True
    not_reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Count:
    """How many runs share a state, a reason and a route; their pages and cost together (None: no run has one).

    `until`: when the doubt of those that wait for its end can be decided, of the last of them; or until when their
    queue stands still.
    """

    state: State
    reason: Reason | None
    route: str | None
    runs: int
    pages: int
    cost: float | None
    until: datetime | None = None


@dataclass(frozen=True)
class Pass:
    """How far a pass over a whole bucket has come.

    `cursor` is the place up to which all was dealt with, `facts` what was found so far (JSON's values).
    """

    name: str
    cursor: str
    facts: Mapping[str, Any]
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Lying:
    """What the ledger has as lying under a key; `gone_at` says when nothing was found there any more."""

    object_id: str
    key: str
    document_id: str
    last_modified: datetime | None
    gone_at: datetime | None


@dataclass(frozen=True)
class StuckRuns:
    """Runs that should have gone on long ago and share a state and a reason: how many, and those that wait longest."""

    state: State
    reason: Reason | None
    runs: int
    first: tuple[Run, ...]


@dataclass(frozen=True)
class StuckGroups:
    """Poll groups that nobody looks after: how many, the jobs in them, and since when the first is overdue."""

    groups: int
    jobs: int
    since: datetime | None


@dataclass(frozen=True)
class Identity:
    """Which ledger this is, and how far it has come: its sequence only ever rises."""

    id: str
    sequence: int
