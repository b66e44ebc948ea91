"""HTTP dates (RFC 9110 section 5.6.7), written and read without locale or clock.

Writing is on the path of every response, so it is one f-string over fixed English names;
``strftime`` would cost more and answer in the language of the process.  Reading takes the three
forms of the RFC and nothing else: one anchored expression per form, with fixed widths, so that
a hostile header costs no more than its first forty characters.
"""

from __future__ import annotations

import calendar
import re
import time
from datetime import UTC, datetime

__all__ = ["format_timestamp", "parse_http_date"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER = {name: number for number, name in enumerate(_MONTHS, 1)}

_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = (
    # IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    # RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(f"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    # asctime: Sun Nov  6 08:49:37 1994
    re.compile(f"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)
# The longest is "Wednesday, 06-Nov-94 08:49:37 GMT".
_MAX_LENGTH = 33


def format_timestamp(ts: int | float | tuple[int, ...] | time.struct_time | datetime) -> str:
    """Return ``ts`` as an HTTP date, in UTC and in whole seconds (fractions are cut off).

    ``ts`` is seconds since the epoch as from `time.time`, a time tuple as from `time.gmtime`
    (its first six fields count, and days or seconds beyond their range run over), or a
    `datetime.datetime`; a naive one is taken as UTC, an aware one is converted to it.

    Raises `TypeError` for anything else and `ValueError` for a time outside the years 1 to 9999.

    >>> format_timestamp(784111777)
    'Sun, 06 Nov 1994 08:49:37 GMT'
    >>> format_timestamp(datetime(2000, 2, 29, 12, 0))
    'Tue, 29 Feb 2000 12:00:00 GMT'
    """
    if isinstance(ts, datetime):
        return _format_datetime(ts)
    if isinstance(ts, tuple):
        if len(ts) < 6:
            raise ValueError(f"a time tuple needs at least six fields: {ts!r}")
        ts = calendar.timegm(ts)
    elif not isinstance(ts, (int, float)):
        raise TypeError(f"unknown timestamp type: {ts!r}")
    try:
        year, month, day, hour, minute, second, weekday, _, _ = time.gmtime(ts)
    except (OverflowError, OSError) as error:
        raise ValueError(f"timestamp out of range: {ts!r}") from error
    if not 1 <= year <= 9999:
        raise ValueError(f"timestamp out of range: {ts!r}")
    return (
        f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} "
        f"{hour:02}:{minute:02}:{second:02} GMT"
    )


def _format_datetime(moment: datetime) -> str:
    if moment.tzinfo is not None and moment.utcoffset() is not None:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"timestamp out of range: {moment!r}") from error
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} "
        f"{moment.year:04} {moment.hour:02}:{moment.minute:02}:{moment.second:02} GMT"
    )


def parse_http_date(text: str, *, now: datetime | None = None) -> datetime | None:
    """Return the aware UTC time that ``text`` means, or None if it is no HTTP date.

    All three forms of RFC 9110 section 5.6.7 are read, exactly as written there: English names
    in their case, fixed widths, ``GMT``.  The name of the day must be one, but is not held
    against the date.  A leap second counts as the second before it.

    ``now`` (aware) settles which century the two digits of the RFC 850 form belong to: a year
    that would be more than 50 years ahead of it lies in the past.  With None, 70 to 99 are the
    1900s and 00 to 69 the 2000s (RFC 6265 section 5.1.1).

    >>> parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT")
    datetime.datetime(1994, 11, 6, 8, 49, 37, tzinfo=datetime.timezone.utc)
    >>> parse_http_date("tomorrow") is None
    True
    """
    if len(text) > _MAX_LENGTH:
        return None
    for form in _FORMS:
        if match := form.fullmatch(text):
            break
    else:
        return None
    year = match["year"]
    second = int(match["second"])
    try:
        moment = datetime(
            int(year) if len(year) == 4 else _full_year(int(year), now),
            _MONTH_NUMBER[match["month"]],
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            59 if second == 60 else second,
            tzinfo=UTC,
        )
    except ValueError:  # a day or an hour that does not exist
        return None
    return moment


def _full_year(two_digits: int, now: datetime | None) -> int:
    if now is None:
        return two_digits + (1900 if two_digits >= 70 else 2000)
    year = now.year - now.year % 100 + two_digits
    if year > now.year + 50:
        return year - 100
    # Late in a century, the low numbers are of the next one.
    return year + 100 if year + 100 <= now.year + 50 else year
