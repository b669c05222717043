"""The doors that documents come in by, and what they share.

Each document is recorded in the ledger, then its first step is hinted. A lost hint costs only time.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from headrace.ledger.records import Recorded
from headrace.states import State

log = structlog.get_logger()

Hint = Callable[[str, State], object]
"""Says that a run in this state can be looked at; what it returns does not matter, as the sweep hints again."""


class Door(Protocol):
    """One way for documents to come in."""

    name: str

    def look(self) -> float:
        """Take what is there; returns the seconds until it is worth looking again."""
        ...


def hint_all(recorded: Sequence[Recorded], hint: Hint) -> None:
    """Hint the step of each recorded document that has one."""
    for each in recorded:
        if each.new:
            log.info("document received", document=each.document.id, run=each.run_id)
        if each.hint is not None:
            hint(each.run_id, each.hint)
