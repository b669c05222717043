"""What people write to say which documents they mean: S3 addresses, and since when."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import typer


class Place(NamedTuple):
    """`s3://bucket/key`: an object where one has exactly this key, else all whose keys begin with it."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_place(text: str) -> Place:
    """Read `s3://bucket`, `s3://bucket/prefix/` or `s3://bucket/key`; a usage error for anything else."""
    scheme, separator, rest = text.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise typer.BadParameter(f"{text!r} is not an S3 address; write s3://bucket/key or s3://bucket/prefix/.")
    return Place(bucket, key)


_AGE = re.compile(r"([0-9]{1,6})(s|m|min|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> datetime:
    """Read an age (90m, 6h, 2d) or a date or time in ISO 8601 (UTC unless it says otherwise)."""
    age = _AGE.fullmatch(text)
    if age is not None:
        try:
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError as error:
            raise typer.BadParameter(f"{text!r} is before all time.", param_hint="--since") from error
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is neither an age (90m, 6h, 2d) nor a date or time (2026-11-20, 2026-11-20T08:00Z).",
            param_hint="--since",
        ) from error
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
