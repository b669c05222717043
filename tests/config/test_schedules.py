"""When a schedule is due."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.schedules import crontab
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schedules import FIRST_LOOK_BACK, Schedule, due_time


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(line: str) -> Schedule:
    return Schedule(name="nightly", cron=line, action="retry")


def every(seconds: int) -> Schedule:
    return Schedule(name="often", every_seconds=seconds, action="retry")


@pytest.mark.parametrize(
    ("line", "last", "now", "due"),
    [
        ("30 3 * * *", "2026-11-19T03:30", "2026-11-20T03:29:59", None),
        ("30 3 * * *", "2026-11-19T03:30", "2026-11-20T03:30:00", "2026-11-20T03:30"),
        ("30 3 * * *", "2026-11-20T03:30", "2026-11-20T23:00:00", None),
        # What was missed is made up for once: the newest counts.
        ("30 3 * * *", "2026-11-01T03:30", "2026-11-20T12:00:00", "2026-11-20T03:30"),
        ("*/15 * * * *", "2026-11-20T11:45", "2026-11-20T12:10:00", "2026-11-20T12:00"),
        # 2026-11-20 is a Friday; Sunday is 0.
        ("0 9 * * 1-5", "2026-11-20T09:00", "2026-11-22T12:00:00", None),
        ("0 9 * * mon", "2026-11-20T09:00", "2026-11-23T09:00:00", "2026-11-23T09:00"),
        ("0 0 29 2 *", "2024-02-29T00:00", "2028-02-28T23:59:00", None),
        ("0 0 29 2 *", "2020-02-29T00:00", "2026-11-20T00:00:00", "2024-02-29T00:00"),
        # The hour that many countries skip or repeat is an hour like any other in UTC.
        ("30 1 * * *", "2026-03-28T01:30", "2026-03-29T01:30:00", "2026-03-29T01:30"),
    ],
)
def test_a_cron_line_is_due_at_its_newest_time(line, last, now, due):
    assert due_time(cron(line), at(last), at(now)) == (None if due is None else at(due))


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        ("2026-11-20T12:00:00", "2026-11-20T12:00:59", None),
        ("2026-11-20T12:00:00", "2026-11-20T12:01:00", "2026-11-20T12:01:00"),
        ("2026-11-20T12:00:00", "2026-11-20T15:00:30", "2026-11-20T15:00:00"),
    ],
)
def test_an_interval_is_due_at_the_same_times_in_every_process(last, now, due):
    assert due_time(every(60), at(last), at(now)) == (None if due is None else at(due))


@pytest.mark.parametrize(("now", "due"), [("2026-11-20T03:31", "2026-11-20T03:30"), ("2026-11-20T12:00", None)])
def test_a_new_schedule_does_not_start_for_what_was_before_it(now, due):
    assert due_time(cron("30 3 * * *"), None, at(now)) == (None if due is None else at(due))


def test_another_time_zone_makes_no_difference():
    from zoneinfo import ZoneInfo

    now = at("2026-11-20T03:30").astimezone(ZoneInfo("Asia/Tokyo"))
    assert due_time(cron("30 3 * * *"), at("2026-11-19T03:30"), now) == at("2026-11-20T03:30")


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "59", "*/7", "10-20/3"]),
    st.sampled_from(["*", "0", "23", "*/5", "8-17"]),
    st.sampled_from(["*", "1", "31", "*/10"]),
    st.sampled_from(["*", "1", "jan,dec", "*/3"]),
    st.sampled_from(["*", "0", "mon-fri", "6"]),
)
TIMES = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


@settings(max_examples=60)
@given(fields=FIELDS, now=TIMES, back=st.timedeltas(timedelta(0), timedelta(days=3)))
def test_no_due_time_is_missed_or_invented(fields, now, back):
    line = " ".join(fields)
    table = crontab.from_string(line)
    last = now - back
    minute = now.replace(second=0, microsecond=0)
    expected = None
    while minute > last and expected is None:
        if (
            minute.minute in table.minute
            and minute.hour in table.hour
            and minute.day in table.day_of_month
            and minute.month in table.month_of_year
            and minute.isoweekday() % 7 in table.day_of_week
        ):
            expected = minute
        minute -= timedelta(minutes=1)
    assert due_time(cron(line), last, now) == expected


@settings(max_examples=60)
@given(seconds=st.integers(1, 100_000), now=TIMES)
def test_an_interval_is_never_due_twice_for_one_time(seconds, now):
    due = due_time(every(seconds), now - timedelta(seconds=seconds), now)
    assert due is not None
    assert due <= now
    assert due_time(every(seconds), due, now) is None
    assert due_time(every(seconds), due, due + timedelta(seconds=seconds)) == due + timedelta(seconds=seconds)


def test_the_first_look_back_is_longer_than_the_time_between_two_looks():
    from config.celery import SCHEDULES_SECONDS

    assert timedelta(seconds=2 * SCHEDULES_SECONDS) < FIRST_LOOK_BACK
