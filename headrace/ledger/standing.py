"""Which of two tellings of one S3 key is newer, as far as they say."""

from dataclasses import replace
from enum import Enum

from headrace import sequencer
from headrace.document import Document


class Order(Enum):
    """How a telling stands to an earlier one."""

    NEWER = "newer"
    OLDER = "older"
    UNDECIDED = "undecided"


def compare(telling: Document, other: Document) -> Order:
    """By LastModified in whole seconds; where that ties or is missing, by the sequencers, if both have one."""
    mine, theirs = telling.last_modified, other.last_modified
    if mine is not None and theirs is not None and mine != theirs:
        return Order.NEWER if mine > theirs else Order.OLDER
    my_place, their_place = sequencer.place(telling.sequencer), sequencer.place(other.sequencer)
    if my_place is None or their_place is None or my_place == their_place:
        return Order.UNDECIDED
    return Order.NEWER if my_place > their_place else Order.OLDER


def merge(known: Document, telling: Document) -> Document:
    """What is known of one document after it was told of again: the newer telling holds, gaps are filled."""
    order = compare(telling, known)
    newer, older = (known, telling) if order is Order.OLDER else (telling, known)
    same_moment = order is Order.UNDECIDED
    return replace(
        known,
        size=known.size if known.size is not None else telling.size,
        last_modified=newer.last_modified if newer.last_modified is not None else older.last_modified,
        # A sequencer or a version of an earlier drop says nothing about a later one.
        sequencer=newer.sequencer or (older.sequencer if same_moment else None),
        version_id=newer.version_id or (older.version_id if same_moment else None),
    )
