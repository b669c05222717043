"""How fast requests may go out: never faster than a vendor counts, hardly slower, and the same for every worker."""

import itertools
import threading

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.errors import LimitsUnavailable
from headrace.limits.rate import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Rate, RateLimiter
from headrace.routing import Lane

LANE = Lane("nanonets", "nanonets", "m")
EVER = 1e9


@pytest.fixture
def client(valkey_url):
    with redis.Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
def limiter(client):
    return RateLimiter(client)


def places(limiter, sizes, rate):
    """When documents of these sizes may go, in seconds after the first was asked for: reserved, not waited for.

    By the server's own notes, for it matters not how long the asking takes.
    """
    seconds, microseconds = limiter._client.time()
    for pages in sizes:
        assert limiter.take(LANE, pages, rate, most_wait_seconds=EVER).taken
    sent = limiter._client.zrange(f"headrace:limits:{{{LANE}}}:sent", 0, -1, withscores=True)
    # Their names tell when they were asked for.
    asked = sorted(sent, key=lambda one: one[0].partition(b":")[2])
    assert [int(name.partition(b":")[0]) for name, _ in asked] == sizes
    return [at - seconds - microseconds / 1e6 for _, at in asked]


def most_in_a_minute(sizes, at, seconds=60.0):
    """The most pages that went within any minute, but for those that are more on their own."""
    return max(
        sum(pages for pages, moment in zip(sizes, at, strict=True) if begin <= moment < begin + seconds) for begin in at
    )


def test_a_lane_that_nobody_knows_begins_empty_and_keeps_the_pace(limiter):
    at = places(limiter, [1] * 300, Rate(pages_per_minute=150))
    assert at[0] == pytest.approx(61 / 150, abs=0.05)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert max(gaps) == pytest.approx(61 / 150, abs=0.05)
    assert min(gaps) == pytest.approx(61 / 150, abs=0.05)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.sampled_from([2, 5, 20, 75, 150, 1000]), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_minute_sees_more_than_is_allowed_whatever_the_sizes(client, limiter, sizes, allowed, all_small):
    client.flushdb()
    if all_small:
        sizes = [min(pages, 3) for pages in sizes]
    at = places(limiter, sizes, Rate(pages_per_minute=allowed))
    for begin in at:
        within = [pages for pages, moment in zip(sizes, at, strict=True) if begin <= moment < begin + 60]
        assert sum(within) <= allowed or len(within) == 1


def test_nearly_all_of_what_is_allowed_is_used(limiter):
    sizes = [1, 2, 3, 2] * 200
    at = places(limiter, sizes, Rate(pages_per_minute=150))
    assert sum(sizes[:-1]) / (at[-1] - at[0]) * 60 / 150 > 0.97


def test_a_document_larger_than_the_bucket_goes_when_it_is_full_and_leaves_a_debt(limiter):
    rate = Rate(pages_per_minute=60)
    first, large, after = places(limiter, [1, 30, 1], rate)
    assert large - first < 3
    assert after - large == pytest.approx(30 * 61 / 60, abs=1.5)


def test_a_document_larger_than_a_minutes_allowance_goes_alone(limiter):
    before, large, after = places(limiter, [1, 200, 1], Rate(pages_per_minute=100))
    assert large - before >= 60
    assert after - large >= 60


def test_requests_are_paced_beside_their_pages(limiter):
    at = places(limiter, [1] * 20, Rate(pages_per_minute=6000, requests_per_second=2))
    assert at[-1] - at[0] == pytest.approx(19 / 2, abs=0.1)


def test_without_a_limit_everything_goes_at_once(limiter):
    given = [limiter.take(LANE, 100, Rate()) for _ in range(50)]
    assert {(place.taken, place.seconds) for place in given} == {(True, 0.0)}


@pytest.mark.parametrize("later", [Rate(pages_per_minute=60), Rate(requests_per_second=1)])
def test_what_went_without_a_limit_is_no_debt_once_there_is_one(limiter, later):
    for _ in range(50):
        limiter.take(LANE, 100, Rate())
    assert limiter.take(LANE, 1, later, most_wait_seconds=EVER).seconds < 1.1
    for _ in range(50):
        limiter.take(LANE, 1, Rate())
    assert limiter.take(LANE, 1, later, most_wait_seconds=EVER).seconds < 2.2


def test_where_there_is_no_place_soon_enough_none_is_taken(limiter):
    rate = Rate(pages_per_minute=60)
    refused = [limiter.take(LANE, 1, rate) for _ in range(50)]
    assert not any(place.taken for place in refused)
    assert 0 < limiter.take(LANE, 1, rate).seconds < 1.1


def test_workers_share_one_limit(valkey_url, limiter):
    rate, at = Rate(pages_per_minute=120), []

    def work():
        with redis.Redis.from_url(valkey_url) as client:
            ours = RateLimiter(client)
            at.extend(ours.take(LANE, 1, rate, most_wait_seconds=EVER).seconds for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(at) == 200
    assert most_in_a_minute([1] * 200, sorted(at)) <= 120


def test_an_emptied_redis_begins_with_empty_buckets(client, limiter):
    rate = Rate(pages_per_minute=60)
    places(limiter, [1] * 5, rate)
    client.flushdb()
    assert not limiter.take(LANE, 1, rate).taken


@pytest.mark.parametrize("asked_meanwhile", [True, False])
def test_a_place_ahead_counts_no_more_once_redis_was_emptied(client, limiter, asked_meanwhile):
    rate = Rate(pages_per_minute=60)
    before = [limiter.take(LANE, 1, rate, most_wait_seconds=EVER) for _ in range(3)]
    assert all(limiter.is_known(LANE, place) for place in before)
    client.flushdb()
    if asked_meanwhile:
        assert limiter.is_known(LANE, limiter.take(LANE, 1, rate, most_wait_seconds=EVER))
    assert not any(limiter.is_known(LANE, place) for place in before)


def test_a_place_ahead_counts_no_more_once_the_clock_was_set_back(client, limiter):
    rate = Rate(pages_per_minute=60)
    before = limiter.take(LANE, 1, rate, most_wait_seconds=EVER)
    client.hset(HASH, "at", float(client.hget(HASH, "at")) + 3600)
    assert limiter.is_known(LANE, limiter.take(LANE, 1, rate, most_wait_seconds=EVER))
    assert not limiter.is_known(LANE, before)


def test_the_sum_that_is_kept_of_a_minute_is_made_anew_where_it_is_lost(client, limiter):
    rate, key = Rate(pages_per_minute=100), f"headrace:limits:{{{LANE}}}"
    places(limiter, [3, 5, 2], rate)
    assert client.hget(key, "total") == b"10"
    client.hdel(key, "total")
    limiter.take(LANE, 4, rate, most_wait_seconds=EVER)
    assert client.hget(key, "total") == b"14"
    client.delete(f"{key}:sent")
    limiter.take(LANE, 4, rate, most_wait_seconds=EVER)
    assert client.hget(key, "total") == b"4"


HASH, SENT = "headrace:limits:{nanonets/nanonets/m}", "headrace:limits:{nanonets/nanonets/m}:sent"


def test_a_clock_that_is_set_back_stops_nothing_for_longer(client, limiter):
    """Everything was noted an hour later than it is now."""
    rate = Rate(pages_per_minute=60)
    places(limiter, [1] * 30, rate)
    limiter.pause(LANE, 40)
    for name in ("at", "paused_until"):
        client.hset(HASH, name, float(client.hget(HASH, name)) + 3600)
    for member, score in client.zrange(SENT, 0, -1, withscores=True):
        client.zadd(SENT, {member: score + 3600})
    refused = limiter.take(LANE, 1, rate)
    assert not refused.taken
    assert refused.seconds == pytest.approx(40, abs=1)
    assert limiter.paused_seconds(LANE) == pytest.approx(40, abs=1)


def test_a_sum_that_is_too_high_stops_nothing(client, limiter):
    rate = Rate(pages_per_minute=60)
    places(limiter, [1, 1], rate)
    client.hset(HASH, "total", 1_000_000)
    assert limiter.take(LANE, 1, rate, most_wait_seconds=EVER).seconds < 70
    assert limiter.take(LANE, 1, rate, most_wait_seconds=EVER).seconds < 70


def test_lanes_do_not_wait_for_each_other(limiter):
    rate, other = Rate(pages_per_minute=2), LANE._replace(model="other")
    places(limiter, [1] * 10, rate)
    assert limiter.take(other, 1, Rate(pages_per_minute=6000), most_wait_seconds=0.1).taken


def test_a_refusal_pauses_the_lane_for_all_and_longer_each_time(client, limiter):
    assert limiter.pause(LANE) == pytest.approx(FIRST_PAUSE_SECONDS, abs=0.1)
    assert not limiter.take(LANE, 1, Rate(), most_wait_seconds=1).taken
    assert limiter.pause(LANE) <= FIRST_PAUSE_SECONDS, "another refusal of the same moment adds nothing"
    for seconds in (60, 120, 240, 480, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS):
        client.hset("headrace:limits:{nanonets/nanonets/m}", "paused_until", "0")
        assert limiter.pause(LANE) == pytest.approx(seconds, abs=0.1)
    assert limiter.paused_seconds(LANE) == pytest.approx(LONGEST_PAUSE_SECONDS, abs=0.5)
    limiter.was_taken(LANE)
    client.hset("headrace:limits:{nanonets/nanonets/m}", "paused_until", "0")
    assert limiter.paused_seconds(LANE) == 0
    assert limiter.pause(LANE) == pytest.approx(FIRST_PAUSE_SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("rate", "most"), [(Rate(requests_per_second=5), 6), (Rate(pages_per_minute=300), 12)], ids=["requests", "pages"]
)
def test_who_asks_while_the_lane_is_paused_goes_no_faster_after_it(limiter, rate, most):
    """What the bucket takes in is one bucket's worth, however many had a place given while it could not be used."""
    limiter.take(LANE, 1, rate, most_wait_seconds=EVER)
    limiter.pause(LANE, 2)
    at = []
    for _ in range(40):
        seconds, microseconds = limiter._client.time()
        at.append(seconds + microseconds / 1e6 + limiter.take(LANE, 1, rate, most_wait_seconds=EVER).seconds)
    assert most_in_a_minute([1] * 40, at, seconds=0.95) <= most
    assert at[-1] - at[0] < 9, "and hardly slower"


def test_what_the_provider_asks_for_is_what_is_waited(limiter):
    assert limiter.pause(LANE, 7) == pytest.approx(7, abs=0.1)
    assert limiter.pause(LANE, 20) == pytest.approx(20, abs=0.1)


def test_without_redis_nothing_goes_and_the_text_says_what_to_do():
    nowhere = redis.Redis.from_url("redis://:secret@127.0.0.1:1/0")
    with pytest.raises(LimitsUnavailable, match="HEADRACE_BROKER_URL") as raised:
        RateLimiter(nowhere).take(LANE, 1, Rate(pages_per_minute=1))
    assert "secret" not in str(raised.value)
