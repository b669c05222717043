"""How long a run waits for a store that fails it, and when that is told: the longer it lasts, the more rarely."""

from datetime import timedelta

from headrace.states import Reason

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_WHILE_AWAY = timedelta(seconds=15)
"""Of a store that is away or fails: once it is back, work goes on within half a minute."""
LONGEST_WHILE_REFUSED = timedelta(minutes=10)
"""Of one that refuses us, or is full: somebody has to mend that."""
KEEPS_ITS_PLACE_FOR = timedelta(minutes=1)
"""An admitted run that a store fails stays admitted so long: mostly all wait for that store, and go on where they were.

It may be this one object that cannot be read, though; and a place that nobody gives back stops its lane.
"""
SOURCE_REFUSED_FOR = timedelta(days=1)
"""A document that the store does not let us read, and that nothing was paid for, fails after this long."""


def pause_after(reason: Reason, lasted: timedelta) -> timedelta:
    """How long to wait before the next try, where this reason has lasted so long: half as long again."""
    longest = LONGEST_WHILE_AWAY if reason is Reason.STORAGE else LONGEST_WHILE_REFUSED
    return min(max(lasted / 2, FIRST_PAUSE), longest)


def keeps_its_place(reason: Reason, lasted: timedelta) -> bool:
    """Whether an admitted run stays so meanwhile, or waits, so that others may have its place in the lane."""
    return reason is Reason.STORAGE and lasted < KEEPS_ITS_PLACE_FOR


def is_given_up(reason: Reason, lasted: timedelta) -> bool:
    """Whether it is for a person to say that it is worth another try."""
    return reason is Reason.SOURCE_REFUSED and lasted >= SOURCE_REFUSED_FOR


def is_told(put_offs: int) -> bool:
    """Whether the history tells of this one of so many in a row: of the 1st, 2nd, 4th, 8th …"""
    return put_offs & (put_offs - 1) == 0
