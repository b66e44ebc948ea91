"""Servers whose program is a function of one request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.running import run
from tests.server.logs import Log
from tests.server.peer import chunked, get, post, request

from tornadic.httpserver import HTTPServer
from tornadic.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornadic.netutil import bind_sockets
from tornadic.routing import PathMatches, Rule, RuleRouter

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def answer(request: HTTPServerRequest) -> None:
    """Answer with what came."""
    body = f"{request.method} {request.uri} {request.version} ".encode() + request.body
    headers = HTTPHeaders({"Content-Length": str(len(body)), "X-Ip": request.remote_ip})
    assert request.connection is not None
    request.connection.write_headers(ResponseStartLine("", 200, "OK"), headers)
    request.connection.write(body)
    request.connection.finish()


@asynccontextmanager
async def served(callback: object, **options: object) -> AsyncIterator[Client]:
    """A client of a server with ``callback``."""
    server = HTTPServer(callback, **options)
    [sock] = bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.stop()
        await server.close_all_connections()


async def reads(client: Client, body: bytes, ip: str = "127.0.0.1") -> None:
    expected = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Ip: %b\r\nDate: %b\r\n\r\n%b"
    data = expected % (len(body), ip.encode(), DATE, body)
    assert same_but_for_dates(await client[0].readexactly(len(data)), data)


DATE = b"Thu, 01 Jan 1970 00:00:00 GMT"


def same_but_for_dates(data: bytes, other: bytes) -> bool:
    pattern = rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"
    return re.sub(pattern, DATE, data) == re.sub(pattern, DATE, other)


CALLBACKS = {
    "of a server": answer,
    "of a rule": RuleRouter([Rule(PathMatches("/.*"), answer)]),
}


@pytest.mark.parametrize("callback", CALLBACKS.values(), ids=CALLBACKS)
def test_it_gets_the_whole_request(callback: object, log: Log) -> None:
    async def main() -> None:
        async with served(callback) as client:
            _, writer = client
            writer.write(get("/1") + post("/2", b"abc"))
            await reads(client, b"GET /1 HTTP/1.1 ")
            await reads(client, b"POST /2 HTTP/1.1 abc")
            data = chunked("/3") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            for i in range(len(data)):
                writer.write(data[i : i + 1])
                await asyncio.sleep(0)
            await reads(client, b"POST /3 HTTP/1.1 abcde")

    run(main)


def test_it_learns_who_asks_behind_a_proxy(log: Log) -> None:
    async def main() -> None:
        async with served(answer, xheaders=True) as client:
            client[1].write(get("/", "X-Real-Ip: 192.0.2.7") + get("/"))
            await reads(client, b"GET / HTTP/1.1 ", "192.0.2.7")
            await reads(client, b"GET / HTTP/1.1 ")

    run(main)


def test_it_is_not_called_for_a_request_cut_short(log: Log) -> None:
    called: list[str] = []

    async def main() -> None:
        async with served(lambda request: called.append(request.uri)) as (reader, writer):
            writer.write(post("/", b"abc")[:-1])
            writer.write_eof()
            assert await reader.read() == b""

    run(main)
    assert called == []


def test_it_may_answer_later(log: Log) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with served(lambda request: loop.call_soon(answer, request)) as client:
            client[1].write(get("/1") + get("/2"))
            await reads(client, b"GET /1 HTTP/1.1 ")
            await reads(client, b"GET /2 HTTP/1.1 ")

    run(main)


def test_it_may_write_a_head_that_it_has_encoded(log: Log) -> None:
    """As programs did before there was ``write_headers``."""

    def encoded(request: HTTPServerRequest) -> None:
        assert request.connection is not None
        request.connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n")
        request.connection.write(b"Hello world")
        request.connection.finish()

    async def main() -> None:
        async with served(encoded) as (reader, writer):
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nDate: %b\r\n\r\n" % DATE
            expected = head + b"Hello world"
            for data in (get("/"), post("/", b"abc"), get("/")):
                writer.write(data)
                assert same_but_for_dates(await reader.readexactly(len(expected)), expected)
            # It ends where its head says, for this too.
            writer.write(request("HEAD", "/") + get("/"))
            assert same_but_for_dates(await reader.read(), head)

    run(main)
    [record] = log.take()
    assert record.exc_info is not None
    assert "more data than Content-Length" in str(record.exc_info[1])


def test_one_that_raises_closes_its_connection_only(log: Log) -> None:
    def raising(request: HTTPServerRequest) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        async with served(raising) as (reader, writer):
            writer.write(get("/1") + get("/2"))
            assert await reader.read() == b""

    run(main)
    [record] = log.take()
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


def test_who_is_found_by_no_rule_is_told_so_in_full(log: Log) -> None:
    async def main() -> None:
        async with served(RuleRouter([Rule(PathMatches("/1"), answer)])) as (reader, writer):
            for _ in range(2):
                writer.write(get("/2"))
                head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
                assert head[0] == b"HTTP/1.1 404 Not Found"
                names = [line.partition(b":")[0] for line in head[1:-2]]
                assert names == [b"Content-Length", b"Date"]

    run(main)
    assert [record.levelname for record in log.take()] == ["DEBUG", "DEBUG"]
