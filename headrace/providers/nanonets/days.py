"""A span of days, as the descriptions of the API say it: with two numbers, which mean something else in each.

None of them says whether the first day is in. So a day more is asked for: a window may bring pages of the day
before, and never leaves out one of a day that was wanted.
"""

from collections.abc import Callable
from datetime import date, timedelta

_EPOCH = date(1970, 1, 1)
_DAY = timedelta(days=1)

WindowDays = Callable[[date, date, date], dict[str, int]]
"""(first day, last day, today), all of UTC -> the two parameters."""


def absolute_days(first: date, last: date, _today: date) -> dict[str, int]:
    """Both count the days since 1970-01-01, and the start must be the smaller one.

    >>> absolute_days(date(2022, 11, 24), date(2022, 11, 25), date(2022, 12, 1))
    {'start_day_interval': 19319, 'current_batch_day': 19321}
    """
    return _parameters((first - _DAY - _EPOCH).days, (last - _EPOCH).days)


def days_back_from_last(first: date, last: date, _today: date) -> dict[str, int]:
    """The last day since 1970-01-01, and how many days the start lies before it.

    >>> days_back_from_last(date(2022, 11, 24), date(2022, 11, 25), date(2022, 12, 1))
    {'start_day_interval': 2, 'current_batch_day': 19321}
    """
    return _parameters((last - first).days + 1, (last - _EPOCH).days)


def days_back_from_today(first: date, _last: date, today: date) -> dict[str, int]:
    """0, which is today and the only last day whose number is published, and how many days the start lies before it.

    >>> days_back_from_today(date(2022, 11, 24), date(2022, 11, 25), date(2022, 12, 1))
    {'start_day_interval': 8, 'current_batch_day': 0}
    """
    return _parameters(max((today - first).days, 0) + 1, 0)


def _parameters(start: int, end: int) -> dict[str, int]:
    return {"start_day_interval": start, "current_batch_day": end}
