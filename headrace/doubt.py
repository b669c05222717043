"""How doubt about a paid request is settled: when the provider is asked, and what its answers allow.

A request may have left until its `send_before`, and the provider's list may lag behind for `settle`; before their sum,
the deadline, nothing is decided but what was found. Rules 4 to 6 of "Why nothing is paid twice" in docs/architecture.md
are these.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headrace.providers import Absent, Finding, Found, Job, Unknown

LEAST_PAUSE = timedelta(seconds=1)
LONGEST_UNREACHABLE = timedelta(hours=24)
# What nobody asked for that day, since we were away ourselves, is asked for about as long as `settle` all the same.
LEAST_UNREACHABLE = 6


@dataclass(frozen=True)
class Unreachable:
    """The provider cannot be asked for now; `detail` says why, for people."""

    detail: str


@dataclass(frozen=True)
class Unaskable:
    """The provider cannot be asked before somebody mends something; `detail` says what, for people."""

    detail: str


@dataclass(frozen=True)
class Behind:
    """Its list does not have it, but jobs that it took before are not done either: it may have it, unread."""


Look = Finding | Unreachable | Unaskable | Behind


@dataclass(frozen=True)
class Doubt:
    """What is known of one paid request in doubt.

    `looks` is how often the provider was asked for it; `absent_at` when it was first asked, of those times on end when
    it did not have it.
    """

    send_before: datetime
    doubted_at: datetime
    looks: int = 0
    absent_at: datetime | None = None


@dataclass(frozen=True)
class Take:
    """It was taken: use this job. `others` were seen under the same key: each of them may have been billed too."""

    job: Job
    others: tuple[Job, ...] = ()


@dataclass(frozen=True)
class SendAgain:
    """It certainly was not taken: send it again, under the same key."""


@dataclass(frozen=True)
class LookAgain:
    """It cannot be decided yet; `absent_at` is to be remembered."""

    at: datetime
    absent_at: datetime | None


@dataclass(frozen=True)
class Unsettled:
    """Nobody will know: the route says what is to become of it. `detail` says why, for people."""

    detail: str


Decision = Take | SendAgain | LookAgain | Unsettled


def first_pause(settle: timedelta) -> timedelta:
    """How long after doubt arose the provider is asked first; a lane is not listed more often than this either.

    >>> first_pause(timedelta(minutes=15)).total_seconds()
    15.0
    """
    return max(settle / 60, LEAST_PAUSE)


def deadline(since: datetime, settle: timedelta) -> datetime:
    """From when on it can be decided what can have left, or was missing, since then."""
    return since + settle


def decide(doubt: Doubt, look: Look, looked_at: datetime, settle: timedelta, *, echoed: bool) -> Decision:
    """What a look that began at `looked_at` allows; `echoed` says that this account was seen to tell our keys again.

    That it was not taken needs an account that tells our keys at all, and listings without it for `settle` on end, the
    first begun after the request can have left, and in none of them Behind: a list may have a job only once it is done.
    """
    is_time = looked_at >= deadline(doubt.send_before, settle)
    match look:
        case Found(jobs=jobs):
            return Take(jobs[0], jobs[1:])
        case Absent():
            absent_at = doubt.absent_at
            if absent_at is None and looked_at >= doubt.send_before:
                absent_at = looked_at
            if absent_at is None or looked_at < deadline(absent_at, settle):
                return _look_again(doubt, looked_at, settle, absent_at)
            if not echoed:
                return Unsettled("its list does not have it, but was never seen to tell a key of ours")
            return SendAgain()
        case Behind():
            # It comes to an end: jobs that are not done are given up by their route's polls.
            return _look_again(doubt, looked_at, settle, None)
        case Unknown(detail=detail):
            return Unsettled(detail) if is_time else _look_again(doubt, looked_at, settle, None)
        case Unreachable(detail=detail) | Unaskable(detail=detail):
            # Who may mend a key sleeps at night: what is refused is given as long as what is away.
            is_long = looked_at >= doubt.doubted_at + LONGEST_UNREACHABLE and doubt.looks >= LEAST_UNREACHABLE
            if is_time and is_long:
                return Unsettled(f"it could not be asked for a day: {detail}")
            return _look_again(doubt, looked_at, settle, doubt.absent_at)


def said(look: Look) -> str:
    """What a look that settled nothing told, for people."""
    match look:
        case Unknown(detail=detail):
            return f"The provider cannot say yet whether it took the document: {detail.rstrip('.')}."
        case Behind():
            return "The provider's list does not have it so far, but it is not done with what it took before either."
        case Unreachable(detail=detail):
            return f"The provider cannot be asked for now: {detail.rstrip('.')}."
        case Unaskable(detail=detail):
            return (
                f"The provider cannot be asked before somebody mends this: {detail.rstrip('.')}. "
                "It is asked again by itself for a day, and at once by `headrace resolve --ask`."
            )
        case _:
            return "The provider's list, which may lag, does not have it so far."


def _look_again(doubt: Doubt, looked_at: datetime, settle: timedelta, absent_at: datetime | None) -> LookAgain:
    """Ever more rarely, but as soon as its absence counts, and once more as soon as it has for long enough."""
    by = deadline(absent_at or doubt.send_before, settle)
    # More doublings than these pass any longest pause.
    pause = first_pause(settle) * 2.0 ** min(doubt.looks, 20)
    at = looked_at + max(min(pause, settle / 4 if looked_at < by else settle), LEAST_PAUSE)
    for moment in (by, doubt.send_before):
        if looked_at < moment < at:
            at = max(moment, looked_at + LEAST_PAUSE)
    return LookAgain(at, absent_at)
