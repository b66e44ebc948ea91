"""A client's connection writes requests: framed as they are announced, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.http1connection.support import (
    Taker,
    client,
    request,
    response,
    run,
    turns,
)

from tornadic.http1connection import HTTP1Connection
from tornadic.httputil import HTTPHeaders, HTTPOutputError, RequestStartLine
from tornadic.iostream import StreamClosedError

Steps = Callable[[HTTP1Connection], None]


def written(steps: Steps) -> tuple[bytes, bool]:
    """What goes out by ``steps``, and whether the stream was open after them."""
    found: list[tuple[bytes, bool]] = []

    async def main() -> None:
        async with client() as (conn, peer):
            steps(conn)
            is_open = not conn.stream.closed()
            conn.stream.close()
            found.append((await peer.reader.read(), is_open))

    run(main)
    return found[0]


def sequence(
    method: str, chunks: list[bytes], at_once: bool, *fields: str
) -> Callable[[HTTP1Connection], None]:
    """Write a head, each chunk, the first with the head if ``at_once``, and finish."""

    def steps(conn: HTTP1Connection) -> None:
        rest = list(chunks)
        request(conn, method, rest.pop(0) if at_once else None, *fields)
        for chunk in rest:
            conn.write(chunk)
        conn.finish()

    return steps


def head(method: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} / HTTP/1.1", "Host: example.com", *fields, "", ""]).encode()


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"])
def test_a_request_without_a_body(method: str) -> None:
    assert written(sequence(method, [], False)) == (head(method), True)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "chunks", [[b"abc"], [b"a", b"bc"], [b"", b"abc", b""], [b"a", b"b", b"c"]]
)
def test_a_body_by_length(method: str, chunks: list[bytes], at_once: bool) -> None:
    steps = sequence(method, chunks, at_once, "Content-Length: 3")
    assert written(steps) == (head(method, "Content-Length: 3") + b"abc", True)


def test_a_body_of_length_0() -> None:
    steps = sequence("POST", [], False, "Content-Length: 0")
    assert written(steps) == (head("POST", "Content-Length: 0"), True)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("fields", [[], ["Transfer-Encoding: chunked"]])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_body_in_chunks(method: str, fields: list[str], at_once: bool) -> None:
    # The methods that have a body as a rule need not say how it is framed.
    chunks = b"3\r\nabc\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"
    steps = sequence(method, [b"abc", b"", b"x" * 16], at_once, *fields)
    assert written(steps) == (head(method, "Transfer-Encoding: chunked") + chunks, True)
    steps = sequence(method, [], False, *fields)
    assert written(steps) == (head(method, "Transfer-Encoding: chunked") + b"0\r\n\r\n", True)


def test_the_version_of_the_start_line_is_ignored() -> None:
    def steps(conn: HTTP1Connection) -> None:
        conn.write_headers(
            RequestStartLine("GET", "/", "HTTP/1.0"), HTTPHeaders({"Host": "example.com"})
        )
        conn.finish()

    assert written(steps) == (head("GET"), True)


# What does not fit what was announced


def test_more_than_the_length_is_not_sent() -> None:
    def steps(conn: HTTP1Connection) -> None:
        request(conn, "POST", b"a", "Content-Length: 3")
        with pytest.raises(HTTPOutputError):
            conn.write(b"bcd")

    assert written(steps) == (head("POST", "Content-Length: 3") + b"a", False)


def test_less_than_the_length_closes() -> None:
    def steps(conn: HTTP1Connection) -> None:
        request(conn, "POST", b"ab", "Content-Length: 3")
        with pytest.raises(HTTPOutputError):
            conn.finish()

    assert written(steps) == (head("POST", "Content-Length: 3") + b"ab", False)


@pytest.mark.parametrize("fields", [["Content-Length: 3"], ["Content-Length: 0"]])
def test_a_head_with_more_than_the_length_is_not_sent(fields: list[str]) -> None:
    def steps(conn: HTTP1Connection) -> None:
        with pytest.raises(HTTPOutputError):
            request(conn, "POST", b"abcd", *fields)

    assert written(steps)[0] == b""


@pytest.mark.parametrize("chunk", [b"abc", b"a"])
def test_without_a_head_there_is_no_body(chunk: bytes) -> None:
    # What would go out could be read as another message.
    def steps(conn: HTTP1Connection) -> None:
        with pytest.raises(HTTPOutputError):
            request(conn, "POST", b"abcd", "Content-Length: 3")
        with pytest.raises((HTTPOutputError, RuntimeError)):
            conn.write(chunk)

    assert written(steps)[0] == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_body_that_nothing_announces_is_not_sent(method: str) -> None:
    def steps(conn: HTTP1Connection) -> None:
        request(conn, method)
        with pytest.raises(HTTPOutputError):
            conn.write(b"GET /smuggled HTTP/1.1\r\n\r\n")

    assert written(steps)[0] == head(method)


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Content-Length: -3"],
        ["Content-Length: +3"],
        ["Content-Length: 3, 3"],
        ["Content-Length: 0x3"],
        ["Content-Length: \u00b3"],
        ["Content-Length: "],
        ["Content-Length: 3333333333333333333333333333333333333333"],
    ],
)
def test_a_framing_that_can_be_read_in_two_ways_is_not_sent(fields: list[str]) -> None:
    def steps(conn: HTTP1Connection) -> None:
        with pytest.raises(HTTPOutputError):
            request(conn, "POST", None, *fields)

    assert written(steps)[0] == b""


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GE T", "/"),
        ("", "/"),
        ("GET\r\nX: y", "/"),
        ("G\u00c9T", "/"),
        ("GET", "/ HTTP/1.1\r\nX: y\r\n"),
        ("GET", "/\r\n"),
        ("GET", "/\n"),
        ("GET", "/a b"),
        ("GET", "/\0"),
        ("GET", "/\x7f"),
        ("GET", ""),
    ],
)
def test_what_would_break_the_request_line_is_a_valueerror(method: str, target: str) -> None:
    def steps(conn: HTTP1Connection) -> None:
        with pytest.raises(ValueError):
            conn.write_headers(RequestStartLine(method, target, ""), HTTPHeaders({"Host": "x"}))
        # Nothing was sent, so that it can be done right.
        request(conn)
        conn.finish()

    assert written(steps) == (head("GET"), True)


# The end of a request


def test_nothing_is_written_behind_the_end() -> None:
    def steps(conn: HTTP1Connection) -> None:
        request(conn, "POST", b"abc", "Content-Length: 3")
        conn.finish()
        with pytest.raises(HTTPOutputError):
            conn.write(b"x")

    assert written(steps)[0] == head("POST", "Content-Length: 3") + b"abc"


def test_nothing_is_written_behind_the_last_chunk() -> None:
    def steps(conn: HTTP1Connection) -> None:
        request(conn, "POST", b"abc", "Transfer-Encoding: chunked")
        conn.finish()
        with pytest.raises((HTTPOutputError, RuntimeError)):
            conn.write(b"x")

    sent, _ = written(steps)
    assert sent.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


def test_a_request_ends_once() -> None:
    def steps(conn: HTTP1Connection) -> None:
        with pytest.raises(RuntimeError):
            conn.finish()
        request(conn)
        conn.finish()
        with pytest.raises(RuntimeError):
            conn.finish()

    assert written(steps) == (head("GET"), True)


def test_requests_in_a_row() -> None:
    def steps(conn: HTTP1Connection) -> None:
        sequence("POST", [b"abc"], False, "Content-Length: 3")(conn)
        sequence("GET", [], False)(conn)
        sequence("PUT", [b"x"], False, "Transfer-Encoding: chunked")(conn)
        sequence("GET", [], False)(conn)

    sent, is_open = written(steps)
    assert is_open
    assert sent == (
        head("POST", "Content-Length: 3")
        + b"abc"
        + head("GET")
        + head("PUT", "Transfer-Encoding: chunked")
        + b"1\r\nx\r\n0\r\n\r\n"
        + head("GET")
    )


# Futures


def test_a_write_is_done_when_the_kernel_has_taken_it() -> None:
    size = 1 << 23

    async def main() -> None:
        async with client() as (conn, peer):
            await request(conn, "PUT", None, f"Content-Length: {size}")
            future = conn.write(bytes(size))
            await turns(50)
            assert not future.done(), "nobody has read it yet"
            conn.finish()
            await peer.reads(head("PUT", f"Content-Length: {size}"))
            await peer.reads(bytes(size))
            await future

    run(main)


def test_a_request_may_go_on_while_its_response_comes() -> None:
    async def main() -> None:
        async with client() as (conn, peer):
            await request(conn, "POST", b"a", "Content-Length: 3")
            future = conn.read_response(taker := Taker())
            peer.send(response(status="100 Continue"))
            while not taker.start_lines:
                await asyncio.sleep(0)
            await conn.write(b"bc")
            conn.finish()
            await peer.reads(head("POST", "Content-Length: 3") + b"abc")
            peer.send(response("Content-Length: 2", body=b"ok"))
            assert await future is True
            assert (taker.codes, taker.body) == ([100, 200], b"ok")

    run(main)


@pytest.mark.parametrize("early", [True, False])
def test_on_a_closed_stream_writes_fail_by_their_futures(early: bool) -> None:
    async def main() -> None:
        async with client() as (conn, _):
            if early:
                conn.stream.close()
            future = request(conn, "POST", None, "Content-Length: 6")
            conn.stream.close()
            if early:
                with pytest.raises(StreamClosedError):
                    await future
            with pytest.raises(StreamClosedError):
                await conn.write(b"abc")
            # Who is told by a future need not be told again.
            conn.finish()

    run(main)


def test_writes_that_wait_fail_when_the_connection_closes() -> None:
    async def main() -> None:
        async with client() as (conn, peer):
            await request(conn, "PUT", None, f"Content-Length: {1 << 24}")
            future = conn.write(bytes(1 << 24))
            await turns()
            peer.writer.transport.abort()
            with pytest.raises(StreamClosedError):
                await future

    run(main)
