"""What the seed decides. The same seed, the same content and the same turn of it always come out the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from simulator.orders import Call, Order

# On submits, each was seen, or is to be expected of any server behind a gateway.
_SUBMIT_FAULTS = (
    Order(do="answer", status=429),
    Order(do="answer", status=500),
    Order(do="answer", status=502, body="html"),
    Order(do="answer", status=503, billed=False),
    Order(do="cut"),
    Order(do="slow", seconds=1),
)
_FREE_FAULTS = (
    Order(do="answer", status=429),
    Order(do="answer", status=500),
    Order(do="answer", status=502, body="html"),
    Order(do="answer", status=200, body="empty"),
    Order(do="cut"),
    Order(do="slow", seconds=1),
)
_FAULTS: Mapping[Call, Sequence[Order]] = {
    "submit": _SUBMIT_FAULTS,
    "fetch": _FREE_FAULTS,
    "window": (*_FREE_FAULTS, Order(do="break", on="window")),
    "models": _FREE_FAULTS,
}


@dataclass(frozen=True)
class Rates:
    """How often, from 0 to 1: a page fails, a file is approved by somebody, a call meets a fault."""

    fail_pages: float = 0.0
    moderated: float = 0.0
    faults: float = 0.0


class Chances:
    """Dice that fall by the seed. Turns count from the start of the process; called by one thread only."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self._seed = seed
        self._rates = rates
        self._turns: Counter[tuple[str, str]] = Counter()

    def turn(self, kind: str, subject: str) -> int:
        """How often this was asked of this subject, from 1."""
        self._turns[kind, subject] += 1
        return self._turns[kind, subject]

    def random(self, *what: object) -> Random:
        """Dice for one question."""
        return Random(":".join(map(str, (self._seed, *what))))  # noqa: S311  no secret

    def fault(self, call: Call, subject: str, turn: int) -> Order | None:
        """The fault that this call meets, if any."""
        random = self.random("fault", call, subject, turn)
        return random.choice(_FAULTS[call]) if random.random() < self._rates.faults else None

    def failing(self, digest: str, turn: int, pages: Sequence[int]) -> tuple[int, ...]:
        """The pages that fail."""
        random = self.random("fail", digest, turn)
        return tuple(page for page in pages if random.random() < self._rates.fail_pages)

    def approved(self, digest: str, turn: int) -> bool:
        """Whether somebody corrects and approves the file."""
        return self.random("approve", digest, turn).random() < self._rates.moderated
