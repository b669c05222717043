"""The time, as the simulated server has it."""

import time


def now() -> float:
    """Seconds since 1970-01-01."""
    return time.time()
