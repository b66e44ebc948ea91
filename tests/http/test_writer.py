"""What is written is one message, nothing else, and is read back as it was meant."""

from __future__ import annotations

import http
import re
import string
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.http.reading import Head, read

from tornadic.http import writer as writer_module
from tornadic.http.errors import HTTPInputError, HTTPOutputError
from tornadic.http.headers import HTTPHeaders
from tornadic.http.reader import ReaderLimits, RequestReader, ResponseReader
from tornadic.http.statuses import error_response, responses
from tornadic.http.writer import MessageWriter, encode_chunk

TCHAR = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
FRAMING = {"content-length", "transfer-encoding", "connection", "host", "expect"}
NAMES = st.text(TCHAR, min_size=1, max_size=10).filter(lambda name: name.lower() not in FRAMING)
LATIN = st.characters(max_codepoint=255).filter(lambda c: c == "\t" or (c >= " " and c != "\x7f"))
VALUES = st.text(LATIN, max_size=12).map(lambda value: value.strip(" \t"))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
PIECES = st.lists(st.binary(max_size=20), max_size=4)
CONTROLS = ["\r", "\n", "\r\n", "\x00", "\x01", "\x0b", "\x1f", "\x7f"]


def headers_of(pairs: list[tuple[str, str]]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in pairs:
        headers.add(name, value)
    return headers


def write_response(
    writer: MessageWriter,
    pieces: list[bytes],
    *,
    status: int = 200,
    reason: str = "OK",
    headers: HTTPHeaders | None = None,
    method: str = "GET",
    version: str = "HTTP/1.1",
    keep_alive: bool = True,
    with_head: bool = False,
) -> bytes:
    """A whole response, its first piece in one with the head if ``with_head``."""
    headers = headers if headers is not None else HTTPHeaders()
    first = pieces[0] if pieces and with_head else None
    wire = writer.response_head(status, reason, headers, method, version, keep_alive, first)
    for piece in pieces[with_head:]:
        wire += writer.data(piece)
    return wire + writer.end()


def one_response(*pieces: bytes, **arguments: Any) -> bytes:
    return write_response(MessageWriter(), list(pieces), **arguments)


class TestFramingOfResponses:
    def test_by_length(self) -> None:
        wire = one_response(b"he", b"llo", headers=HTTPHeaders({"Content-Length": "5"}))
        assert wire == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

    def test_in_chunks(self) -> None:
        expected = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        )
        assert one_response(b"he", b"", b"llo") == expected
        assert one_response(b"he", b"llo", with_head=True) == expected

    def test_until_close(self) -> None:
        headers = HTTPHeaders({"Connection": "keep-alive"})
        wire = one_response(b"he", b"llo", version="HTTP/1.0", headers=headers)
        assert wire == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"

    @pytest.mark.parametrize(
        ("status", "method"), [(204, "GET"), (304, "GET"), (100, "GET"), (200, "HEAD")]
    )
    def test_without_a_body(self, status: int, method: str) -> None:
        writer = MessageWriter()
        wire = write_response(writer, [], status=status, method=method)
        assert wire == b"HTTP/1.1 %d OK\r\n\r\n" % status
        with pytest.raises(HTTPOutputError):
            writer.data(b"x")
        with pytest.raises(HTTPOutputError):
            one_response(b"x", status=status, method=method, with_head=True)

    def test_length_of_what_head_does_not_get(self) -> None:
        headers = HTTPHeaders({"Content-Length": "5"})
        wire = one_response(method="HEAD", headers=headers)
        assert wire == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
    def test_where_a_tunnel_begins_there_is_no_body(self, version: str) -> None:
        writer = MessageWriter()
        wire = write_response(writer, [], method="CONNECT", version=version)
        assert b"Transfer-Encoding" not in wire and b"close" not in wire
        assert read(ResponseReader(ReaderLimits(), "CONNECT"), [wire + b"x"]).rest == b"x"
        # A refusal has one.
        wire = write_response(MessageWriter(), [b"x"], method="CONNECT", status=403, reason="")
        assert wire.endswith(b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")

    @pytest.mark.parametrize("given", [None, "x"])
    def test_http_1_0_that_closes_is_told(self, given: str | None) -> None:
        # The answer is HTTP/1.1, where a connection stays that nobody says a word of: a proxy
        # would keep it (RFC 9112 section 9.3).
        headers = HTTPHeaders({"Content-Length": "0"})
        if given is not None:
            headers["Connection"] = given
        wire = one_response(version="HTTP/1.0", keep_alive=False, headers=headers)
        assert b"\r\nConnection: close\r\n" in wire

    @pytest.mark.parametrize("keep_alive", [True, False])
    @pytest.mark.parametrize("status", [100, 103, 199])
    def test_http_1_0_knows_no_1xx(self, status: int, keep_alive: bool) -> None:
        writer = MessageWriter()
        arguments: dict[str, Any] = {"version": "HTTP/1.0", "keep_alive": keep_alive}
        assert write_response(writer, [], status=status, reason="", **arguments) == b""
        headers = HTTPHeaders({"Content-Length": "1"})
        wire = write_response(writer, [b"x"], headers=headers, **arguments)
        assert wire.startswith(b"HTTP/1.1 200 OK\r\n") and wire.endswith(b"\r\n\r\nx")

    @pytest.mark.parametrize(
        ("version", "keep_alive", "given", "expected"),
        [
            ("HTTP/1.1", True, None, None),
            ("HTTP/1.1", True, "close", "close"),
            ("HTTP/1.1", True, "Close, x", "Close, x"),
            ("HTTP/1.1", True, "Upgrade", "Upgrade"),
            ("HTTP/1.1", False, None, "close"),
            ("HTTP/1.1", False, "keep-alive", "close"),
            ("HTTP/1.0", True, None, "Keep-Alive"),
            ("HTTP/1.0", True, "close", "close"),
            ("HTTP/1.0", False, "keep-alive", "close"),
        ],
    )
    def test_connection(
        self, version: str, keep_alive: bool, given: str | None, expected: str | None
    ) -> None:
        headers = HTTPHeaders({"Content-Length": "0"})
        if given is not None:
            headers["Connection"] = given
        writer = MessageWriter()
        write_response(writer, [], version=version, keep_alive=keep_alive, headers=headers)
        found = headers.get("Connection")
        closes = "close" in (expected or "").lower()
        assert writer.keep_alive != closes
        assert ("close" in (found or "").lower()) == closes
        if not closes:
            assert found == expected

    def test_upgrade_is_not_undone(self) -> None:
        headers = HTTPHeaders({"Connection": "Upgrade", "Upgrade": "websocket"})
        wire = one_response(status=101, reason="", headers=headers, keep_alive=False)
        assert b"\r\nConnection: Upgrade\r\n" in wire


class TestDeclaredLengths:
    def test_too_much(self) -> None:
        writer = MessageWriter()
        writer.response_head(
            200, "OK", HTTPHeaders({"Content-Length": "3"}), "GET", "HTTP/1.1", True
        )
        assert writer.data(b"ab") == b"ab"
        with pytest.raises(HTTPOutputError):
            writer.data(b"cd")
        assert writer.data(b"c") == b"c"
        assert writer.left == 0
        with pytest.raises(HTTPOutputError):
            writer.data(b"d")
        assert writer.end() == b""

    @pytest.mark.parametrize("size", [0, 1, 4])
    def test_with_the_head(self, size: int) -> None:
        headers = HTTPHeaders({"Content-Length": "3"})
        if size > 3:
            with pytest.raises(HTTPOutputError):
                one_response(b"x" * size, headers=headers, with_head=True)
        else:
            rest = [b"x" * size, b"y" * (3 - size)]
            assert one_response(*rest, headers=headers, with_head=True).endswith(b"".join(rest))

    def test_too_little(self) -> None:
        writer = MessageWriter()
        writer.response_head(
            200, "OK", HTTPHeaders({"Content-Length": "3"}), "GET", "HTTP/1.1", True, b"ab"
        )
        assert writer.left == 1
        with pytest.raises(HTTPOutputError):
            writer.end()

    @pytest.mark.parametrize(
        "value", ["", "x", "-1", "+1", "1.0", "0x1", "1,1", "\xb2", "\xb9", "1_0", "1" * 19]
    )
    def test_malformed(self, value: str) -> None:
        headers = HTTPHeaders({"Content-Length": value})
        with pytest.raises(HTTPOutputError):
            one_response(headers=headers)
        with pytest.raises(HTTPOutputError):
            MessageWriter().request_head("GET", "/", headers)

    def test_several(self) -> None:
        headers = headers_of([("Content-Length", "1"), ("Content-Length", "1")])
        with pytest.raises(HTTPOutputError):
            one_response(b"x", headers=headers)
        with pytest.raises(HTTPOutputError):
            MessageWriter().request_head("POST", "/", headers)

    def test_with_a_coding(self) -> None:
        headers = HTTPHeaders({"Content-Length": "1", "Transfer-Encoding": "chunked"})
        with pytest.raises(HTTPOutputError):
            one_response(b"x", headers=headers)
        with pytest.raises(HTTPOutputError):
            MessageWriter().request_head("POST", "/", headers)

    def test_length_that_no_reader_takes(self) -> None:
        # What goes out is always what a strict reader takes.
        for digits in (15, 16, 18):
            headers = HTTPHeaders({"Content-Length": "1" * digits})
            try:
                wire = one_response(method="HEAD", headers=headers)
            except HTTPOutputError:
                continue
            assert read(ResponseReader(ReaderLimits(), "HEAD"), [wire]).error is None


class TestOneMessage:
    def test_nothing_behind_its_end(self) -> None:
        for version in ("HTTP/1.1", "HTTP/1.0"):
            writer = MessageWriter()
            write_response(writer, [b"a"], version=version)
            with pytest.raises(HTTPOutputError):
                writer.data(b"b")
            assert writer.end() == b""

    def test_nothing_before_its_head(self) -> None:
        with pytest.raises(HTTPOutputError):
            MessageWriter().data(b"a")
        assert MessageWriter().end() == b""

    def test_each_is_counted_anew(self) -> None:
        writer = MessageWriter()
        for size in (3, 0, 5):
            headers = HTTPHeaders({"Content-Length": str(size)})
            wire = write_response(writer, [b"x" * size], headers=headers)
            assert wire.endswith(b"\r\n\r\n" + b"x" * size)
        assert write_response(writer, [b"a"]).endswith(b"1\r\na\r\n0\r\n\r\n")
        assert write_response(writer, [], status=204) == b"HTTP/1.1 204 OK\r\n\r\n"


class TestWhatIsRefused:
    @pytest.mark.parametrize("control", CONTROLS)
    def test_control_characters(self, control: str) -> None:
        writer = MessageWriter()
        for text in (f"a{control}b", control, f"a{control}", f"{control}a"):
            for _ in range(2):
                with pytest.raises(ValueError):
                    writer.response_head(200, text, HTTPHeaders(), "GET", "HTTP/1.1", True)
                with pytest.raises(ValueError):
                    writer.request_head(text, "/", HTTPHeaders())
                with pytest.raises(ValueError):
                    writer.request_head("GET", "/" + text, HTTPHeaders())

    @pytest.mark.parametrize("method", ["", "G T", "G\tT", "G:T", "G/T", "\xe9", "G(", "\u212a"])
    def test_methods(self, method: str) -> None:
        with pytest.raises(ValueError):
            MessageWriter().request_head(method, "/", HTTPHeaders())

    @pytest.mark.parametrize("target", ["", " ", "/a b", "/a\tb", "/\u0100", "/\u2028"])
    def test_targets(self, target: str) -> None:
        with pytest.raises(ValueError):
            MessageWriter().request_head("GET", target, HTTPHeaders())

    @pytest.mark.parametrize("reason", ["\u0100", "\u2028", "a\u0660"])
    def test_reasons(self, reason: str) -> None:
        with pytest.raises(ValueError):
            one_response(reason=reason)

    @pytest.mark.parametrize("status", ["200", "200 OK\r\nX: 1", None, 200.5])
    def test_statuses_that_are_no_numbers(self, status: Any) -> None:
        with pytest.raises((ValueError, TypeError)):
            one_response(status=status)

    @pytest.mark.parametrize("status", [-1, 0, 5, 99, 1000, 20000, True])
    def test_statuses_that_have_not_three_digits(self, status: int) -> None:
        with pytest.raises(ValueError):
            one_response(status=status)

    @given(
        st.text(max_size=8),
        st.text(max_size=8),
        st.text(max_size=8),
        st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=2),
    )
    def test_nothing_but_clean_lines_goes_out(
        self, method: str, target: str, reason: str, pairs: list[tuple[str, str]]
    ) -> None:
        headers = HTTPHeaders()
        for name, value in pairs:
            try:
                headers.add(name, value)
            except HTTPInputError:
                pass
        heads: list[bytes] = []
        try:
            heads.append(MessageWriter().request_head(method, target, headers))
        except (ValueError, HTTPOutputError):
            pass
        try:
            heads.append(one_response(status=204, reason=reason, headers=headers))
        except (ValueError, HTTPOutputError):
            pass
        lines = 2 + len(list(headers.get_all()))
        for wire in heads:
            assert wire.endswith(b"\r\n\r\n")
            assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", wire)
            assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n") == lines

    def test_table_of_status_lines_is_bounded(self) -> None:
        for i in range(3 * writer_module._STATUS_LINES_KEPT):
            assert one_response(status=204, reason=f"R{i}") == b"HTTP/1.1 204 R%d\r\n\r\n" % i
        assert len(writer_module._status_lines) <= writer_module._STATUS_LINES_KEPT

    def test_statuses_of_an_enumeration(self) -> None:
        assert one_response(status=http.HTTPStatus.NO_CONTENT) == b"HTTP/1.1 204 OK\r\n\r\n"


class TestRequests:
    def test_without_a_body(self) -> None:
        writer = MessageWriter()
        wire = writer.request_head("GET", "/a?b", HTTPHeaders({"Host": "a"}))
        assert wire == b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
        with pytest.raises(HTTPOutputError):
            writer.data(b"x")
        assert writer.end() == b""

    def test_by_length(self) -> None:
        writer = MessageWriter()
        writer.request_head("PUT", "/", HTTPHeaders({"Host": "a", "Content-Length": "3"}))
        assert writer.data(b"ab") == b"ab"
        with pytest.raises(HTTPOutputError):
            writer.end()
        assert writer.data(b"c") == b"c"
        assert writer.end() == b""

    @pytest.mark.parametrize("coding", ["chunked", "Chunked"])
    def test_in_chunks(self, coding: str) -> None:
        writer = MessageWriter()
        writer.request_head("PUT", "/", HTTPHeaders({"Host": "a", "Transfer-Encoding": coding}))
        assert writer.data(b"ab") + writer.data(b"") + writer.end() == b"2\r\nab\r\n0\r\n\r\n"


class TestRoundTrips:
    @settings(deadline=None)
    @given(st.data())
    def test_responses(self, data: st.DataObject) -> None:
        writer = MessageWriter()
        wire = b""
        expected: list[tuple[int, str, bytes, list[tuple[str, str]]]] = []
        method = data.draw(st.sampled_from(["GET", "HEAD", "POST"]))
        version = data.draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]))
        for _ in range(data.draw(st.integers(1, 4))):
            status = data.draw(st.integers(100, 599) | st.sampled_from([200, 204, 304, 100]))
            reason = data.draw(st.text(LATIN, max_size=10))
            pairs = data.draw(FIELDS)
            pieces = data.draw(PIECES)
            if status < 200 or status in (204, 304) or method == "HEAD":
                pieces = []
            headers = headers_of(pairs)
            # The order in which they go out: a repeated name stands together.
            sent = list(headers.get_all())
            if data.draw(st.booleans()):
                headers["Content-Length"] = str(len(b"".join(pieces)))
            wire += write_response(
                writer,
                pieces,
                status=status,
                reason=reason,
                headers=headers,
                method=method,
                version=version,
                keep_alive=data.draw(st.booleans()),
                with_head=data.draw(st.booleans()),
            )
            if version == "HTTP/1.1" or status >= 200 or status == 101:
                expected.append((status, reason, b"".join(pieces), sent))
            if not writer.keep_alive:
                break
        found = read(ResponseReader(ReaderLimits(), method), [wire], eof=True)
        assert found.error is None
        assert found.bodies == [body for _, _, body, _ in expected if body]
        assert [
            (*one.start_line, [pair for pair in one.fields if pair[0].lower() not in FRAMING])
            for one in found.heads
        ] == [("HTTP/1.1", status, reason, pairs) for status, reason, _, pairs in expected]
        # A response before the final one, and one to HTTP/1.0, need not say that it is the last.
        if version == "HTTP/1.1" and expected[-1][0] >= 200:
            kept = [one.framing.keep_alive for one in found.heads]
            assert kept == [True] * (len(kept) - 1) + [writer.keep_alive]

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(TCHAR), FIELDS, PIECES, st.booleans()), max_size=4))
    def test_requests(
        self, requests: list[tuple[str, list[tuple[str, str]], list[bytes], bool]]
    ) -> None:
        writer = MessageWriter()
        wire = b""
        events: list[object] = []
        for method, pairs, pieces, chunked in requests:
            headers = headers_of([("Host", "a"), *pairs])
            body = b"".join(pieces)
            if chunked:
                headers["Transfer-Encoding"] = "chunked"
            elif body:
                headers["Content-Length"] = str(len(body))
            wire += writer.request_head(method, f"/{method}", headers)
            wire += b"".join(map(writer.data, pieces)) + writer.end()
            events.append((method, f"/{method}", "HTTP/1.1", *headers.get_all()))
            events += [body] * bool(body) + ["end"] * (chunked or bool(body))
        found = read(RequestReader(ReaderLimits()), [wire])
        assert found.error is None
        assert [
            (*event.start_line, *event.fields) if isinstance(event, Head) else event
            for event in found.events
        ] == events

    @given(st.text(TCHAR, min_size=1, max_size=32), st.text(LATIN, max_size=20))
    def test_start_line_of_a_request(self, method: str, target: str) -> None:
        assume(method.upper() != "CONNECT")
        target = "/" + re.sub("[\t ]", "", target)
        wire = MessageWriter().request_head(method, target, HTTPHeaders({"Host": "a"}))
        [one] = read(RequestReader(ReaderLimits()), [wire]).heads
        assert one.start_line == (method, target, "HTTP/1.1")


@given(st.binary(max_size=300))
def test_chunks(data: bytes) -> None:
    wire = encode_chunk(data)
    if not data:
        assert wire == b""
        return
    size, _, rest = wire.partition(b"\r\n")
    assert int(size, 16) == len(data)
    assert rest == data + b"\r\n"


@pytest.mark.parametrize("status", [400, 413, 431, 501, 505, 599])
def test_error_responses_are_whole(status: int) -> None:
    wire = error_response(status, "Thu, 01 Jan 1970 00:00:00 GMT")
    reading = read(ResponseReader(ReaderLimits()), [wire])
    [one] = reading.heads
    assert one.start_line == ("HTTP/1.1", status, responses.get(status, "Unknown"))
    assert one.framing == (0, False, False)
    assert reading.rest == b""
