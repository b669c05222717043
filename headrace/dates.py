"""What a date on a page means: a day of the calendar, written as ISO 8601 has it.

Month names are read in English, German, French and Spanish, in full or shortened. Numbers are read
year first ("2026-03-01"), or day first where points part them ("1.3.2026"). Where slashes or dashes
part them, a number above 12 says which is the day; where it does not, the other dates of the same
document decide, and without any the day is first, as in most of the world.
"""

import re
from collections.abc import Iterable
from datetime import date

_MONTHS = (
    ("january", "januar", "jänner", "janvier", "enero", "jan", "janv", "ene"),
    ("february", "februar", "feber", "février", "fevrier", "febrero", "feb", "févr", "fevr", "fév"),
    ("march", "märz", "maerz", "mars", "marzo", "mar", "mär", "mrz"),
    ("april", "avril", "abril", "apr", "avr", "abr"),
    ("may", "mai", "mayo"),
    ("june", "juni", "juin", "junio", "jun"),
    ("july", "juli", "juillet", "julio", "jul", "juil"),
    ("august", "août", "aout", "agosto", "aug", "ago"),
    ("september", "septembre", "septiembre", "setiembre", "sep", "sept", "set"),
    ("october", "oktober", "octobre", "octubre", "oct", "okt"),
    ("november", "novembre", "noviembre", "nov"),
    ("december", "dezember", "décembre", "decembre", "diciembre", "dec", "dez", "déc", "dic"),
)
_MONTH_NUMBERS = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names}

_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:T.*)?", re.ASCII)
_POINTS = re.compile(r"(\d{1,2})\s?\.\s?(\d{1,2})\s?\.\s?(\d{4}|\d{2})", re.ASCII)
_SLASHES = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4}|\d{2})", re.ASCII)
_DAY_MONTH_YEAR = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|er|º)?[.\s-]*(?:of\s+|de\s+)?([^\W\d]+)[.,\s-]*(?:de\s+|del\s+)?(\d{4}|\d{2})"
)
_MONTH_DAY_YEAR = re.compile(r"([^\W\d]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?\s*,?\s+(\d{4})")
# "Monday, 3 March 2026": what comes before the comma adds nothing.
_WEEKDAY = re.compile(r"[^\W\d]{2,12}\.?,\s*")


def read_date(text: str, *, day_first: bool = True) -> str | None:
    """The day in a text as "2026-03-01"; None where the whole text is no date, or no day of a calendar.

    `day_first` decides for "1/3/2026" and its like only. A year of two digits is from 1970 to 2069.
    """
    bare = _WEEKDAY.sub("", text.strip(), count=1) if text.strip()[:1].isalpha() else text.strip()
    if found := _YEAR_FIRST.fullmatch(bare):
        return _iso(found[1], int(found[2]), found[3])
    if found := _POINTS.fullmatch(bare):
        return _iso(found[3], int(found[2]), found[1])
    if found := _SLASHES.fullmatch(bare):
        return _from_slashes(int(found[1]), int(found[3]), found[4], day_first=day_first)
    if found := _DAY_MONTH_YEAR.fullmatch(bare):
        return _iso(found[3], _MONTH_NUMBERS.get(found[2].casefold()), found[1])
    if (found := _MONTH_DAY_YEAR.fullmatch(bare)) or (found := _MONTH_DAY_YEAR.fullmatch(text.strip())):
        return _iso(found[3], _MONTH_NUMBERS.get(found[1].casefold()), found[2])
    return None


def writes_day_first(texts: Iterable[str]) -> bool:
    """Whether the dates among these words put the day before the month; True where none tells."""
    day_first = month_first = 0
    for text in texts:
        if found := _SLASHES.fullmatch(text.strip(".,;:()")):
            day_first += int(found[1]) > 12
            month_first += int(found[3]) > 12
    return day_first >= month_first


def _from_slashes(first: int, second: int, year: str, *, day_first: bool) -> str | None:
    if first > 12 or (day_first and second <= 12):
        return _iso(year, second, str(first))
    return _iso(year, first, str(second))


def _iso(year: str, month: int | None, day: str) -> str | None:
    if month is None:
        return None
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < 70 else 1900
    try:
        return date(number, month, int(day)).isoformat()
    except ValueError:  # there is no such day
        return None
