"""Settling doubt: whether the provider took a paid request is found out, or a person says what is to become of it."""

from dataclasses import dataclass
from enum import StrEnum

from headrace.document import SubmissionKey
from headrace.ledger.records import Run
from tasks.services import Services


class Ending(StrEnum):
    """What became of a paid request that was in doubt."""

    ANSWERED = "answered"
    """Its answer is stored, and used."""
    ADOPTED = "adopted"
    """The provider took it: its job is asked for."""
    SENT_AGAIN = "sent again"
    """It is sent again: under the same key where it certainly was not taken, else under the next."""
    FAILED = "failed"
    """It certainly was not taken, and sending it again would not help."""
    GIVEN_UP = "given up"
    """A person left it at that: the run failed."""
    HELD = "held"
    """Nobody can tell: a person decides."""
    NOT_IN_DOUBT = "not in doubt"
    """It was not in doubt (any more), so nothing was done."""


@dataclass(frozen=True)
class Settled:
    """What became of one paid request in doubt; `run` is its run as it is then, `detail` says it to a person."""

    key: SubmissionKey
    ending: Ending
    run: Run
    detail: str


def adopt(services: Services, key: SubmissionKey, job: str, by: str) -> Settled:
    """Use this job of the provider for the request: a person found it there. Nothing is paid.

    Safe to call twice, and against a worker that comes back: what is noted first counts, and is what is told.
    Raises LedgerError where the ledger knows no such request, and what the ledger and the store raise.
    """
    raise NotImplementedError


def resend(services: Services, key: SubmissionKey, by: str) -> Settled:
    """Send the document again under the next key, as a person decided: it may be paid a second time.

    Should a job of the abandoned request turn up before it is sent, that one is used, and nothing is paid. Else as
    `adopt`.
    """
    raise NotImplementedError


def give_up(services: Services, key: SubmissionKey, by: str) -> Settled:
    """Fail the run, as a person decided: nobody will know whether it was paid. Else as `adopt`."""
    raise NotImplementedError
