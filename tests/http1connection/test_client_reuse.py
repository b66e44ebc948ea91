"""A client's connection that is used again and again."""

from __future__ import annotations

import pytest
from tests.http1connection.support import Taker, connected, response, run, turns, until
from tests.server.logs import Log

from tornadic.http1connection import HTTP1ClientConnection, HTTP1ConnectionParameters
from tornadic.httputil import HTTPHeaders, RequestStartLine

PARAMS = HTTP1ConnectionParameters()
OK = response("Content-Length: 2", body=b"ok")


def ask(conn: HTTP1ClientConnection, method: str = "GET") -> tuple[Taker, list[bool]]:
    """Send a request; who takes the response, and what is told at its end."""
    taker, told = Taker(), list[bool]()
    headers = HTTPHeaders({"Host": "example.com"})
    conn.write_headers(RequestStartLine(method, "/", ""), headers)
    conn.take_response(taker, told.append)
    conn.finish()
    return taker, told


def test_many_requests() -> None:
    async def main() -> None:
        async with connected() as (stream, peer):
            conn = HTTP1ClientConnection(stream, PARAMS)
            for _ in range(3):
                taker, told = ask(conn)
                peer.send(OK)
                await until(lambda told=told: told)  # type: ignore[misc]
                assert told == [True] and taker.body == b"ok" and taker.ends == ["finish"]
                assert not stream.closed()

    run(main)


def test_the_next_request_within_the_end_of_the_last() -> None:
    async def main() -> None:
        async with connected() as (stream, peer):
            conn = HTTP1ClientConnection(stream, PARAMS)
            takers: list[Taker] = []

            def begin(usable: bool = True) -> None:
                assert usable
                if len(takers) < 5:
                    takers.append(Taker())
                    headers = HTTPHeaders({"Host": "example.com"})
                    conn.write_headers(RequestStartLine("GET", "/", ""), headers)
                    conn.take_response(takers[-1], begin)
                    conn.finish()
                    peer.send(OK)

            begin()
            await until(lambda: len(takers) == 5 and takers[-1].ends)
            assert [taker.body for taker in takers] == [b"ok"] * 5

    run(main)


@pytest.mark.parametrize("asked", [0, 1])
def test_what_nobody_asked_for_closes_it(asked: int) -> None:
    async def main() -> None:
        async with connected() as (stream, peer):
            conn = HTTP1ClientConnection(stream, PARAMS)
            for _ in range(asked):
                _, told = ask(conn)
                peer.send(OK)
                await until(lambda told=told: told)  # type: ignore[misc]
            await turns()
            assert not stream.closed()
            peer.send(b"H")
            await until(stream.closed)
            assert conn.error is None

    run(main)


def test_more_behind_the_response_closes_it() -> None:
    async def main() -> None:
        async with connected() as (stream, peer):
            taker, told = ask(HTTP1ClientConnection(stream, PARAMS))
            peer.send(OK + b"H")
            await until(lambda: told)
            assert told == [False] and taker.body == b"ok" and stream.closed()

    run(main)


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (response("Connection: close", "Content-Length: 2", body=b"ok"), ["finish"]),
        (response(body=b"ok"), ["finish"]),
        (response("Content-Length: 3", body=b"ok"), ["closed"]),
        (b"HTTP/1.1 200", ["closed"]),
        (b"", ["closed"]),
    ],
)
def test_the_last_response(data: bytes, ends: list[str]) -> None:
    async def main() -> None:
        async with connected() as (stream, peer):
            conn = HTTP1ClientConnection(stream, PARAMS)
            taker, told = ask(conn)
            peer.send(data, end=True)
            await until(lambda: told)
            await turns()
            assert told == [False] and taker.ends == ends and stream.closed()
            assert conn.error is None
            assert conn.has_received is (data == b"HTTP/1.1 200")

    run(main)


def test_a_malformed_response(log: Log) -> None:
    async def main() -> None:
        async with connected() as (stream, peer):
            conn = HTTP1ClientConnection(stream, PARAMS)
            taker, told = ask(conn)
            peer.send(b"garbage\r\n\r\n")
            await until(lambda: told)
            assert told == [False] and taker.ends == ["closed"] and stream.closed()
            assert conn.error is not None

    run(main)
    log.one("Malformed HTTP message")


def test_on_a_stream_that_has_closed() -> None:
    async def main() -> None:
        async with connected() as (stream, _):
            conn = HTTP1ClientConnection(stream, PARAMS)
            stream.close()
            taker, told = ask(conn)
            await until(lambda: told)
            await turns()
            assert told == [False] and taker.ends == ["closed"]

    run(main)
