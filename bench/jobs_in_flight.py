"""Jobs as a lane has them in flight that has taken and answered so many a second for a long time.

Jobs come evenly, at random; how long one takes is drawn from a distribution that depends on its pages. The time is not
compressed but follows from Little's law: where `per_second` come and `in_flight` are on their way, a job takes
in_flight / per_second seconds on average. Of the jobs that came before the beginning those are kept that nobody would
have noticed by then, each polled as often as the schedule says, and in the poll groups that `accept` would have made.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import NormalDist, fmean

from headrace.durations import EARLY_SHARE, Durations, size_of
from headrace.ledger.poll_groups import GAP_SHARE, LEAST_FILLING, LEAST_GAP, LONGEST_FILLING, MOST_JOBS
from headrace.polling import LATE_SHARE, LEAST_DELAY

# How many pages, and how many in a hundred documents have so many.
PAGES = {1: 30, 2: 25, 3: 20, 5: 12, 8: 8, 13: 5}
# A job of n pages takes n ** GROWTH times as long as one of a page, on average; log-normal with this spread.
GROWTH = 0.5
SPREAD = 0.5
# Before so many times the average nothing came that is still in flight.
_OLDEST = 6.0
# That a job is noticed late, on average, is part of how long it is in flight.
_NOTICED_LATE = 1.12


@dataclass
class Job:
    """A job; times are seconds, 0 is the beginning of the measurement. It is ready at `accepted + takes`."""

    number: int
    pages: int
    accepted: float
    takes: float
    polls: int = 0
    due: float = 0.0
    group: int = 0

    @property
    def ready(self) -> float:
        return self.accepted + self.takes


@dataclass
class Group:
    """A poll group; `jobs` are those of it that are still in flight at the beginning."""

    id: int
    opened: float
    due: float
    joined: int = 1
    jobs: list[Job] = field(default_factory=list)


class Times:
    """How long jobs take: `unit` is the median of those with one page, in seconds."""

    def __init__(self, chance: random.Random, unit: float) -> None:
        self._chance = chance
        self._unit = unit

    def draw(self, pages: int) -> float:
        return self._unit * pages**GROWTH * self._chance.lognormvariate(0, SPREAD)

    def known(self) -> dict[int, Durations]:
        """What the ledger has learned by now, by size: the true quantiles, of the jobs of all pages of that size."""
        of_size: dict[int, list[tuple[int, int]]] = {}
        for pages, weight in PAGES.items():
            of_size.setdefault(size_of(pages), []).append((pages, weight))
        return {size: Durations(self._quantile(some, EARLY_SHARE), 10_000) for size, some in of_size.items()}

    def _quantile(self, some: list[tuple[int, int]], share: float) -> float:
        """Found by halving: the time within which that share of these pages' jobs is ready."""
        low, high, all_of_them = 0.0, self._unit * 1000, sum(weight for _, weight in some)
        for _ in range(60):
            middle = (low + high) / 2
            ready = sum(
                weight * NormalDist().cdf(math.log(middle / (self._unit * pages**GROWTH)) / SPREAD)
                for pages, weight in some
            )
            low, high = (middle, high) if ready < share * all_of_them else (low, middle)
        return high


class Population:
    """`jobs`: in flight at the beginning. `arrivals`: those that come within `seconds` after it."""

    def __init__(self, in_flight: int, per_second: float, seconds: float, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self.times = self._times(in_flight / per_second)
        self._known = self.times.known()
        self.groups: list[Group] = []
        self.jobs: list[Job] = []
        self.arrivals: list[Job] = []
        for number, accepted in enumerate(self._moments(in_flight, per_second, seconds)):
            (pages,) = self._chance.choices(list(PAGES), PAGES.values())
            job = Job(number, pages, accepted, self.times.draw(pages))
            if accepted >= 0:
                self.arrivals.append(job)
                continue
            self._live(job)
        self.groups = [group for group in self.groups if group.jobs]
        self.jobs.sort(key=lambda job: job.accepted)

    def first(self, job: Job) -> float:
        """How long after it was taken a job is asked for first."""
        return self._delay(0.0, job)

    def _times(self, mean_seconds: float) -> Times:
        """Those of jobs that are in flight for so long on average."""
        mean = fmean([pages**GROWTH for pages in PAGES], PAGES.values()) * math.exp(SPREAD**2 / 2)
        return Times(self._chance, mean_seconds / mean / _NOTICED_LATE)

    def _moments(self, in_flight: int, per_second: float, seconds: float) -> Iterator[float]:
        at = -_OLDEST * in_flight / per_second
        while at < seconds:
            yield at
            at += self._chance.expovariate(per_second)

    def _live(self, job: Job) -> None:
        """Let it join a group, and be asked for until the beginning; kept where it is in flight then."""
        group = self._join(job)
        age, polls = self.first(job), 0
        while job.accepted + age <= 0:
            polls += 1
            if age >= job.takes:
                return
            gap = max((job.accepted + age - group.opened) * GAP_SHARE, LEAST_GAP.total_seconds())
            age += self._delay(age, job) + self._chance.uniform(0, gap)
        job.polls, job.due, job.group = polls, job.accepted + age, group.id
        group.jobs.append(job)
        self.jobs.append(job)

    def _delay(self, age: float, job: Job) -> float:
        """As a route's schedule has it where such jobs are known."""
        early = self._known[size_of(job.pages)].early
        return max(early - age if age < early else age * LATE_SHARE, LEAST_DELAY.total_seconds())

    def _join(self, job: Job) -> Group:
        """As the ledger's poll_groups have it."""
        due = job.accepted + self.first(job)
        filling = min(max(self.first(job) / 2, LEAST_FILLING.total_seconds()), LONGEST_FILLING.total_seconds())
        for group in reversed(self.groups):
            if group.opened <= job.accepted - LONGEST_FILLING.total_seconds():
                break
            # Its first turn closes it.
            is_open = group.due > job.accepted and group.opened > job.accepted - filling
            if is_open and group.joined < MOST_JOBS and group.due <= due:
                group.joined += 1
                return group
        self.groups.append(Group(len(self.groups) + 1, job.accepted, due))
        return self.groups[-1]
