"""What goes wrong, and when: a plan drawn from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

# Longer than a lease, which is 15 s.
STOP_SECONDS = (16.0, 19.0)
# A server that hangs, for less than its clients wait.
HANG_SECONDS = (2.0, 5.0)
# For so long somebody has nothing sent.
PAUSE_SECONDS = (3.0, 6.0)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, so many seconds after the chaos began; `kind` is what the report sums up by.

    `do` is what breaking.py knows, `to` the process that it is done to, if any; `order` is the simulator's.
    """

    number: int
    at_seconds: float
    kind: str
    do: str
    to: str = ""
    lasts_seconds: float = 0.0
    order: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class _Kind:
    kind: str
    do: str
    to: str = ""
    lasts_seconds: tuple[float, float] = (0.0, 0.0)
    orders: tuple[dict[str, Any], ...] = ()


_PROCESSES = ("worker-prefork", "worker-maintenance", "worker-threads", "worker-local", "beat", "listener", "events")
_KINDS = (
    *(_Kind(f"kill {name}", "kill", name) for name in _PROCESSES),
    *(_Kind(f"stop {name}", "stop", name, STOP_SECONDS) for name in _PROCESSES if name != "worker-local"),
    _Kind("kill a pool child", "kill child", "worker-prefork"),
    _Kind("kill valkey", "kill", "valkey"),
    _Kind("kill and empty valkey", "empty", "valkey"),
    _Kind("flush valkey", "flush", "valkey"),
    _Kind("hang valkey", "stop", "valkey", HANG_SECONDS),
    _Kind("drop broker connections", "drop connections", "valkey"),
    _Kind("kill s3", "kill", "s3"),
    _Kind("hang s3", "stop", "s3", HANG_SECONDS),
    _Kind("kill simulator", "kill", "simulator"),
    _Kind(
        "provider too busy",
        "order",
        "simulator",
        orders=(
            {"do": "answer", "status": 429, "times": 3, "retry_after": 2},
            # Without a word about when to come back, each one stops the lane for half a minute or longer.
            {"do": "answer", "status": 429},
        ),
    ),
    _Kind(
        "provider refuses the key",
        "order",
        "simulator",
        orders=tuple({"do": "answer", "status": status, "for_seconds": 4} for status in (401, 402, 403)),
    ),
    _Kind("pause the provider", "pause", lasts_seconds=PAUSE_SECONDS),
    _Kind(
        "provider errs after taking",
        "order",
        "simulator",
        orders=(
            {"do": "answer", "status": 500, "times": 2},
            {"do": "answer", "status": 502, "body": "html", "times": 2},
            {"do": "answer", "status": 503, "billed": False, "times": 2},
            {"do": "cut", "times": 2},
        ),
    ),
    _Kind("provider slow", "order", "simulator", orders=({"do": "slow", "seconds": 6, "times": 4},)),
    _Kind(
        "provider errs on fetch",
        "order",
        "simulator",
        orders=(
            {"do": "answer", "on": "fetch", "status": 502, "body": "html", "times": 3},
            {"do": "cut", "on": "fetch", "times": 3},
        ),
    ),
    _Kind(
        "listing fails",
        "order",
        "simulator",
        orders=(
            {"do": "answer", "on": "window", "status": 500, "times": 2},
            {"do": "cut", "on": "window", "times": 2},
            {"do": "break", "on": "window", "times": 2},
            # Once: of two listings in a row that lack it without a word, nobody could tell that it was taken.
            {"do": "omit", "on": "window"},
        ),
    ),
)
_POSTGRES_KINDS = (
    _Kind("kill postgres", "kill", "postgres"),
    _Kind("hang postgres", "stop", "postgres", HANG_SECONDS),
)


def plan_faults(seed: int, *, every_seconds: float, postgres: bool) -> Iterator[Fault]:
    """Faults without end, in the order of their times, about one in `every_seconds`; the same for the same seed.

    Each kind comes once, in a drawn order, before any comes again.
    """
    random = Random(f"{seed}:faults")
    kinds = _KINDS + (_POSTGRES_KINDS if postgres else ())
    at_seconds, number, left = 0.0, 0, []
    while True:
        if not left:
            left = random.sample(kinds, len(kinds))
        kind = left.pop()
        at_seconds += random.uniform(0.4, 1.6) * every_seconds
        number += 1
        yield _fault(number, at_seconds, kind, random)


def _fault(number: int, at_seconds: float, kind: _Kind, random: Random) -> Fault:
    order = random.choice(kind.orders) if kind.orders else {}
    return Fault(
        number,
        round(at_seconds, 2),
        kind.kind,
        kind.do,
        kind.to,
        round(random.uniform(*kind.lasts_seconds), 1),
        tuple(sorted(order.items())),
    )
