"""When to ask again for an asynchronous answer, and when to give up."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class PollSchedule(BaseModel):
    """Polls so far -> the next delay: it doubles from `first_seconds` up to `longest_seconds`, `polls` times."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_seconds: float = Field(
        default=5.0, strict=True, gt=0, le=60, description="Delay before the first poll, in seconds."
    )
    # Redis hands a message that is held longer than its visibility timeout to a second worker;
    # the longest countdown stays far below it (config/celery.py).
    longest_seconds: float = Field(
        default=60.0, strict=True, gt=0, le=60, description="No delay between two polls is longer, in seconds."
    )
    polls: int = Field(default=90, strict=True, gt=0, description="Give up after this many polls without an answer.")

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
        delays = (self.delay_after(polls) for polls in range(self.polls))
        return sum((delay for delay in delays if delay is not None), timedelta())
