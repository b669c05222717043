"""How long jobs take of late: a running quantile, by how many pages they have."""

import math
from dataclasses import dataclass

# So few are ready when they are asked for first, and may be noticed late by more than any other; fewer would take more
# calls of all the others.
EARLY_SHARE = 0.05
# How far one job moves it, at most: the smaller, the closer it rests, and the later it follows a change.
STEP = 0.05


@dataclass(frozen=True)
class Durations:
    """Of jobs of one size one in twenty was ready within `early` seconds; `jobs` is how many were heard of."""

    early: float
    jobs: int = 1

    def heard(self, seconds: float) -> "Durations":
        """With one more job, which took so long.

        `early` moves by a share of itself, up where the job took longer and down where it did not, so that it comes to
        rest where the shares balance (stochastic approximation, Robbins and Monro 1951). A change to half is followed
        within some fifteen jobs, one to the double within 250: meanwhile jobs are asked for more often than they need
        be.
        """
        moved = self.early * math.exp(STEP * (EARLY_SHARE - (seconds < self.early)))
        return Durations(moved, min(self.jobs + 1, 1_000_000))


def size_of(pages: int | None) -> int:
    """The class of sizes of a job: 1, 2 to 3, 4 to 7 pages and so on.

    >>> [size_of(pages) for pages in (None, 1, 2, 3, 4, 500)]
    [1, 1, 2, 2, 3, 9]
    """
    return max(pages or 1, 1).bit_length()
