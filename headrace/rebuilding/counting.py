"""What budgets count for a run that is put back: what its files say of it, else as far as they tell.

Its note says for how much it was admitted, and on which day; the run's own facts, what each request came to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import NamedTuple

from headrace.budgets import NOTHING, Amount
from headrace.charges import MAY_COME, comes_to
from headrace.document import SubmissionKey
from headrace.ledger.records import Run, Submission
from headrace.storage.notes import Note

Notes = Mapping[SubmissionKey, Note | None]


class _Promise(NamedTuple):
    day: str
    amount: Amount


def counted(run: Run, submissions: Sequence[Submission], notes: Notes) -> tuple[Run, tuple[Submission, ...]]:
    """The run with what is promised for it, while something may come of a request of it; and what each came to.

    Of a run whose route or lane nobody can tell nothing is counted.
    """
    if run.route is None or run.lane is None:
        return run, tuple(submissions)
    promises = {one.key: _promise(one, run, notes.get(one.key)) for one in submissions if one.paid}
    may_come = [one for one in submissions if one.key in promises and one.state in MAY_COME]
    if may_come:
        day, (pages, cost) = promises[max(may_come, key=lambda one: one.key.n).key]
        run = replace(run, reserved_on=day, reserved_pages=pages, reserved_cost=cost)
    else:
        run = replace(run, reserved_on=None, reserved_pages=None, reserved_cost=None)
    return run, tuple(_with_what_it_came_to(one, promises.get(one.key)) for one in submissions)


def _with_what_it_came_to(one: Submission, promise: _Promise | None) -> Submission:
    if promise is None or one.state in MAY_COME or one.spent_on is not None:
        return one
    amount = comes_to(one, promise.amount)
    if amount == NOTHING:
        return one
    return replace(one, spent_on=promise.day, spent_pages=amount.pages, spent_cost=amount.cost)


def _promise(one: Submission, run: Run, note: Note | None) -> _Promise:
    """What was promised for a request: as its note tells, or its run; else its pages, on the day when it went out."""
    for told in (None if note is None else note.facts, run):
        if told is not None and told.reserved_on is not None:
            return _Promise(told.reserved_on, Amount(told.reserved_pages or 0, told.reserved_cost or 0.0))
    pages, cost = one.pages or run.pages or 1, one.cost or run.cost or 0.0
    return _Promise(one.send_before.astimezone(UTC).date().isoformat(), Amount(pages, cost))
