"""How fast requests may go out: one limit for all workers, kept in Redis."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import redis
from redis.exceptions import RedisError

from headrace.errors import LimitsUnavailable
from headrace.routing import Lane

# A vendor counts pages a minute. A second more, for requests travel at different speeds.
WINDOW_SECONDS = 61.0
# What may go at once after a pause: this share of a minute's pages, or of a second's requests; one at least.
BURST_SHARE = 0.02

FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 600.0

_PREFIX = "headrace:limits"


@dataclass(frozen=True, slots=True)
class Rate:
    """What a vendor allows; None: as much as one likes."""

    pages_per_minute: int | None = None
    requests_per_second: float | None = None

    @property
    def is_limited(self) -> bool:
        return self.pages_per_minute is not None or self.requests_per_second is not None


class Place(NamedTuple):
    """What `take` says: a place was taken, in so many seconds, or there is none for so long.

    `since` marks what Redis knew of the lane then: it is another one once that was lost.
    """

    taken: bool
    seconds: float
    since: str = ""


class RateLimiter:
    """Places for requests. Every call raises LimitsUnavailable where Redis cannot be asked.

    A token bucket, refilled at the allowed rate, keeps the pace; beside it the pages of the last minute are counted
    as the vendor counts them. A place may lie a little ahead: then it is the caller's, who waits for it.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._take = client.register_script(_script("take.lua"))
        self._pause = client.register_script(_script("pause.lua"))

    def take(self, lane: Lane, pages: int, rate: Rate, *, most_wait_seconds: float = 0.0) -> Place:
        """Take a place for a request of so many pages, if there is one soon enough; else nothing is taken."""
        per_minute, per_second = rate.pages_per_minute or 0, rate.requests_per_second or 0.0
        arguments = (
            pages,
            per_minute,
            per_minute / WINDOW_SECONDS,
            max(1.0, per_minute * BURST_SHARE),
            per_second,
            max(1.0, per_second * BURST_SHARE),
            WINDOW_SECONDS,
            most_wait_seconds,
        )
        with _plain_errors():
            taken, microseconds, since = self._take(keys=[_key(lane), f"{_key(lane)}:sent"], args=arguments)
        return Place(bool(taken), microseconds / 1e6, _text(since))

    def is_known(self, lane: Lane, place: Place) -> bool:
        """Whether a place that was waited for counts still.

        Where Redis was emptied meanwhile it does not: others have been given places at the same time.
        """
        with _plain_errors():
            since = self._client.hget(_key(lane), "since")
        return since is not None and _text(since) == place.since

    def pause(self, lane: Lane, asked_seconds: float | None = None) -> float:
        """Let nothing of the lane go for so long, in seconds: it was refused as too much.

        For as long as the provider asks, else for 30 s, and twice as long at each refusal after such a pause.
        """
        arguments = (asked_seconds or 0.0, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        with _plain_errors():
            return float(self._pause(keys=[_key(lane)], args=arguments)) / 1e6

    def paused_seconds(self, lane: Lane) -> float:
        """For how long nothing of the lane may go; 0 where it is not paused."""
        with _plain_errors():
            until = self._client.hget(_key(lane), "paused_until")
            if until is None:
                return 0.0
            seconds, microseconds = self._client.time()
        return max(0.0, float(until) - seconds - microseconds / 1e6)

    def was_taken(self, lane: Lane) -> None:
        """Say that the provider took a request: the next refusal is a first one again."""
        with _plain_errors():
            self._client.hdel(_key(lane), "refusals")


def _script(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _text(answer: str | bytes) -> str:
    # As the client was told to give it.
    return answer if isinstance(answer, str) else answer.decode()


def _key(lane: Lane) -> str:
    # The braces keep both keys of a lane on one node of a cluster.
    return f"{_PREFIX}:{{{lane}}}"


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise LimitsUnavailable(
            f"Redis cannot be asked how fast requests may go ({type(error).__name__}), so none is sent. "
            "Check HEADRACE_BROKER_URL, and that its server is up."
        ) from error
