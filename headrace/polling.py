"""When to ask again for an asynchronous answer, and when to give up."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from headrace.breaking import REFUSALS
from headrace.durations import Durations
from headrace.states import Reason

# Of a job's age: so late an answer is noticed at most, and half as late on average, for few calls.
LATE_SHARE = 0.2
LEAST_DELAY = timedelta(seconds=1)
# A provider that is away may come back, and its jobs are paid.
UNTOLD_FOR = timedelta(days=1)

# How long a lane's jobs are left alone: where the provider says too much and not for how long, and where it refuses
# the key, which people mend.
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=10)
REFUSED_REST = timedelta(minutes=5)

# A list may lag, or never have a job: one that it does not bring for so long is asked for by itself, at every so many
# polls.
UNLISTED_FOR = timedelta(minutes=3)
SINGLY_EVERY = 4


def rest_after(reason: Reason, refusals: int, asked_seconds: float | None) -> timedelta:
    """For how long none of a lane's jobs is asked for, once that was refused, `refusals` times in a row before."""
    if reason in REFUSALS:
        return REFUSED_REST
    if asked_seconds is not None:
        return max(timedelta(seconds=asked_seconds), LEAST_DELAY)
    # Ten doublings pass the longest.
    return min(FIRST_REST * 2.0 ** min(refusals, 10), LONGEST_REST)


def is_asked_singly(age: timedelta, polls: int, *, is_last: bool) -> bool:
    """Whether a job whose answer a list does not bring is asked for by itself; before it is given up, it is."""
    return is_last or (age >= UNLISTED_FOR and polls % SINGLY_EVERY == 0)


class PollSchedule(BaseModel):
    """Polls so far -> the next delay: it doubles from `first_seconds` up to `longest_seconds`, `polls` times."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_seconds: float = Field(
        default=5.0, strict=True, gt=0, le=60, description="Delay before the first poll, in seconds."
    )
    # Redis hands a message that is held longer than its visibility timeout to a second worker;
    # the longest countdown stays far below it (config/celery.py).
    longest_seconds: float = Field(
        default=60.0,
        strict=True,
        gt=0,
        le=60,
        description="No delay between two polls is longer, in seconds, unless it is known how long a lane's jobs take.",
    )
    polls: int = Field(
        default=90,
        strict=True,
        gt=0,
        description="Give up after the time that this many polls take by this schedule. Where it is known how long a "
        "lane's jobs take, they are asked for less often.",
    )

    def next_delay(self, age: timedelta, polls: int, took: Durations | None) -> timedelta | None:
        """How long to wait before the next poll of a job that was accepted so long ago; None once it is to be given up.

        `took` is how long such jobs took of late. Then the first poll comes when one in twenty would be ready, and each
        other one a fifth of the job's age later, however long that is: of jobs that take hours a poll a minute would
        be hundreds of calls. Where nothing is known, the delays are those of the schedule.
        """
        left = self.whole_time - age
        if left <= timedelta():
            return None
        # The last poll comes when the time is up, not long after it.
        return max(min(self._next_delay(age, polls, took), left), LEAST_DELAY)

    def _next_delay(self, age: timedelta, polls: int, took: Durations | None) -> timedelta:
        if took is None:
            return self.delay_after(polls) or timedelta(seconds=self.longest_seconds)
        early = timedelta(seconds=took.early)
        return early - age if age < early else age * LATE_SHARE

    def delay_untold(self, age: timedelta, polls: int, took: Durations | None) -> timedelta | None:
        """As `next_delay`, of a job that could not be asked for: what is given up for its age was heard of last.

        Only who is away for longer than a day is not waited for any more.
        """
        if age >= self.whole_time + UNTOLD_FOR:
            return None
        return self.next_delay(age, polls, took) or timedelta(seconds=self.longest_seconds)

    def delay_after(self, polls: int) -> timedelta | None:
        """How long to wait after this many polls; None once it is time to give up."""
        if polls >= self.polls:
            return None
        # Ten doublings pass any sensible longest; many more would overflow timedelta.
        seconds = min(self.first_seconds * 2.0 ** min(polls, 10), self.longest_seconds)
        return timedelta(seconds=seconds)

    @property
    def whole_time(self) -> timedelta:
        """How long the polls last together: how long a link that the provider reads must stay valid."""
        # After ten doublings they are all the same.
        first = [self.delay_after(polls) or timedelta() for polls in range(min(self.polls, 11))]
        return sum(first, timedelta()) + first[-1] * (self.polls - len(first))
