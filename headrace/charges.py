"""What a paid request counts for against budgets: nothing, what its answer says, or all that was promised for it."""

from typing import Protocol

from headrace.budgets import NOTHING, Amount
from headrace.states import Reason, SubmissionState

MAY_COME = frozenset({SubmissionState.INTENDED, SubmissionState.ACCEPTED, SubmissionState.IN_DOUBT})
"""Of these something may still come: what was promised for them stays promised, which counts like spent."""


class Sent(Protocol):
    """A paid request, as far as its price goes."""

    @property
    def state(self) -> SubmissionState: ...
    @property
    def reason(self) -> Reason | None: ...
    @property
    def job(self) -> str | None: ...
    @property
    def pages(self) -> int | None: ...
    @property
    def cost(self) -> float | None: ...


def comes_to(sent: Sent, promised: Amount) -> Amount:
    """What a request came to that will bring nothing more, where so much was promised for it.

    What was abandoned, or taken and not read, may be on the bill, nobody knows for how many pages: all of it counts.
    """
    if sent.state is SubmissionState.ANSWERED:
        return Amount(
            promised.pages if sent.pages is None else sent.pages, promised.cost if sent.cost is None else sent.cost
        )
    was_read = sent.job is not None or sent.reason is Reason.PREDICTION_FAILED
    return promised if sent.state is SubmissionState.ABANDONED or was_read else NOTHING
