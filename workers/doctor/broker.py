"""The broker: reachable, our password right, and set up so that it forgets nothing by itself."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from workers.doctor.findings import Finding, advice, ok, wrong

SUBJECT = "broker"
# The oldest server of either name that still gets repairs for what we use.
OLDEST = (6, 2)
_ANSWER_SECONDS = 5.0


def examine_broker(url: SecretStr) -> Iterator[Finding]:
    """Ping it, then read what it says about itself."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    address = urlsplit(url.get_secret_value())
    place = f"{address.hostname}:{address.port or 6379}"
    try:
        with redis.Redis.from_url(
            url.get_secret_value(),
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            client.ping()
            # INFO instead of CONFIG GET: rented servers allow only the first.
            info: Mapping[str, Any] = client.info()
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError):
        yield wrong(SUBJECT, f"{place} refuses our name or password.", "Correct the password in HEADRACE_BROKER_URL.")
    except (redis.ConnectionError, redis.TimeoutError) as error:
        yield wrong(
            SUBJECT,
            f"{place} does not answer ({type(error).__name__}).",
            "Start Redis or Valkey there, open the port, or correct HEADRACE_BROKER_URL.",
        )
    except (redis.RedisError, ValueError) as error:
        yield wrong(
            SUBJECT,
            f"{place} does not answer as Redis does ({type(error).__name__}).",
            "Correct HEADRACE_BROKER_URL: redis://:password@host:6379/0.",
        )
    else:
        yield from judge(place, info)


def judge(place: str, info: Mapping[str, Any]) -> Iterator[Finding]:
    """What the server's INFO says about its age, its memory and its disk."""
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield wrong(SUBJECT, f"{place} is {name} {version}.", f"Upgrade it to {oldest} or newer.")
    else:
        yield ok(SUBJECT, f"{place} answers: {name} {version}.")
    policy = info.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        yield ok(f"{SUBJECT} memory", "When full it refuses new messages and throws none away (noeviction).")
    else:
        yield wrong(
            f"{SUBJECT} memory",
            f"When full it throws messages away (maxmemory-policy {policy}).",
            "Set maxmemory-policy noeviction in the server's configuration.",
        )
    if info.get("aof_enabled"):
        yield ok(f"{SUBJECT} disk", "Messages survive its restart (append-only file).")
    else:
        yield advice(
            f"{SUBJECT} disk",
            "Messages do not survive its restart; the sweep sends them again, which costs some seconds.",
            "Set appendonly yes.",
        )
