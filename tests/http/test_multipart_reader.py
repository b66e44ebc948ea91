"""Multipart bodies that come in pieces: the same parts however they are cut, and little held."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.http.multiparts import BOUNDARY, FIELD, LAST, expected, reading

from tornadic.http.errors import HTTPInputError
from tornadic.http.multipart import (
    DEFAULT_MAX_PART_HEADER_SIZE,
    DEFAULT_MAX_PARTS,
    END,
    PART_END,
    MultipartReader,
    read_parts,
)

FILE = (
    b'--1234\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n'
    b"Content-Type: text/plain\r\nX-More: yes\r\n\r\n"
)


def events(reader: MultipartReader, data: bytes) -> list[Any]:
    """What comes out when ``data`` go in; heads by their name."""
    reader.feed(data)
    found = []
    while (event := reader.next_event()) is not None:
        found.append(getattr(event, "filename", event) if hasattr(event, "filename") else event)
    return found


def whole(data: bytes) -> Any:
    """What the parser of whole bodies makes of it."""
    limits = {
        "max_parts": DEFAULT_MAX_PARTS,
        "max_part_header_size": DEFAULT_MAX_PART_HEADER_SIZE,
    }
    try:
        return [tuple(part) for part in read_parts(BOUNDARY, data, **limits)]
    except HTTPInputError as e:
        assert e.status == 400
        return str(e)


def test_events_come_as_soon_as_they_can() -> None:
    reader = MultipartReader(BOUNDARY)
    assert events(reader, b"--12") == []
    assert events(reader, FILE[4:-1]) == []
    assert events(reader, b"\n") == ["x.txt"]
    assert events(reader, b"abc") == [b"abc"]
    assert events(reader, b"def\r") == [b"def"]
    assert events(reader, b"\n--12") == []
    assert events(reader, b"x") == [b"\r\n--12x"]
    assert events(reader, b"yz\r\n--1234") == [b"yz", PART_END]
    assert events(reader, b"--") == []
    assert events(reader, b"\r\n") == [END]
    assert events(reader, b"epilogue") == []


def test_headers_of_a_part() -> None:
    reader = MultipartReader(BOUNDARY)
    reader.feed(FILE)
    head = reader.next_event()
    assert (head.name, head.filename, head.content_type) == ("f", "x.txt", "text/plain")
    assert head.headers["x-more"] == "yes"
    assert head.headers is head.headers


def test_pieces_are_handed_on_without_a_copy() -> None:
    reader = MultipartReader(BOUNDARY)
    assert events(reader, FILE) == ["x.txt"]
    assert events(reader, b"y") == [b"y"]
    for piece in (bytes(100_000), b"\r\n" * 50_000 + b"x", b"--1234" * 10_000):
        reader.feed(piece)
        assert reader.next_event() is piece
        assert reader.held == 0


@pytest.mark.parametrize("boundary", [b"1234", b"b" * 200])
def test_no_more_is_held_back_than_a_delimiter_has(boundary: bytes) -> None:
    reader = MultipartReader(boundary)
    assert events(reader, FILE.replace(b"1234", boundary) + b"y") == ["x.txt", b"y"]
    delimiter = b"\r\n--" + boundary
    for size in range(1, len(delimiter)):
        assert events(reader, delimiter[:size]) == []
        assert reader.held == size <= len(boundary) + 4
        assert events(reader, b"\0") == [delimiter[:size] + b"\0"]
        assert reader.held == 0


def test_byte_by_byte() -> None:
    data = FIELD + FILE + b"\r\n\r\n--123\r\n" + b"\r\n--1234\r\n" + FIELD + LAST + b"epilogue"
    assert reading([bytes([byte]) for byte in data]) == whole(data)
    assert len(whole(data)) == 3


def test_parts_at_their_number_and_beyond() -> None:
    for cut in (1, 7, 10_000):
        reader = MultipartReader(BOUNDARY, max_parts=3)
        assert len(reading(pieces_of(FIELD * 3 + LAST, cut), reader)) == 3
        reader = MultipartReader(BOUNDARY, max_parts=3)
        assert "too many parts" in reading(pieces_of(FIELD * 4 + LAST, cut), reader)


def test_many_empty_parts_are_no_recursion() -> None:
    reader = MultipartReader(BOUNDARY, max_parts=100_000)
    assert reading([b"--1234\r\n" * 100_000 + LAST], reader) == []


@pytest.mark.parametrize("cut", [1, 50, 100_000])
def test_headers_at_their_size_and_beyond(cut: int) -> None:
    start = b'Content-Disposition: form-data; name="a"\r\nX: '
    for size, right in ((300, True), (301, False)):
        head = start + b"y" * (size - len(start))
        data = b"--1234\r\n" + head + b"\r\n\r\nbody\r\n" + LAST
        found = reading(pieces_of(data, cut), MultipartReader(BOUNDARY, max_part_header_size=300))
        if right:
            assert found == [("a", None, None, b"body")]
        else:
            assert found == "multipart/form-data part header too large"


def test_headers_without_an_end_are_refused_when_they_are_too_large() -> None:
    reader = MultipartReader(BOUNDARY)
    assert events(reader, b"--1234\r\n" + b"y" * (DEFAULT_MAX_PART_HEADER_SIZE + 3)) == []
    with pytest.raises(HTTPInputError) as caught:
        events(reader, b"y")
    assert caught.value.status == 413
    assert reader.held == 0


def test_the_whole_at_its_size_and_beyond() -> None:
    data = FIELD + LAST
    for cut in (1, len(data)):
        reader = MultipartReader(BOUNDARY, max_size=len(data))
        assert len(reading(pieces_of(data, cut), reader)) == 1
        reader = MultipartReader(BOUNDARY, max_size=len(data) - 1)
        assert reading(pieces_of(data, cut), reader) == "multipart/form-data too large"
    # What nobody looks at counts too.
    reader = MultipartReader(BOUNDARY, max_size=len(data))
    assert "too large" in reading([data, b"x"], reader)


def test_limits_are_a_413_and_the_rest_a_400() -> None:
    for data, status in (
        (FIELD * (DEFAULT_MAX_PARTS + 1), 413),
        (b"--1234\r\n" + b"X" * 20_000, 413),
        (b"--1234\r\n" + b"X: y\r\n" * 201 + b"\r\n", 413),
        (b"--1234\r\nX: y\r\n\r\n", 400),
        (b"--1234--x", 400),
        (b"x", 400),
    ):
        with pytest.raises(HTTPInputError) as caught:
            events(MultipartReader(BOUNDARY), data)
        assert caught.value.status == status


def test_a_preamble_is_refused_at_its_first_byte() -> None:
    with pytest.raises(HTTPInputError):
        events(MultipartReader(BOUNDARY), b"\r")


def test_blanks_behind_the_last_delimiter_are_bounded() -> None:
    reader = MultipartReader(BOUNDARY)
    assert events(reader, b"--1234--" + b" " * 64) == []
    with pytest.raises(HTTPInputError):
        events(reader, b" ")


def test_a_head_that_comes_byte_by_byte_takes_linear_time() -> None:
    head = b'--1234\r\nContent-Disposition: form-data; name="a"\r\nX: ' + b"y" * 200_000
    reader = MultipartReader(BOUNDARY, max_part_header_size=1_000_000)
    for piece in pieces_of(head, 100):
        assert events(reader, piece) == []
    assert events(reader, b"\r\n\r\nz") == [None, b"z"]


def test_what_follows_the_form_is_not_kept() -> None:
    reader = MultipartReader(BOUNDARY)
    assert events(reader, LAST) == [END]
    for _ in range(100):
        assert events(reader, bytes(1000)) == []
        assert reader.held == 0


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


TOKENS = [
    FIELD,
    LAST,
    FILE,
    b"--1234",
    b"\r\n--1234",
    b"\r\n",
    b"\r",
    b"\n",
    b"--",
    b"--12",
    b"\r\n\r\n",
    b" ",
    b'Content-Disposition: form-data; name="b"',
    b"Content-Disposition: form-data; name=b",
    b"X: y",
    b"z",
]
STREAMS = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=4), max_size=14).map(b"".join)
CUTS = st.lists(st.integers(0, 600), max_size=12)


@given(STREAMS, CUTS, st.booleans())
@example(b"\r\n--1234", [1], True)
def test_the_same_however_it_is_cut(data: bytes, cuts: list[int], begins: bool) -> None:
    if begins:
        data = FIELD + data
    found = whole(data)
    model = expected(data)
    assert (found == model) if isinstance(found, list) else (model is None)
    edges = sorted({0, len(data), *[cut for cut in cuts if cut < len(data)]})
    assert reading([data[a:b] for a, b in pairwise(edges)]) == found
    assert reading([bytes([byte]) for byte in data]) == found
