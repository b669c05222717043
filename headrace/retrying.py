"""What is sent again by itself, how often, after which pauses, and what ends it: one row for each reason.

docs/retries.md is made of this table (config/retry_docs.py). What waits for something else than time (a budget, a
place, a person) is not in it: headrace/dispatching.py, headrace/breaking.py; nor is doubt: headrace/doubt.py.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from headrace.breaking import REFUSALS
from headrace.states import Reason

JITTER = 0.2
"""Each pause is longer or shorter by up to this share, so that what failed together does not come back together."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How what was not taken is sent again: `most` attempts in all, pauses that double from `first` to `longest`."""

    most: int
    first: timedelta
    longest: timedelta

    def pause_after(self, attempts: int) -> timedelta | None:
        """How long to wait after so many attempts, at least one, without jitter; None once it is to fail."""
        if attempts >= self.most:
            return None
        # Twenty doublings pass any sensible longest; many more would overflow timedelta.
        return min(self.first * 2.0 ** min(max(attempts - 1, 0), 20), self.longest)


_SENT_AGAIN = Rule(10, timedelta(seconds=30), timedelta(minutes=10))
# That the provider does not have it was seen twice, a quarter of an hour after it was sent: it has waited long enough.
_AT_ONCE = Rule(10, timedelta(), timedelta())

RULES: Mapping[Reason, Rule] = {
    Reason.UNREACHABLE: _SENT_AGAIN,
    Reason.NOT_SENT: _SENT_AGAIN,
    Reason.NOT_TAKEN: _AT_ONCE,
    Reason.STORAGE: _SENT_AGAIN,
    Reason.STORAGE_REFUSED: _SENT_AGAIN,
    Reason.SOURCE_REFUSED: _SENT_AGAIN,
}
"""Reasons that are not here are not tried again after a pause of their own."""

UNCOUNTED = REFUSALS | {Reason.RATE_LIMITED, Reason.OBJECT_GONE, Reason.OBJECT_REPLACED}
"""What says nothing of the provider's taking this document: its lane waits, or the run ends once that is looked at.

Where only a note tells of it, the run goes back to be sent, and no attempt is counted.
"""


def pause_after(reason: Reason, attempts: int) -> timedelta | None:
    """How long to wait after this many sendings that were certainly not taken; None once the run is to fail."""
    rule = RULES.get(reason)
    pause = None if rule is None else rule.pause_after(attempts)
    return None if pause is None else pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  nobody's secret
