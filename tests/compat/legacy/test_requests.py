"""Requests that are answered by their own ``write`` and ``finish``; `httpserver.HTTPConnection`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.web.support import Client, LogBook, Response, application, logged, run, serving, until

from tornadic import httpserver
from tornadic.httpserver import HTTPRequest, HTTPServer
from tornadic.httputil import HTTPServerRequest
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream
from tornadic.web import RequestHandler

# What warns is seen to in `test_each_warns`, and in the programs.
pytestmark = pytest.mark.filterwarnings("ignore:.*was removed from Tornado:DeprecationWarning")


@pytest.fixture(autouse=True)
def log() -> Iterator[LogBook]:
    with logged() as book:
        yield book


def ask(callback: Callable[[Any], Any], times: int = 1, **options: Any) -> list[Response]:
    """What a server with ``callback`` answers to requests on one connection."""

    async def main() -> list[Response]:
        async with serving(callback, **options) as server:
            client = await server.connect()
            return [await client.request() for _ in range(times)]

    return run(main)


def hello(request: Any) -> None:
    message = f"You requested {request.uri}\n"
    request.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(message)}\r\n\r\n{message}")
    request.finish()


def test_the_hello_of_the_documentation() -> None:
    for response in ask(hello, times=2):
        assert (response.status, response.body) == (200, b"You requested /\n")


def test_bytes_in_pieces() -> None:
    def answer(request: Any) -> None:
        for piece in (b"HTTP/1.1 20", b"1 Made\r\nX: y\r\nContent-", b"Length: 4\r\n\r\nab", b"cd"):
            request.write(piece)
        request.finish()

    for response in ask(answer, times=2):
        assert (response.status, response.reason, response.body) == (201, "Made", b"abcd")
        assert response["X"] == "y"


def test_later_and_with_callbacks() -> None:
    def answer(request: Any) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
        IOLoop.current().add_callback(request.write, head, lambda: request.write(b"a", rest))

        def rest() -> None:
            request.write(b"b")
            request.finish()

    assert [r.body for r in ask(answer, times=2)] == [b"ab", b"ab"]


def test_without_a_length() -> None:
    def answer(request: Any) -> None:
        request.write("HTTP/1.1 200 OK\r\n\r\n")
        request.write("some")
        request.finish()

    assert [r.body for r in ask(answer, times=2)] == [b"some", b"some"]


def test_what_it_knows() -> None:
    seen: list[Any] = []

    def answer(request: Any) -> None:
        seen.append(request.supports_http_1_1())
        seen.append(request.get_ssl_certificate())
        seen.append(request.request_time() >= 0)
        seen.append(isinstance(request.connection.stream, IOStream))
        hello(request)
        seen.append(request.request_time() == request.request_time())

    ask(answer)
    assert seen == [True, None, True, True, True]
    assert HTTPRequest is HTTPServerRequest


def test_no_head(log: LogBook) -> None:
    def answer(request: Any) -> None:
        request.write("no head")
        request.finish()

    async def main() -> bytes:
        async with serving(answer) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return await client.rest()

    assert run(main) == b""
    assert "before the head was whole" in log.format(log.take("Uncaught exception"))


def test_a_head_that_is_none(log: LogBook) -> None:
    async def main() -> bytes:
        async with serving(lambda request: request.write("what is this?\r\n\r\n")) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return await client.rest()

    assert run(main) == b""
    log.take("Uncaught exception")


def test_positional_options() -> None:
    # request_callback, no_keep_alive, io_loop, xheaders
    async def main() -> tuple[bool, bool, bool]:
        server: Any = HTTPServer(hello, True, IOLoop.current(), True)
        return server.conn_params.no_keep_alive, server.io_loop is IOLoop.current(), server.xheaders

    assert run(main) == (True, True, True)


def test_no_keep_alive() -> None:
    async def main() -> bytes:
        async with serving(hello, no_keep_alive=True) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
            return await client.rest()

    assert run(main).count(b"You requested") == 1


def test_a_connection_by_hand() -> None:
    class Hello(RequestHandler):
        def get(self) -> None:
            self.write(self.request.remote_ip)

    old_connection: Any = getattr(httpserver, "HTTPConnection")  # noqa: B009

    async def main() -> list[bytes]:
        ours, theirs = socket.socketpair()
        connection = old_connection(
            IOStream(theirs), ("127.0.0.9", 1), application(Hello), False, True
        )
        client = Client(*await asyncio.open_connection(sock=ours))
        bodies = [
            (await client.request()).body,
            (await client.request(headers={"X-Real-Ip": "1.2.3.4"})).body,
        ]
        connection.close()
        assert await client.rest() == b""
        client.close()
        return bodies

    assert run(main)[1] == b"1.2.3.4"


def test_an_application_is_called() -> None:
    class Hello(RequestHandler):
        def get(self) -> None:
            self.write("by __call__")

    class Later(RequestHandler):
        async def get(self) -> None:
            await asyncio.sleep(0)
            self.write("by __call__, later")

    for handler, body in ((Hello, b"by __call__"), (Later, b"by __call__, later")):
        app: Any = application(handler)
        answers = ask(app.__call__, 2)
        assert [response.body for response in answers] == [body, body]


@pytest.mark.filterwarnings("default:.*was removed from Tornado:DeprecationWarning")
def test_each_warns() -> None:
    def answer(request: Any) -> None:
        request.supports_http_1_1()
        hello(request)

    with pytest.warns(DeprecationWarning) as seen:
        ask(answer)
    named = [str(warning.message).partition(" was removed")[0] for warning in seen]
    assert named == [
        "HTTPServerRequest.supports_http_1_1",
        "HTTPServerRequest.write",
        "HTTPServerRequest.finish",
    ]
    assert {warning.filename for warning in seen} == {__file__}


def test_the_client_goes() -> None:
    seen: list[Any] = []

    def answer(request: Any) -> None:
        request.connection.set_close_callback(lambda: seen.append("closed"))
        seen.append("request")

    async def main() -> None:
        async with serving(answer) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: seen)
            client.abort()
            await until(lambda: len(seen) == 2)

    run(main)
    assert seen == ["request", "closed"]
