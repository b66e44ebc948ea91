"""The reader: what comes of bytes, whatever the cut, and what is never taken for a message."""

from __future__ import annotations

import pytest
from tests.http.reading import (
    Head,
    Listener,
    Reader,
    Reading,
    answer,
    bytewise,
    head,
    read,
    requests,
    responses,
)

from tornadic.http.errors import HTTPInputError
from tornadic.http.framing import CHUNKED, UNTIL_CLOSE
from tornadic.http.headers import MAX_HEADERS
from tornadic.http.reader import (
    DEFAULT_MAX_HEADER_SIZE,
    END,
    HEAD,
    MAX_CHUNK_LINE,
    MAX_CHUNKS_PER_TURN,
    MORE,
    ReaderLimits,
    RequestReader,
    ResponseReader,
)

GET = head("GET / HTTP/1.1")
CHUNKED_HEAD = head("POST / HTTP/1.1", "Transfer-Encoding: chunked")
CHUNKED_ANSWER = answer("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
UNTIL_CLOSE_ANSWER = answer("HTTP/1.1 200 OK")


def post(body: bytes, *lines: str, start: str = "POST / HTTP/1.1") -> bytes:
    return head(start, f"Content-Length: {len(body)}", *lines) + body


def kinds(reading: Reading) -> list[str]:
    return [
        "head" if isinstance(event, Head) else "end" if event == "end" else "body"
        for event in reading.events
    ]


def refused(reading: Reading, status: int = 400, heads: int = 0) -> None:
    assert reading.error == status
    assert len(reading.heads) == heads


class TestRequests:
    def test_without_a_body(self) -> None:
        reading = requests(head("GET /a?b HTTP/1.1", "X-A:  1 ", "x-a:2", "Empty:"))
        [one] = reading.heads
        assert one.start_line == ("GET", "/a?b", "HTTP/1.1")
        assert one.fields == (
            ("Host", "example.com"),
            ("X-A", "1"),
            ("X-A", "2"),
            ("Empty", ""),
        )
        assert one.framing == (0, True, False)
        assert kinds(reading) == ["head"]

    def test_body_by_length(self) -> None:
        reading = requests(post(b"0123456789"))
        assert kinds(reading) == ["head", "body", "end"]
        assert reading.bodies == [b"0123456789"]
        assert reading.heads[0].framing.body == 10

    def test_length_of_nothing_is_no_body(self) -> None:
        assert kinds(requests(post(b""))) == ["head"]

    @pytest.mark.parametrize(
        ("wire", "body"),
        [
            (b"0\r\n\r\n", []),
            (b"5\r\nhello\r\n0\r\n\r\n", [b"hello"]),
            (b"5\r\nhello\r\n000006\r\n world\r\n00\r\n\r\n", [b"hello world"]),
            (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", [b"0123456789" * 2]),
            (b'5;a;b=c;d="e f"\r\nhello\r\n0;last\r\n\r\n', [b"hello"]),
            (b"5;\r\nhello\r\n0;\xff\t \r\n\r\n", [b"hello"]),
            (b"2\r\n\r\n\r\n0\r\n\r\n", [b"\r\n"]),
            (b"1\r\nx\r\n0\r\nTrailer: 1\r\nX-Y:\r\n\r\n", [b"x"]),
            (b"0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", [b"x"]),
            (b"1\r\nx\r\n" * 300 + b"0\r\n\r\n", [b"x" * 300]),
        ],
    )
    def test_chunked_body(self, wire: bytes, body: list[bytes]) -> None:
        reading = requests(CHUNKED_HEAD + wire)
        assert reading.heads[0].framing.body == CHUNKED
        assert reading.bodies == body
        assert kinds(reading)[-1] == "end"
        # Trailers are checked, and never become fields.
        assert [name for name, _ in reading.heads[0].fields] == ["Host", "Transfer-Encoding"]

    def test_pipelined(self) -> None:
        reading = requests(GET + post(b"abc") + CHUNKED_HEAD + b"1\r\nx\r\n0\r\n\r\n" + GET * 2)
        assert [one.start_line[0] for one in reading.heads] == ["GET", "POST", "POST", "GET", "GET"]
        assert reading.bodies == [b"abc", b"x"]

    def test_one_empty_line_before_a_request(self) -> None:
        assert requests(b"\r\n" + GET + b"\r\n" + GET).heads == requests(GET + GET).heads
        assert requests(b"\r\n").error is None

    def test_no_second_empty_line(self) -> None:
        refused(requests(b"\r\n\r\n" + GET))
        refused(requests(GET + b"\r\n\r\n" + GET), heads=1)

    def test_body_that_looks_like_a_request(self) -> None:
        reading = requests(post(GET) + post(GET))
        assert len(reading.heads) == 2
        assert reading.bodies == [GET, GET]

    def test_expectation(self) -> None:
        [one] = requests(post(b"x", "Expect: 100-Continue")).heads
        assert one.framing == (1, True, True)

    def test_version_decides_the_connection(self) -> None:
        old = head("GET / HTTP/1.0", host=False)
        kept = head("GET / HTTP/1.0", "Connection: Keep-Alive")
        reading = requests(GET + old + kept + GET)
        assert [one.framing.keep_alive for one in reading.heads] == [True, False, True, True]


class TestMalformedHeads:
    @pytest.mark.parametrize(
        "data",
        [
            b"GET / HTTP/1.1\nHost: a\n\n",
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\r\n\r\n",
            b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \x0b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX\t: 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n X: 1\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\tfolded\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n(X): 1\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            b"GET /\r\nHost: a\r\n\r\n",
            b"GET / http/1.1\r\nHost: a\r\n\r\n",
            b"G\x00ET / HTTP/2.0\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"\n" + GET,
            b"\r" + GET,
            b"\r\r\n" + GET,
        ],
    )
    def test_is_400(self, data: bytes) -> None:
        refused(requests(data))
        refused(requests(GET * 2 + data), heads=2)

    @pytest.mark.parametrize(
        ("start", "status"),
        [("GET / HTTP/2.0", 505), ("GET / HTTP/0.9", 505), ("M" * 33 + " / HTTP/1.1", 501)],
    )
    def test_other_statuses(self, start: str, status: int) -> None:
        refused(requests(head(start)), status)

    @pytest.mark.parametrize(
        "junk", [b"\x00", b"GET / HT\x00", b"a\nb", b"GET / HTTP/1.1\r\nX: \x01"]
    )
    def test_what_can_never_become_a_head_is_refused_at_once(self, junk: bytes) -> None:
        refused(requests(junk))

    def test_every_byte_in_a_value(self) -> None:
        for code in range(256):
            data = b"GET / HTTP/1.1\r\nHost: a\r\nX: a" + bytes([code]) + b"b\r\n\r\n"
            reading = read(RequestReader(ReaderLimits()), [data])
            if code == 9 or (code >= 32 and code != 127):
                assert reading.heads[0].fields[1] == ("X", f"a{chr(code)}b")
            else:
                refused(reading)


class TestMalformedChunks:
    @pytest.mark.parametrize(
        "wire",
        [
            b"\r\n",
            b";x\r\n",
            b"-1\r\n",
            b"+1\r\nx\r\n",
            b"0x1\r\nx\r\n",
            b"1_0\r\n",
            b" 1\r\nx\r\n",
            b"1 \r\nx\r\n",
            b"1 ;a\r\nx\r\n",
            b"1\t;a\r\nx\r\n",
            b"g\r\n",
            b"1\nx\r\n0\r\n\r\n",
            b"1\rx\r\n0\r\n\r\n",
            b"1\n\r\nx\r\n",
            b"1\r\r\nx\r\n",
            b"1;a\nb\r\nx\r\n",
            b"1;a\rb\r\nx\r\n",
            b"1;\x00\r\nx\r\n",
            b"1;\x7f\r\nx\r\n",
            b"00000000000000001\r\nx\r\n",
            b"\xef\xbc\x91\r\nx\r\n",
            b"1\r\nxy\r\n",
            b"1\r\nx\n",
            b"1\r\nx\r\r\n",
            b"1\r\nx0\r\n\r\n",
            b"0\r\nX : 1\r\n\r\n",
            b"0\r\n folded\r\n\r\n",
            b"0\r\nX: 1\n\r\n",
            b"0\r\nX: \x00\r\n\r\n",
            b"0\r\n\n\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\n\rX\r\n\r\n",
            b"0\r\n" + GET,
        ],
    )
    def test_is_400(self, wire: bytes) -> None:
        refused(requests(CHUNKED_HEAD + wire), heads=1)
        refused(responses(CHUNKED_ANSWER + wire), heads=1)

    @pytest.mark.parametrize("size", [b"ffffffffffffffff", b"7fffffffffffffff", b"fffffffff"])
    def test_huge_chunk_is_413(self, size: bytes) -> None:
        refused(requests(CHUNKED_HEAD + size + b"\r\nx"), 413, heads=1)


class TestResponses:
    def test_body_by_length(self) -> None:
        reading = responses(answer("HTTP/1.1 200 Very well", "Content-Length: 5") + b"hello")
        [one] = reading.heads
        assert one.start_line == ("HTTP/1.1", 200, "Very well")
        assert one.framing == (5, True, False)
        assert reading.bodies == [b"hello"]
        assert kinds(reading) == ["head", "body", "end"]

    def test_chunked(self) -> None:
        reading = responses(CHUNKED_ANSWER + b"5\r\nhello\r\n0\r\n\r\n")
        assert reading.bodies == [b"hello"]

    def test_until_close(self) -> None:
        data = UNTIL_CLOSE_ANSWER + b"hello\r\n\r\nworld"
        reading = responses(data, eof=True)
        assert reading.heads[0].framing == (UNTIL_CLOSE, False, False)
        assert reading.bodies == [b"hello\r\n\r\nworld"]
        assert kinds(reading) == ["head", "body", "end"]
        assert kinds(responses(data)) == ["head", "body"]

    def test_until_close_with_nothing(self) -> None:
        assert kinds(responses(UNTIL_CLOSE_ANSWER, eof=True)) == ["head", "end"]

    @pytest.mark.parametrize("code", [204, 304])
    def test_statuses_without_a_body(self, code: int) -> None:
        one = answer(f"HTTP/1.1 {code} X", "Content-Length: 5")
        assert kinds(responses(one * 2)) == ["head", "head"]

    @pytest.mark.parametrize("line", ["Content-Length: 5", "Transfer-Encoding: chunked", "X: 1"])
    def test_to_head_there_is_no_body(self, line: str) -> None:
        one = answer("HTTP/1.1 200 OK", line)
        assert kinds(responses(one * 2, "HEAD")) == ["head", "head"]

    def test_informational_ones_have_no_body_and_do_not_end_the_exchange(self) -> None:
        early = answer("HTTP/1.1 103 Early Hints", "Link: </a>", "Content-Length: 7")
        last = answer("HTTP/1.1 200 OK", "Content-Length: 2") + b"ok"
        reading = responses(early * 30 + answer("HTTP/1.1 100 Continue") + last)
        assert [one.start_line[1] for one in reading.heads] == [103] * 30 + [100, 200]
        assert reading.bodies == [b"ok"]

    def test_code_below_100_is_no_informational_one(self) -> None:
        # Taken for one, its body would be read as the next response.
        data = answer("HTTP/1.1 099 X", "Content-Length: 5") + b"hello"
        reading = responses(data)
        assert reading.error is not None or reading.bodies == [b"hello"]

    def test_switching_protocols_leaves_the_rest(self) -> None:
        reader = ResponseReader(ReaderLimits())
        reader.feed(answer("HTTP/1.1 101 Switching Protocols", "Upgrade: x") + b"\x81\x00")
        assert reader.next_event() is HEAD
        assert not reader.in_message
        assert reader.take_rest() == b"\x81\x00"

    def test_tunnel_leaves_the_rest(self) -> None:
        # RFC 9112 section 6.3: whatever the head of a 2xx to CONNECT says.
        for line in ("X: 1", "Content-Length: 5", "Transfer-Encoding: chunked"):
            reader = ResponseReader(ReaderLimits(), "CONNECT")
            reader.feed(answer("HTTP/1.1 200 OK", line) + b"\x16\x03\x01")
            assert reader.next_event() is HEAD
            assert not reader.in_message
            assert reader.take_rest() == b"\x16\x03\x01"

    def test_refused_tunnel_has_a_body(self) -> None:
        data = answer("HTTP/1.1 403 Forbidden", "Content-Length: 2") + b"no"
        assert responses(data, "CONNECT").bodies == [b"no"]

    def test_method_holds_for_the_response_that_comes_next(self) -> None:
        data = answer("HTTP/1.1 200 OK", "Content-Length: 2")
        reader = ResponseReader(ReaderLimits(), "HEAD")
        listener = Listener(reader)
        listener.feed(data)
        reader.request_method = "GET"
        listener.feed(data + b"ok")
        reader.request_method = "HEAD"
        listener.feed(data)
        assert kinds(listener.result()) == ["head", "head", "body", "end", "head"]

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1  200 OK\r\n\r\n",
            b"HTTP/1.1 200 O\x00K\r\n\r\n",
            b"HTTP/1.1 200 OK\nX: 1\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"http/1.1 200 OK\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"<html>\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
        ],
    )
    def test_malformed(self, data: bytes) -> None:
        refused(responses(data))


class TestLimits:
    """Every bound at n and at n + 1."""

    def test_head(self) -> None:
        size = len(head("GET / HTTP/1.1", "X: ")) + 100
        data = head("GET / HTTP/1.1", "X: " + "a" * 100)
        assert len(data) == size
        assert requests(data * 4, ReaderLimits(max_header_size=size)).error is None
        refused(requests(data * 4, ReaderLimits(max_header_size=size - 1)), 431)

    def test_head_after_smaller_ones(self) -> None:
        data = head("GET / HTTP/1.1", "X: 1")
        longer = head("GET / HTTP/1.1", "X: 1", "Y: 1")
        limits = ReaderLimits(max_header_size=len(longer))
        assert requests(data * 3 + longer, limits).error is None
        limits = ReaderLimits(max_header_size=len(longer) - 1)
        refused(requests(data * 3 + longer, limits), 431, heads=3)

    def test_start_line(self) -> None:
        data = head("GET /" + "a" * 100 + " HTTP/1.0", host=False)
        assert requests(data, ReaderLimits(max_header_size=len(data))).error is None
        refused(requests(data, ReaderLimits(max_header_size=len(data) - 1)), 431)

    def test_head_that_never_ends(self) -> None:
        limits = ReaderLimits(max_header_size=50)
        for endless in (b"G" * 50, b"GET / HTTP/1.1\r\n" + b"X:1\r\n" * 10):
            assert requests(endless[:49], limits).error is None
            refused(requests(endless[:50], limits), 431)

    def test_one_empty_line_before_does_not_count(self) -> None:
        assert requests(b"\r\n" + GET, ReaderLimits(max_header_size=len(GET))).error is None

    def test_defaults(self) -> None:
        size = DEFAULT_MAX_HEADER_SIZE
        room = size - len(head("GET / HTTP/1.1", "X: "))
        for extra, error in ((0, None), (1, 431)):
            data = head("GET / HTTP/1.1", "X: " + "a" * (room + extra))
            assert read(RequestReader(ReaderLimits()), [data]).error == error

    def test_number_of_header_lines(self) -> None:
        for name in ("X-{}", "X"):
            lines = [name.format(i) + ": 1" for i in range(MAX_HEADERS)]
            assert requests(head("GET / HTTP/1.1", *lines[1:]) * 3).error is None
            refused(requests(head("GET / HTTP/1.1", *lines)), 431)

    def test_number_of_header_lines_after_fewer(self) -> None:
        lines = [f"X-{i}: 1" for i in range(MAX_HEADERS)]
        fewer = head("GET / HTTP/1.1", *lines[:20])
        assert requests(fewer * 3 + head("GET / HTTP/1.1", *lines[:-1])).error is None
        refused(requests(fewer * 3 + head("GET / HTTP/1.1", *lines)), 431, heads=3)

    def test_number_of_trailer_lines(self) -> None:
        trailer = b"X: 1\r\n"
        wire = CHUNKED_HEAD + b"0\r\n" + trailer * MAX_HEADERS
        assert requests(wire + b"\r\n").error is None
        refused(requests(wire + trailer + b"\r\n"), 431, heads=1)

    def test_trailers(self) -> None:
        trailers = b"X: " + b"a" * 200 + b"\r\n\r\n"
        wire = CHUNKED_HEAD + b"0\r\n" + trailers
        assert requests(wire, ReaderLimits(max_header_size=len(trailers))).error is None
        limits = ReaderLimits(max_header_size=len(trailers) - 1)
        refused(requests(wire, limits), 431, heads=1)

    def test_trailers_that_never_end(self) -> None:
        limits = ReaderLimits(max_header_size=200)
        endless = b"X: 1\r\n" * 34
        assert requests(CHUNKED_HEAD + b"0\r\n" + endless[:199], limits).error is None
        refused(requests(CHUNKED_HEAD + b"0\r\n" + endless[:200], limits), 431, heads=1)

    def test_chunk_line(self) -> None:
        for digits in (b"1", b"0001"):
            line = digits + b";" + b"x" * (MAX_CHUNK_LINE - len(digits) - 1)
            assert requests(CHUNKED_HEAD + line + b"\r\nx\r\n0\r\n\r\n").error is None
            refused(requests(CHUNKED_HEAD + line + b"x\r\nx\r\n0\r\n\r\n"), heads=1)

    def test_chunk_line_that_never_ends(self) -> None:
        line = b"1;" + b"x" * (MAX_CHUNK_LINE - 2)
        assert requests(CHUNKED_HEAD + line).error is None
        refused(requests(CHUNKED_HEAD + line + b"xx"), heads=1)

    def test_chunk_size_digits(self) -> None:
        assert requests(CHUNKED_HEAD + b"1".zfill(16) + b"\r\nx\r\n0\r\n\r\n").error is None
        refused(requests(CHUNKED_HEAD + b"1".zfill(17) + b"\r\nx\r\n0\r\n\r\n"), heads=1)

    def test_extensions_in_all(self) -> None:
        limits = ReaderLimits(max_header_size=1000)
        chunk = b"1;" + b"e" * 99 + b"\r\nx\r\n"
        last = b"0\r\n\r\n"
        assert requests(CHUNKED_HEAD + chunk * 10 + last, limits).error is None
        refused(requests(CHUNKED_HEAD + chunk * 10 + b"1;\r\nx\r\n" + last, limits), heads=1)
        refused(requests(CHUNKED_HEAD + chunk * 10 + b"0;\r\n\r\n", limits), heads=1)
        # The next message has room for its own.
        twice = (CHUNKED_HEAD + chunk * 10 + last) * 2
        assert requests(twice, limits).error is None

    def test_body_by_length(self) -> None:
        limits = ReaderLimits(max_body_size=10)
        assert requests(post(b"x" * 10) * 2, limits).bodies == [b"x" * 10] * 2
        refused(requests(post(b"x" * 11), limits), 413, heads=1)
        # It is refused for what it says, before any of it has come.
        refused(requests(head("PUT / HTTP/1.1", "Content-Length: 11"), limits), 413, heads=1)

    def test_digits_of_a_length(self) -> None:
        limits = ReaderLimits(max_body_size=10**16)
        fits = head("PUT / HTTP/1.1", "Content-Length: " + "9" * 15)
        assert requests(fits, limits).error is None
        refused(requests(head("PUT / HTTP/1.1", "Content-Length: " + "0" * 16), limits))

    def test_chunked_body(self) -> None:
        limits = ReaderLimits(max_body_size=10)
        fits = CHUNKED_HEAD + b"5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"
        assert requests(fits * 2, limits).bodies == [b"0123456789"] * 2
        refused(requests(CHUNKED_HEAD + b"5\r\n01234\r\n6\r\n", limits), 413, heads=1)
        refused(requests(CHUNKED_HEAD + b"b\r\n", limits), 413, heads=1)

    def test_body_until_close(self) -> None:
        limits = ReaderLimits(max_body_size=10)
        assert responses(UNTIL_CLOSE_ANSWER + b"x" * 10, None, limits, eof=True).error is None
        refused(responses(UNTIL_CLOSE_ANSWER + b"x" * 11, None, limits), 413, heads=1)

    def test_response_bodies(self) -> None:
        limits = ReaderLimits(max_body_size=10)
        for size, error in ((10, None), (11, 413)):
            data = answer("HTTP/1.1 200 OK", f"Content-Length: {size}") + b"x" * size
            assert responses(data, None, limits).error == error
            data = CHUNKED_ANSWER + b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
            assert responses(data, None, limits).error == error

    def test_no_body_at_all_allowed(self) -> None:
        limits = ReaderLimits(max_body_size=0)
        assert requests(GET + post(b"") + CHUNKED_HEAD + b"0\r\n\r\n", limits).error is None
        refused(requests(post(b"x"), limits), 413, heads=1)

    @pytest.mark.parametrize(
        "message", [post(b"x" * 20), CHUNKED_HEAD + b"14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n"]
    )
    def test_set_for_one_message(self, message: bytes) -> None:
        limits = ReaderLimits(max_body_size=10)
        sizes = iter([20, 19])

        def on_head(reader: Reader) -> None:
            assert reader.max_body_size == 10
            reader.max_body_size = next(sizes)

        for pieces in ([message * 2], bytewise(message * 2)):
            sizes = iter([20, 19])
            reading = read(RequestReader(limits), pieces, on_head=on_head)
            assert reading.error == 413
            assert reading.bodies[0] == b"x" * 20
            assert len(reading.heads) == 2

    @pytest.mark.parametrize("size", [1, 3, 10])
    def test_pieces_are_no_larger_than_asked(self, size: int) -> None:
        # The listener looks at every piece.
        limits = ReaderLimits(chunk_size=size)
        wire = CHUNKED_HEAD + b"a\r\n0123456789\r\n4\r\nabcd\r\n0\r\n\r\n"
        assert requests(wire, limits).bodies == [b"0123456789abcd"]
        assert requests(post(b"0123456789" * 3), limits).bodies == [b"0123456789" * 3]
        until_close = responses(UNTIL_CLOSE_ANSWER + b"0123456789", None, limits, eof=True)
        assert until_close.bodies == [b"0123456789"]


class TestEndOfStream:
    @pytest.mark.parametrize("data", [b"", GET, GET * 2, post(b"abc"), b"\r\n", GET + b"\r\n"])
    def test_between_two_messages(self, data: bytes) -> None:
        reading = requests(data, eof=True)
        assert reading.error is None
        assert reading.events == requests(data).events

    @pytest.mark.parametrize(
        "data",
        [
            b"G",
            b"\r",
            b"GET / HTTP/1.1\r\n",
            GET[:-1],
            head("PUT / HTTP/1.1", "Content-Length: 3"),
            post(b"abc")[:-1],
            CHUNKED_HEAD,
            CHUNKED_HEAD + b"3",
            CHUNKED_HEAD + b"3\r\n",
            CHUNKED_HEAD + b"3\r\nab",
            CHUNKED_HEAD + b"3\r\nabc",
            CHUNKED_HEAD + b"3\r\nabc\r",
            CHUNKED_HEAD + b"3\r\nabc\r\n",
            CHUNKED_HEAD + b"3\r\nabc\r\n0\r\n",
            CHUNKED_HEAD + b"3\r\nabc\r\n0\r\nX: 1\r\n",
            CHUNKED_HEAD + b"3\r\nabc\r\n0\r\nX: 1\r\n\r",
        ],
    )
    def test_within_a_message(self, data: bytes) -> None:
        reading = requests(data, eof=True)
        assert reading.error == 400
        assert "end" not in reading.events
        assert requests(GET + data, eof=True).error == 400

    @pytest.mark.parametrize(
        "start",
        ["HTTP/1.1 200 OK", "HTTP/1.0 200 OK"],
    )
    def test_response_shorter_than_it_said(self, start: str) -> None:
        reading = responses(answer(start, "Content-Length: 3") + b"ab", eof=True)
        assert reading.error == 400
        assert "end" not in reading.events

    def test_body_until_close_that_nobody_has_asked_for_yet(self) -> None:
        # A program that takes its time must not get a shorter body, nor a next message of it.
        reader = ResponseReader(ReaderLimits(chunk_size=4))
        reader.feed(UNTIL_CLOSE_ANSWER + b"hello")
        assert reader.next_event() is HEAD
        assert reader.next_event() == b"hell"
        reader.feed_eof()
        assert reader.next_event() == b"o"
        assert reader.next_event() is END
        assert reader.next_event() is None

    def test_nothing_comes_after_it(self) -> None:
        reader = RequestReader(ReaderLimits())
        reader.feed(GET[:-1])
        assert reader.next_event() is None
        with pytest.raises(HTTPInputError):
            reader.feed_eof()
        reader.feed(b"\n" + GET)
        assert reader.next_event() is None


class TestErrors:
    @pytest.mark.parametrize(
        "data",
        [
            b"\x00",
            head("GET / HTTP/3.0"),
            head("GET / HTTP/1.1", "Host: b"),
            head("GET / HTTP/1.1", "Content-Length: x"),
            CHUNKED_HEAD + b"x\r\n",
            CHUNKED_HEAD + b"1\r\nxyz",
            CHUNKED_HEAD + b"0\r\nX\r\n\r\n",
            head("PUT / HTTP/1.1", "Content-Length: 99999999999"),
        ],
    )
    def test_nothing_comes_after_one(self, data: bytes) -> None:
        listener = Listener(RequestReader(ReaderLimits()))
        listener.feed(data)
        assert listener.error is not None
        events = list(listener.events)
        for piece in [GET, *bytewise(GET), post(b"abc"), b"\r\n\r\n", b"0\r\n\r\n"]:
            listener.feed(piece)
        listener.eof()
        assert listener.events == events


class TestTakingTheRest:
    def test_all_that_was_not_read(self) -> None:
        reader = RequestReader(ReaderLimits())
        assert reader.take_rest() == b""
        reader.feed(GET + b"\x00\x01")
        assert reader.buffered == len(GET) + 2
        assert reader.next_event() is HEAD
        assert reader.buffered == 2
        assert reader.take_rest() == b"\x00\x01"
        assert reader.buffered == 0
        assert reader.next_event() is None

    def test_in_the_midst_of_anything(self) -> None:
        data = GET * 3 + post(b"abc") + CHUNKED_HEAD + b"3\r\nabc\r\n0\r\nX: 1\r\n\r\n" + GET
        expected = requests(data)
        for step in (1, 2, 3, 7, 30, len(data)):
            reader = RequestReader(ReaderLimits())
            listener = Listener(reader)
            for i in range(0, len(data), step):
                piece = data[i : i + step]
                before = reader.buffered
                reader.feed(piece)
                rest = reader.take_rest()
                assert len(rest) == before + len(piece)
                assert rest.endswith(piece)
                listener.feed(rest)
            assert listener.result() == expected

    def test_after_a_body(self) -> None:
        reader = RequestReader(ReaderLimits())
        reader.feed(post(b"abc") + b"rest")
        events = [reader.next_event() for _ in range(3)]
        assert events == [HEAD, b"abc", END]
        assert reader.take_rest() == b"rest"


def test_in_message() -> None:
    reader = RequestReader(ReaderLimits())
    seen = []
    for piece in bytewise(GET + post(b"ab") + CHUNKED_HEAD + b"1\r\nx\r\n0\r\n\r\n" + GET):
        reader.feed(piece)
        while (event := reader.next_event()) is not None:
            seen.append((event if isinstance(event, bytes) else event.name, reader.in_message))
    assert seen == [
        ("HEAD", False),
        ("HEAD", True),
        (b"a", True),
        (b"b", True),
        ("END", False),
        ("HEAD", True),
        (b"x", True),
        ("END", False),
        ("HEAD", False),
    ]


def test_many_small_chunks_come_in_bounded_turns() -> None:
    reader = RequestReader(ReaderLimits(chunk_size=4000))
    chunk = b"2\r\nxy\r\n"
    wire = CHUNKED_HEAD + chunk * 5000 + b"0\r\n\r\n"
    sizes: list[int] = []
    turns = 1
    for data in (wire, wire[: len(CHUNKED_HEAD) + len(chunk) * 1000], wire[len(CHUNKED_HEAD) :]):
        reader.feed(data)
        while (event := reader.next_event()) not in (END, None):
            turns += event is MORE
            if isinstance(event, bytes):
                sizes.append(len(event))
    assert event is END
    # What is here is joined, as far as it fits, and what is here is not held back for more.
    assert sizes == [4000, 4000, 2000, 2000, 4000, 4000, 2000]
    assert 11_000 / MAX_CHUNKS_PER_TURN - 10 < turns <= 11_000 / MAX_CHUNKS_PER_TURN + 1


def test_a_bad_chunk_among_many_small_ones() -> None:
    reader = RequestReader(ReaderLimits())
    reader.feed(CHUNKED_HEAD + b"1\r\nx\r\n" * 1000 + b"1\r\nxy\r\n")
    assert reader.next_event() is HEAD
    events = []
    with pytest.raises(HTTPInputError, match="improperly terminated chunk"):
        while True:
            events.append(reader.next_event())
    assert events == [MORE] * (1000 // MAX_CHUNKS_PER_TURN)


class TestWaitingLines:
    """Lines behind known ones, which are counted with them."""

    KNOWN = b"Host: a\r\nX-A: 1\r\n"

    def read_behind_known(self, lines: bytes) -> RequestReader:
        reader = RequestReader(ReaderLimits())
        for cookie in (b"C: 1\r\n", b"C: 2\r\n", lines):
            reader.feed(b"GET / HTTP/1.1\r\n" + self.KNOWN + cookie + b"\r\n")
            assert reader.next_event() is HEAD
        assert reader.headers["X-A"] == "1"
        return reader

    @pytest.mark.parametrize("line", [b"a:\r\n", b"A: " + b"1" * 100 + b"\r\n"])
    def test_as_many_as_may_be(self, line: bytes) -> None:
        reader = self.read_behind_known(line * (MAX_HEADERS - 2))
        assert len(reader.headers.get_list("A")) == MAX_HEADERS - 2

    @pytest.mark.parametrize("line", [b"a:\r\n", b"A: " + b"1" * 100 + b"\r\n"])
    def test_one_too_many(self, line: bytes) -> None:
        with pytest.raises(HTTPInputError) as caught:
            self.read_behind_known(line * (MAX_HEADERS - 1))
        assert caught.value.status == 431

    def test_none(self) -> None:
        assert len(self.read_behind_known(b"").headers) == 2

    def test_a_start_line_byte_by_byte(self) -> None:
        """Would take minutes if each byte cost a look at all that came before it."""
        size = 10_000_000
        reader = RequestReader(ReaderLimits(max_header_size=2 * size))
        wire = b"GET /" + b"a" * (size + 100_000) + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        reader.feed(wire[:size])
        assert reader.next_event() is None
        for i in range(size, len(wire)):
            reader.feed(wire[i : i + 1])
            event = reader.next_event()
        assert event is HEAD
        assert len(reader.start_line.path) == 1 + size + 100_000

    def test_a_block_byte_by_byte_behind_a_long_start_line(self) -> None:
        head = b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\nX-Y: 1\r\n\r\n"
        reader = RequestReader(ReaderLimits())
        for _ in range(3):
            for i in range(len(head)):
                reader.feed(head[i : i + 1])
                assert reader.next_event() is (HEAD if i == len(head) - 1 else None)
            assert reader.start_line.path == "/" + "a" * 3000
            assert reader.headers["X-Y"] == "1"
