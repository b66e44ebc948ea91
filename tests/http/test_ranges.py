"""Range requests: which bytes are meant, and which headers count as none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.ranges import _get_content_range, _parse_request_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=1-2", (1, 3)),
        ("bytes=0-0", (0, 1)),
        ("bytes=6-", (6, None)),
        ("bytes=-6", (-6, None)),
        ("bytes=-0", (None, 0)),
        ("bytes=2-1", (2, 2)),
        ("bytes=5", (5, None)),
        ("bytes= 5 ", (5, None)),
        ("bytes=", (None, None)),
        ("bytes=-", (None, None)),
        ("Bytes=1-2", (1, 3)),
        ("bytes=\t1 - 2 ", (1, 3)),
    ],
)
def test_one_range(header: str, expected: tuple[int | None, int | None]) -> None:
    assert _parse_request_range(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "=",
        "bytes",
        "foo=1-2",
        "bytes=a-b",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=1-+2",
        "bytes=1_0-20",
        "bytes=1.0-2",
        "bytes=٣-٤",
        "bytes=--1",
        "bytes=1--2",
        "bytes=-1-",
        "bytes=1-2-3",
        "bytes=1-2,3-4",
        "bytes=1-2,",
        "bytes=1-2\n",
        "bytes=1 2-3",
        "bytes:1-2",
    ],
)
def test_what_is_ignored(header: str) -> None:
    assert _parse_request_range(header) is None


def test_positions_have_at_most_twenty_digits() -> None:
    most = "9" * 20
    assert _parse_request_range(f"bytes={most}-{most}") == (int(most), int(most) + 1)
    assert _parse_request_range(f"bytes={most}9-") is None
    assert _parse_request_range(f"bytes=-{most}9") is None


def test_a_header_has_at_most_128_characters() -> None:
    header = "bytes=1-2"
    assert _parse_request_range(header.ljust(128)) == (1, 3)
    assert _parse_request_range(header.ljust(129)) is None


def test_many_ranges_or_blanks_cost_nothing() -> None:
    assert _parse_request_range("bytes=" + "0-1," * 1_000_000) is None
    assert _parse_request_range("bytes=" + " " * 4_000_000 + "x") is None


@given(st.integers(0, 10**19), st.integers(0, 10**19))
def test_a_range_selects_as_a_slice_does(first: int, length: int) -> None:
    assert _parse_request_range(f"bytes={first}-{first + length}") == (first, first + length + 1)


@given(st.text(alphabet="bytes=0123456789-, \t") | st.text().map("bytes={}".format))
def test_any_header_is_a_range_or_none(header: str) -> None:
    parsed = _parse_request_range(header)
    assert parsed is None or len(parsed) == 2


@pytest.mark.parametrize(
    ("start", "end", "total", "expected"),
    [
        (None, None, 4, "bytes 0-3/4"),
        (None, 1, 4, "bytes 0-0/4"),
        (1, 3, 4, "bytes 1-2/4"),
        (2, None, 4, "bytes 2-3/4"),
    ],
)
def test_content_range_is_inclusive(
    start: int | None, end: int | None, total: int, expected: str
) -> None:
    assert _get_content_range(start, end, total) == expected
