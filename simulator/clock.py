"""The time, as the simulated server has it."""

import time


def now() -> float:
    """Seconds since 1970-01-01."""
    return time.time()


def steady() -> float:
    """Seconds that never go back, from some start."""
    return time.monotonic()
