"""When a provider's account or model is left alone, for how long, and what lets it go on.

A circuit breaker: https://martinfowler.com/bliki/CircuitBreaker.html. Closed, all may go. Open, nothing may; once its
pause is over one run probes, and how that fares closes the breaker or opens it for longer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headrace.states import Reason, State

MOST_FAILURES = 5
"""So many failures in a row, with no answer between them, open it."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=10)
REFUSED_PAUSE = timedelta(minutes=15)
"""A key that is refused, or has nothing left, is mended by people: it is tried rarely."""
PROBE_TIME = timedelta(minutes=3)
"""A probe that nobody heard of for so long is over: another one may go."""
PROBE_QUEUED = timedelta(minutes=30)
"""So much longer it may stand in the broker's queue, behind what other lanes have there."""

OF_THE_ACCOUNT = frozenset({Reason.KEY_REFUSED, Reason.QUOTA_USED_UP})
PERHAPS_SENT = frozenset({State.ADMITTED, State.SUBMITTED, State.PREDICTED, State.EXPORTED})
"""Where a probe may be of which something will be heard; whoever is elsewhere came there unsent, or was heard of."""

REFUSALS = OF_THE_ACCOUNT | {Reason.FORBIDDEN}
"""One is enough: nothing else of the account, or of the model, would fare better."""

FAILURES = frozenset(
    {
        Reason.SERVER_ERROR,
        Reason.HTML_ANSWER,
        Reason.EMPTY_ANSWER,
        Reason.UNREADABLE_ANSWER,
        Reason.TIMED_OUT,
        Reason.CONNECTION_CUT,
        Reason.UNREACHABLE,
    }
)
"""What may be one document's bad luck, and is the provider's failure where it comes again and again."""


@dataclass(frozen=True)
class Breaker:
    """How an account or a lane fares. `opened_at` None: it is closed; `reason` is PAUSED where a person opened it.

    `probe_at`: from when on one run may try; None where a person has to say so. `probe` is the run that tries, and
    should have been heard of by `probe_until`.
    """

    failures: int = 0
    openings: int = 0
    opened_at: datetime | None = None
    reason: Reason | None = None
    detail: str = ""
    probe_at: datetime | None = None
    probe: str | None = None
    probe_until: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None

    @property
    def is_trivial(self) -> bool:
        """Whether there is nothing to remember."""
        return self == Breaker()

    def may_probe(self, now: datetime, probing: State | None = None) -> bool:
        """Whether one run may go to see how it fares. `probing` is where the run is that tries, if any does."""
        if self.probe_at is None or now < self.probe_at:
            return False
        if self.probe is None or self.probe_until is None:
            return True
        is_elsewhere = probing is not None and probing not in PERHAPS_SENT
        return is_elsewhere or self.probe_until + (PROBE_QUEUED if probing is State.ADMITTED else timedelta()) <= now

    def lets(self, run_id: str) -> bool:
        """Whether this run may be sent: a probe, as long as no other one goes, however late it comes."""
        return not self.is_open or self.probe == run_id

    def probed_by(self, run_id: str, now: datetime, probing: State | None = None) -> "Breaker":
        """This run goes to see how it fares, unless none may: a person may have paused it a moment ago."""
        return replace(self, probe=run_id, probe_until=now + PROBE_TIME) if self.may_probe(now, probing) else self

    def heard_failure(self, run_id: str, reason: Reason, detail: str, now: datetime) -> "Breaker":
        """A request of a run failed, or was refused."""
        if self.reason is Reason.PAUSED:
            return self  # a person's word stands
        failures = self.failures + 1
        is_worse = reason in REFUSALS and self.reason not in REFUSALS
        if self.is_open and self.probe != run_id and not is_worse:
            # It was under way when this opened, which it may have been for minutes. Only the probe tells of now.
            return replace(self, failures=failures)
        if reason in REFUSALS:
            return self._open(failures, reason, detail, now, REFUSED_PAUSE)
        if not self.is_open and failures < MOST_FAILURES:
            return replace(self, failures=failures)
        pause = min(FIRST_PAUSE * 2.0 ** min(self.openings, 10), LONGEST_PAUSE)
        return self._open(failures, Reason.PROVIDER_FAILING, detail, now, pause)

    def _open(self, failures: int, reason: Reason, detail: str, now: datetime, pause: timedelta) -> "Breaker":
        return Breaker(failures, self.openings + 1, self.opened_at or now, reason, detail, probe_at=now + pause)

    def heard_success(self, run_id: str) -> "Breaker":
        """The provider took a request, or answered one. What was under way when it opened tells little of now."""
        if self.reason is Reason.PAUSED or (self.is_open and self.probe != run_id):
            return self
        return Breaker()


def paused(detail: str, now: datetime) -> Breaker:
    """Opened by a person, until a person closes it."""
    return Breaker(opened_at=now, reason=Reason.PAUSED, detail=detail)
