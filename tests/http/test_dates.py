"""Dates in headers: what is sent, what is understood, and what is not."""

from __future__ import annotations

import calendar
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.dates import format_timestamp, parse_http_date

EXAMPLE = "Sun, 06 Nov 1994 08:49:37 GMT"
EXAMPLE_TIME = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
FIRST_SECOND = calendar.timegm((1, 1, 1, 0, 0, 0))
LAST_SECOND = calendar.timegm((9999, 12, 31, 23, 59, 59))


@pytest.mark.parametrize(
    "moment",
    [
        784111777,
        784111777.999,
        time.gmtime(784111777),
        (1994, 11, 6, 8, 49, 37),
        (1994, 11, 6, 8, 49, 37, 0, 0, 0),
        (1994, 10, 37, 8, 49, 37),
        (1994, 11, 6, 8, 48, 97),
        EXAMPLE_TIME,
        EXAMPLE_TIME.replace(tzinfo=None),
        EXAMPLE_TIME.replace(microsecond=999_999),
        EXAMPLE_TIME.astimezone(timezone(timedelta(hours=-9, minutes=-30))),
    ],
)
def test_every_kind_of_timestamp_names_the_same_second(
    moment: float | tuple[int, ...] | datetime,
) -> None:
    assert format_timestamp(moment) == EXAMPLE


def test_a_fraction_before_the_epoch_belongs_to_the_second_before() -> None:
    assert format_timestamp(-0.5) == "Wed, 31 Dec 1969 23:59:59 GMT"


def test_first_and_last_second_of_the_calendar() -> None:
    assert format_timestamp(FIRST_SECOND) == "Mon, 01 Jan 0001 00:00:00 GMT"
    assert format_timestamp(LAST_SECOND) == "Fri, 31 Dec 9999 23:59:59 GMT"
    for outside in (FIRST_SECOND - 1, LAST_SECOND + 1, 1e20, float("inf"), float("nan")):
        with pytest.raises(ValueError):
            format_timestamp(outside)


def test_a_zone_that_leads_out_of_the_calendar_is_an_error() -> None:
    east = timezone(timedelta(hours=1))
    with pytest.raises(ValueError):
        format_timestamp(datetime(1, 1, 1, tzinfo=east))


@pytest.mark.parametrize("month", [(2013, 13, 1, 0, 0, 0), (2013, 0, 1, 0, 0, 0)])
def test_months_do_not_run_over(month: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        format_timestamp(month)


def test_a_time_tuple_needs_its_seconds() -> None:
    with pytest.raises(ValueError, match="six fields"):
        format_timestamp((2013, 1, 27, 18, 43))


@pytest.mark.parametrize("wrong", ["784111777", None, [1994, 11, 6, 8, 49, 37], b"", object()])
def test_other_types_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="unknown timestamp type"):
        format_timestamp(wrong)


@given(st.integers(FIRST_SECOND, LAST_SECOND))
def test_what_is_written_is_read_back(seconds: int) -> None:
    parsed = parse_http_date(format_timestamp(seconds))
    assert parsed is not None
    assert parsed.utcoffset() == timedelta(0)
    assert calendar.timegm(parsed.utctimetuple()) == seconds
    assert format_timestamp(parsed) == format_timestamp(seconds)


@given(st.datetimes(timezones=st.none() | st.just(UTC)))
def test_datetimes_agree_with_strftime(moment: datetime) -> None:
    text = format_timestamp(moment)
    assert text.endswith(moment.strftime(" %H:%M:%S GMT"))
    assert text.startswith(moment.strftime("%a, %d %b "))


@pytest.mark.parametrize(
    "text", [EXAMPLE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_the_three_forms_of_the_rfc(text: str) -> None:
    assert parse_http_date(text) == EXAMPLE_TIME


def test_asctime_with_two_digits_for_the_day() -> None:
    assert parse_http_date("Wed Nov 16 08:49:37 1994") == EXAMPLE_TIME.replace(day=16)


def test_a_leap_second_is_the_second_before_it() -> None:
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == datetime(
        2016, 12, 31, 23, 59, 59, tzinfo=UTC
    )
    assert parse_http_date("Sat, 31 Dec 2016 23:59:61 GMT") is None


@pytest.mark.parametrize(
    ("digits", "now", "year"),
    [
        ("69", None, 2069),
        ("70", None, 1970),
        ("75", 2025, 2075),
        ("76", 2025, 1976),
        ("25", 2025, 2025),
        ("10", 2090, 2110),
        ("40", 2090, 2140),
        ("41", 2090, 2041),
    ],
)
def test_two_digits_are_never_more_than_fifty_years_ahead(
    digits: str, now: int | None, year: int
) -> None:
    clock = None if now is None else datetime(now, 6, 1, tzinfo=UTC)
    parsed = parse_http_date(f"Sunday, 06-Nov-{digits} 08:49:37 GMT", now=clock)
    assert parsed is not None
    assert parsed.year == year


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "784111777",
        EXAMPLE[:-1],
        EXAMPLE + " ",
        EXAMPLE + "\n",
        " " + EXAMPLE,
        EXAMPLE.lower(),
        EXAMPLE.replace("GMT", "UTC"),
        EXAMPLE.replace("GMT", "+0000"),
        EXAMPLE.replace("06", "6"),
        EXAMPLE.replace("06", "٠٦"),
        EXAMPLE.replace("06", "31"),
        EXAMPLE.replace("08:", "24:"),
        EXAMPLE.replace(":49", ":60"),
        EXAMPLE.replace("1994", "0000"),
        EXAMPLE.replace("Nov", "Nev"),
        EXAMPLE.replace("Sun", "San"),
        "Sun, 29 Feb 1900 00:00:00 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun, " + "0" * 1_000_000,
    ],
)
def test_what_is_no_http_date(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert parse_http_date(text) is None or len(text) >= 24
