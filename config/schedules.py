"""What happens by itself: a schedule of headrace.toml, and the times (all in UTC) at which it is due."""

from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from celery.schedules import ParseException, crontab
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from headrace.routing import Name
from headrace.states import Reason

FIRST_LOOK_BACK = timedelta(minutes=2)
"""A schedule that was never due before looks back no further, so that a new one does not start for yesterday."""

# February 29 falls on each weekday within 28 years, across a century without a leap day within 40.
_MOST_DAYS_APART = 40 * 366


class Schedule(BaseModel):
    """A step that starts by itself, by a cron line or an interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="The schedule's name: in the ledger, in logs, and on the batches it starts.")
    cron: str | None = Field(
        default=None,
        description="Five fields, in UTC: minute, hour, day of month, month, day of week (0 is Sunday), "
        'as in "30 3 * * 1-5". '
        "Where a day of month and a day of week are given, both must hold.",
    )
    every_seconds: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        description="Instead of cron: an interval in seconds, counted from midnight 1970-01-01.",
    )
    action: Literal["reprocess", "retry"] = Field(
        description='"reprocess" processes what lies below `prefix` again, and pays for it again; '
        '"retry" goes on with failed runs. '
        "A due time is served once: what a crash in the middle of it leaves out waits for the next one."
    )
    prefix: str | None = Field(
        default=None,
        pattern=r"^s3://[^/]+(/.*)?$",
        description="s3://bucket/prefix: which keys. A reprocess needs one; a retry takes all without.",
    )
    reason: Reason | None = Field(
        default=None,
        description="Only for retry: runs that failed for this reason. "
        "Without one, all but `prediction_failed`, whose retry is paid again.",
    )
    route: str | None = Field(default=None, description="Only for retry: runs of this route.")
    since_hours: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Only for retry: runs that failed in the last hours."
    )

    @field_validator("cron")
    @classmethod
    def _cron_line_can_be_read(cls, line: str | None) -> str | None:
        if line is None:
            return None
        fields = line.split()
        if len(fields) != 5:
            raise ValueError(
                f'"{line}" has {len(fields)} fields; a cron line has five: '
                "minute, hour, day of month, month, day of week."
            )
        try:
            cron = crontab.from_string(" ".join(fields))
        except (ValueError, ParseException) as error:
            raise ValueError(
                f'"{line}" is no cron line ({str(error).rstrip(".")}). Write numbers, names, *, ranges and steps, '
                'as in "30 3 * * 1-5".'
            ) from error
        if not _ever_due(cron):
            raise ValueError(f'"{line}" is never due: no month that it names has such a day.')
        return " ".join(fields)

    @model_validator(mode="after")
    def _has_one_time_and_what_its_action_needs(self) -> Self:
        wrong = []
        if (self.cron is None) == (self.every_seconds is None):
            wrong.append("needs exactly one of cron and every_seconds.")
        if self.action == "reprocess" and self.prefix is None:
            wrong.append("needs a prefix, as s3://bucket/prefix, to reprocess.")
        for_retry = [name for name in ("reason", "route", "since_hours") if getattr(self, name) is not None]
        if self.action == "reprocess" and for_retry:
            wrong.append(f'has {", ".join(for_retry)}, which only the action "retry" knows; remove it.')
        if wrong:
            raise ValueError(" It also ".join(wrong))
        return self

    @property
    def bucket(self) -> str | None:
        """The bucket of its prefix."""
        return None if self.prefix is None else self.prefix.removeprefix("s3://").partition("/")[0]

    @property
    def key_prefix(self) -> str | None:
        """The part of its prefix that keys start with."""
        return None if self.prefix is None else self.prefix.removeprefix("s3://").partition("/")[2]


def due_time(schedule: Schedule, last: datetime | None, now: datetime) -> datetime | None:
    """The newest time, after `last` and up to `now`, at which the schedule is due; None where there is none.

    What was missed meanwhile is made up for once. `last` is the due time that was made last.
    """
    after = now - FIRST_LOOK_BACK if last is None else last
    newest = _newest_interval(schedule.every_seconds, now) if schedule.cron is None else None
    if schedule.cron is not None:
        newest = _newest_cron(crontab.from_string(schedule.cron), after, now)
    return newest if newest is not None and newest > after else None


def _newest_interval(every_seconds: int | None, now: datetime) -> datetime | None:
    if every_seconds is None:
        return None
    # Every process finds the same times, whenever it was started.
    return datetime.fromtimestamp(now.timestamp() // every_seconds * every_seconds, UTC)


def _newest_cron(cron: crontab, after: datetime, now: datetime) -> datetime | None:
    now = now.astimezone(UTC)
    minutes_of_day = sorted((hour * 60 + minute for hour in cron.hour for minute in cron.minute), reverse=True)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    oldest = max(after.astimezone(UTC), now - timedelta(days=_MOST_DAYS_APART))
    while midnight + timedelta(days=1) > oldest:
        if _is_on(cron, midnight):
            for minutes in minutes_of_day:
                if (due := midnight + timedelta(minutes=minutes)) <= now:
                    return due
        midnight -= timedelta(days=1)
    return None


def _is_on(cron: crontab, day: datetime) -> bool:
    return day.month in cron.month_of_year and day.day in cron.day_of_month and day.isoweekday() % 7 in cron.day_of_week


def _ever_due(cron: crontab) -> bool:
    most_days = {month: 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in range(1, 13)}
    return any(day <= most_days[month] for month in cron.month_of_year for day in cron.day_of_month)
