"""What holds of the reader for all streams.

The first property is that the cut does not matter.  The second, and the one most easily lost, is
that the reader's memory of the heads before cannot be told from outside: every message is read as
by a reader that has seen nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from tests.http.reading import (
    Event,
    Listener,
    Reader,
    Reading,
    answer,
    bytewise,
    cut,
    forget_lines,
    head,
    read,
)

from tornadic.http.reader import HEAD, ReaderLimits, RequestReader, ResponseReader

LIMITS = ReaderLimits(max_header_size=4000, max_body_size=60, chunk_size=16)

BROWSER = [
    "Host: example.com",
    "Connection: keep-alive",
    "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
    "Accept-Encoding: gzip, deflate, br",
    "Accept-Language: en-GB,en;q=0.5",
]
CHANGING = [
    "Cookie: a=1; b=2",
    "Cookie: a=1; b=3",
    "Cookie: " + "c" * 1100,
    "Referer: http://example.com/a",
    "Cache-Control: max-age=0",
    "Cache-Control: no-cache",
    "X-Forwarded-For: 10.0.0.1",
    "accept: */*",
    "ACCEPT-LANGUAGE:de",
    "Empty:",
    "X-Latin: \xe9",
    "X:",
    'If-None-Match: "a"',
    'if-none-match: "b"',
    "Content-Type: text/plain",
]
FRAMING = [
    "Content-Length: 0",
    "Content-Length: 3",
    "content-length: 14",
    "Content-Length: 60",
    "Content-Length: 61",
    "Transfer-Encoding: chunked",
    "transfer-encoding: Chunked",
    "Connection: keep-alive",
    "Connection: close",
    "connection: Keep-Alive",
    "Expect: 100-continue",
    "expect: 100-Continue",
]
BAD = [
    "Host: other.example",
    "host: a/b",
    "Content-Length: +3",
    "Content-Length: 3, 3",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked, chunked",
    "X : 1",
    " folded",
    "no colon",
    "X: a\nb",
    "X: a\rb",
    "X: \x00",
    "",
]
STARTS = [
    "GET / HTTP/1.1",
    "GET / HTTP/1.1",
    "GET / HTTP/1.0",
    "GET /?a=1 HTTP/1.1",
    "POST / HTTP/1.1",
    "OPTIONS * HTTP/1.1",
]

BODIES = st.sampled_from([b"", b"x", b"abc", b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 7, b"y" * 40])


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    wire = b""
    for piece in draw(st.lists(BODIES.filter(bool), max_size=3)):
        digits = b"%x" % len(piece)
        if draw(st.booleans()):
            digits = digits.upper().zfill(draw(st.integers(1, 16)))
        extension = draw(st.sampled_from([b"", b"", b";a", b';a="b c"', b";"]))
        wire += digits + extension + b"\r\n" + piece + b"\r\n"
    trailers = draw(st.sampled_from([b"", b"", b"X: 1\r\n", b"X: 1\r\nHost:\r\n"]))
    return wire + b"0" + draw(st.sampled_from([b"", b"000", b";z"])) + b"\r\n" + trailers + b"\r\n"


def body_for(draw: st.DrawFn, lines: list[str]) -> bytes:
    """What belongs behind a head of ``lines``, if they go together."""
    fields = [line.lower().partition(":") for line in lines]
    if any(name == "transfer-encoding" for name, _, _ in fields):
        return draw(chunked_bodies())
    lengths = [value.strip() for name, _, value in fields if name == "content-length"]
    if lengths and lengths[0].isdecimal():
        size = int(lengths[0])
        return (b"GET / HTTP/1.1\r\nHost: inner\r\n\r\n" * 3)[:size]
    return b""


def changed(draw: st.DrawFn, lines: list[str], pool: list[str]) -> list[str]:
    """``lines`` as they come with the next request."""
    lines = list(lines)
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 4]))):
        place = draw(st.integers(0, len(lines)))
        what = draw(st.sampled_from(["add", "add", "end", "end", "drop", "swap", "repeat", "cut"]))
        if what == "add":
            lines.insert(place, draw(st.sampled_from(pool)))
        elif what == "end":
            lines.append(draw(st.sampled_from(pool)))
        elif what == "repeat" and lines:
            lines.append(lines[place - 1])
        elif what == "swap" and place > 1:
            lines[place - 1], lines[place - 2] = lines[place - 2], lines[place - 1]
        elif what == "drop" and lines:
            del lines[place - 1]
        elif what == "cut":
            del lines[max(place, 1) :]
    return lines


@st.composite
def conversations(draw: st.DrawFn, pool: list[str]) -> list[bytes]:
    """Requests of one connection, each much like the one before."""
    # What lies behind is taken from a few heads, so that old ones come back.
    heads = [BROWSER]
    starts = [draw(st.sampled_from(STARTS))]
    messages = []
    for _ in range(draw(st.integers(3, 9))):
        lines = changed(draw, draw(st.sampled_from(heads[-2:])), pool)
        heads.append(lines)
        starts.append(draw(st.sampled_from([starts[-1], *STARTS])))
        messages.append(head(starts[-1], *lines, host=False) + body_for(draw, lines))
    return messages


def limits_set(sizes: list[int | None]) -> Callable[[Reader], None]:
    """A program that sets ``sizes`` as limits of one body after the other."""
    left = iter(sizes)

    def on_head(reader: Reader) -> None:
        size = next(left, None)
        if size is not None:
            reader.max_body_size = size

    return on_head


def read_by_fresh_readers(data: bytes, on_head: Callable[[Reader], None]) -> Reading:
    """What comes of ``data`` if every message is read by a reader that has seen nothing."""
    events: list[Event] = []
    while True:
        listener = Listener(RequestReader(LIMITS), on_head)
        listener.reader.feed(data)
        complete = listener.drain(one_message=True)
        events += listener.events
        data = listener.reader.take_rest()
        if not complete:
            return Reading(tuple(events), listener.error, data)


def check_same(one: Reading, other: Reading) -> None:
    """The cut may decide which of two faults is seen first, and only there is it not all 400."""
    assert one.settled == other.settled
    assert (one.error is None) == (other.error is None)
    if one.error != other.error:
        assert 400 in (one.error, other.error)


cuts = st.lists(st.integers(0, 1 << 20), max_size=12)
sizes = st.lists(st.sampled_from([None, None, 0, 2, 3, 13, 14, 59, 61, 100]), max_size=8)


@pytest.fixture(autouse=True)
def tables_as_before() -> Iterator[None]:
    yield
    forget_lines()


class TestMemory:
    """A reader that has read many heads, beside one that has not, for each message."""

    def check(
        self, data: bytes, places: list[int], sizes: list[int | None], forget: bool = False
    ) -> None:
        if forget:
            forget_lines()
        expected = read_by_fresh_readers(data, limits_set(sizes))
        event("refused" if expected.error else "accepted")
        for pieces in ([data], cut(data, places), bytewise(data)):
            if forget:
                forget_lines()
            reader = RequestReader(LIMITS)
            found = read(reader, pieces, on_head=limits_set(sizes))
            check_same(expected, found)
            if len(pieces) == 1:
                assert expected.error == found.error

    @settings(deadline=None)
    @given(conversations(CHANGING), cuts, sizes)
    def test_of_heads_that_differ(
        self, messages: list[bytes], places: list[int], sizes: list[int | None]
    ) -> None:
        self.check(b"".join(messages), places, sizes)

    @settings(deadline=None)
    @given(conversations(CHANGING + FRAMING), cuts, sizes)
    def test_of_heads_that_differ_in_framing(
        self, messages: list[bytes], places: list[int], sizes: list[int | None]
    ) -> None:
        self.check(b"".join(messages), places, sizes)

    @settings(deadline=None)
    @given(conversations(CHANGING + FRAMING + BAD), cuts, sizes, st.booleans())
    def test_of_heads_that_are_wrong(
        self, messages: list[bytes], places: list[int], sizes: list[int | None], forget: bool
    ) -> None:
        self.check(b"".join(messages), places, sizes, forget)

    @settings(deadline=None)
    @given(
        conversations(CHANGING + FRAMING),
        cuts,
        st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 2), st.binary(max_size=3))),
    )
    def test_of_corrupted_streams(
        self, messages: list[bytes], places: list[int], faults: list[tuple[int, int, bytes]]
    ) -> None:
        data = b"".join(messages)
        for place, length, new in faults:
            place %= len(data) + 1
            data = data[:place] + new + data[place + length :]
        self.check(data, places, [])

    @settings(max_examples=30, deadline=None)
    @given(
        st.sampled_from(BROWSER[2:] + CHANGING + FRAMING + BAD),
        st.sampled_from(CHANGING + FRAMING + BAD),
        st.sampled_from(["HTTP/1.0", "HTTP/1.1"]),
    )
    def test_of_one_line_behind_what_is_known(self, line: str, other: str, version: str) -> None:
        for known in (BROWSER, [*BROWSER, line]):
            same = head("GET / HTTP/1.1", *known, host=False)
            for start in ("GET / HTTP/1.1", f"PUT /a {version}"):
                last = head(start, *known, other, line, host=False)
                self.check(same * 4 + last + b"0123456789" * 6 + same * 2, [], [])

    def test_every_line_in_every_place(self) -> None:
        same = head("GET / HTTP/1.1", *BROWSER, host=False)
        for line in CHANGING + FRAMING + BAD:
            for place in range(len(BROWSER) + 1):
                lines = [*BROWSER[:place], line, *BROWSER[place:]]
                one = head("GET / HTTP/1.1", *lines, host=False)
                data = same * 3 + one + b"0123456789" * 6 + one * 3 + same
                expected = read_by_fresh_readers(data, limits_set([]))
                found = read(RequestReader(LIMITS), [data])
                assert (found.settled, found.error) == (expected.settled, expected.error)

    def test_of_a_head_that_comes_in_pieces(self) -> None:
        same = head("GET / HTTP/1.1", *BROWSER, host=False)
        last = head("GET / HTTP/1.1", *BROWSER, "Cookie: a=1", host=False)
        for one in (same, last):
            for i in range(len(one)):
                self.check_two_pieces(same * 3, one, i)

    def check_two_pieces(self, before: bytes, one: bytes, place: int) -> None:
        listener = Listener(RequestReader(LIMITS))
        listener.feed(before)
        seen = len(listener.events)
        listener.feed(one[:place])
        assert len(listener.events) == seen
        listener.feed(one[place:] + before)
        expected = read_by_fresh_readers(before + one + before, limits_set([]))
        assert listener.result().events == expected.events

    def test_of_a_large_head_is_not_kept(self) -> None:
        for size in (10, 900, 3000, 60000):
            reader = RequestReader(ReaderLimits())
            for _ in range(5):
                for piece in bytewise(head("GET / HTTP/1.1", "X: " + "a" * size)[:100]):
                    reader.feed(piece)
                reader.feed(head("GET / HTTP/1.1", "X: " + "a" * size)[100:])
                assert reader.next_event() is HEAD
            assert bytes_held(reader) <= 2 * 1024 + 100

    def test_of_a_body_is_not_kept(self) -> None:
        # An idle connection holds no buffer, however its last request came.
        body = b"x" * 50000
        message = head("PUT / HTTP/1.1", f"Content-Length: {len(body)}") + body
        for pieces in ([message], cut(message, [30, 1000]), cut(message, range(0, 50000, 500))):
            reader = RequestReader(ReaderLimits())
            assert read_all(reader, pieces) == body
            assert not reader.in_message
            assert bytes_held(reader) <= 2 * 1024 + 100


def bytes_held(reader: RequestReader) -> int:
    """How many bytes ``reader`` refers to; its headers and start line are not among them."""
    held = gc.get_referents(reader)
    return sum(len(one) for one in held if isinstance(one, bytes | bytearray))


def read_all(reader: RequestReader, pieces: list[bytes]) -> bytes:
    body = b""
    for piece in pieces:
        reader.feed(piece)
        while (found := reader.next_event()) is not None:
            body += found if isinstance(found, bytes) else b""
    return body


class TestCuts:
    @settings(deadline=None)
    @given(conversations(CHANGING + FRAMING), cuts, sizes)
    def test_of_requests(
        self, messages: list[bytes], places: list[int], sizes: list[int | None]
    ) -> None:
        data = b"".join(messages)
        whole = read(RequestReader(LIMITS), [data], eof=True, on_head=limits_set(sizes))
        for pieces in (cut(data, places), bytewise(data)):
            reader = RequestReader(LIMITS)
            check_same(whole, read(reader, pieces, eof=True, on_head=limits_set(sizes)))

    @settings(deadline=None)
    @given(st.data(), st.sampled_from([None, "GET", "HEAD", "CONNECT"]), cuts, st.booleans())
    def test_of_responses(
        self, data: st.DataObject, method: str | None, places: list[int], eof: bool
    ) -> None:
        stream = b"".join(data.draw(st.lists(response_streams(), min_size=1, max_size=5)))
        whole = read(ResponseReader(LIMITS, method), [stream], eof=eof)
        event("refused" if whole.error else "accepted")
        for pieces in (cut(stream, places), bytewise(stream)):
            check_same(whole, read(ResponseReader(LIMITS, method), pieces, eof=eof))

    @settings(deadline=None)
    @given(st.binary(max_size=200), cuts)
    def test_of_anything(self, data: bytes, places: list[int]) -> None:
        for prefix in (b"", head("PUT / HTTP/1.1", "Transfer-Encoding: chunked")):
            stream = prefix + data
            whole = read(RequestReader(LIMITS), [stream], eof=True)
            for pieces in (cut(stream, places), bytewise(stream)):
                check_same(whole, read(RequestReader(LIMITS), pieces, eof=True))

    @settings(max_examples=50, deadline=None)
    @given(conversations(CHANGING + FRAMING), cuts)
    @example([head("GET / HTTP/1.1")], [3])
    def test_and_rest_taken_and_given_back(self, messages: list[bytes], places: list[int]) -> None:
        data = b"".join(messages)
        reader = RequestReader(LIMITS)
        listener = Listener(reader)
        for piece in cut(data, places):
            listener.feed(reader.take_rest() + piece)
        check_same(read(RequestReader(LIMITS), [data]), listener.result())


@st.composite
def response_streams(draw: st.DrawFn) -> bytes:
    status = draw(st.sampled_from(["200 OK", "200 OK", "204 No", "304 No", "100 Go on", "404"]))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]))
    lines = draw(st.lists(st.sampled_from(CHANGING + FRAMING + BAD[2:8]), max_size=4))
    return answer(f"{version} {status}", *lines) + body_for(draw, lines)
