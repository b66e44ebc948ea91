"""A server of plain asyncio that says exactly what a test wants it to say, and clients for it.

Client and server share a loop.  `run` sees to it that no socket and no error is left over.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests import running

from tornadic.simple_httpclient import SimpleAsyncHTTPClient

PATIENCE = 10.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
"""Seconds after which a test gives up on something that should have happened."""

SHORT = 0.05
"""A time-out that has to pass."""


def sockets() -> list[str]:
    """The sockets that this process has open."""
    found = []
    for name in os.listdir("/dev/fd"):
        try:
            found.append(f"{name} {os.readlink(f'/dev/fd/{name}')}")
        except OSError:
            pass  # the one that lists them
    return sorted([one for one in found if "socket" in one])


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run ``main``; an error that nobody caught, and a socket left open, is a failure."""

    async def and_a_little_more() -> None:
        await main()
        await turns()
        gc.collect()

    before = sockets()
    running.run(and_a_little_more)
    assert sockets() == before


async def turns(number: int = 20) -> None:
    """Let the loop turn a few times."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition()`` holds."""
    while not condition():
        await asyncio.sleep(0.001)


def response(*fields: str, body: bytes = b"", status: str = "200 OK") -> bytes:
    """The bytes of a response, with its length."""
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def raw(start: str, *fields: str, body: bytes = b"") -> bytes:
    """The bytes of a response, with nothing added."""
    return "\r\n".join([start, *fields, "", ""]).encode("latin-1") + body


OK = response(body=b"ok")


def redirect(location: str, status: str = "302 Found") -> bytes:
    """The bytes of a redirect."""
    return response(f"Location: {location}", status=status)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came; the names of ``headers`` are in lower case."""

    method: str
    target: str
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the one header of that name, or None."""
        values = self.headers.get(name, [])
        assert len(values) <= 1
        return values[0] if values else None


class Conn:
    """A connection, seen from the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.server = server

    async def head(self) -> tuple[str, str, dict[str, list[str]]]:
        """Read the head of a request: method, target and headers."""
        data = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = data.decode("latin-1").split("\r\n")[:-2]
        method, target, version = first.split(" ")
        assert version == "HTTP/1.1"
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            value = value.removeprefix(" ")
            assert colon and value == value.strip()
            headers.setdefault(name.lower(), []).append(value)
        assert len(headers["host"]) == 1
        return method, target, headers

    async def request(self) -> Request:
        """Read a whole request, which the server then has among its ``requests``."""
        method, target, headers = await self.head()
        request = Request(method, target, headers, await self.body(headers))
        self.server.requests.append(request)
        return request

    async def body(self, headers: dict[str, list[str]]) -> bytes:
        """Read the body that ``headers`` announce."""
        if "transfer-encoding" in headers:
            assert headers["transfer-encoding"] == ["chunked"] and "content-length" not in headers
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            assert await self.reader.readexactly(2) == b"\r\n"
            return body
        [length] = headers.get("content-length", ["0"])
        return await self.reader.readexactly(int(length))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Hang up with a reset instead of the usual good-bye."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def ended(self) -> bytes:
        """What else comes until the client has closed."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


Handler = Callable[[Conn], Awaitable[None]]


class Server:
    """A server whose connections ``handler`` takes.  ``requests`` have been read by `Conn`."""

    def __init__(self, handler: Handler, scheme: str) -> None:
        self._handler = handler
        self._scheme = scheme
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        self.connections = 0
        self.closed = 0
        self.port = 0

    def url(self, path: str = "/", host: str = "127.0.0.1", user: str = "") -> str:
        return f"{self._scheme}://{user}{host}:{self.port}{path}"

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a new connection, in a task of ours."""
        self.connections += 1
        task = asyncio.create_task(self._serve(Conn(reader, writer, self)))
        self._tasks.add(task)

    async def _serve(self, conn: Conn) -> None:
        try:
            await self._handler(conn)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            conn.close()
            try:
                await conn.writer.wait_closed()
            except (ConnectionError, ssl.SSLError):
                pass
            self.closed += 1

    async def stop(self) -> None:
        """End what still runs; raises what has gone wrong in a handler."""
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


@asynccontextmanager
async def serving(
    handler: Handler | list[bytes] | bytes,
    context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[Server]:
    """A server whose connections ``handler`` takes.

    Or else it sends that one answer to every request, or of a list the next one each time and the
    last one again and again, and keeps connections as long as the client does.
    """
    taker = handler if callable(handler) else answering(handler)
    server = Server(taker, "http" if context is None else "https")
    listener = await asyncio.start_server(server.take, host, 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()


def answering(answers: list[bytes] | bytes) -> Handler:
    """A handler that sends ``answers``; see `serving`."""
    left = [answers] if isinstance(answers, bytes) else list(answers)

    async def handle(conn: Conn) -> None:
        while True:
            await conn.request()
            conn.send(left.pop(0) if len(left) > 1 else left[0])

    return handle


@asynccontextmanager
async def client(**arguments: Any) -> AsyncIterator[SimpleAsyncHTTPClient]:
    """A client of our own, whose places must all be free at the end."""
    made = SimpleAsyncHTTPClient(force_instance=True, **arguments)
    assert isinstance(made, SimpleAsyncHTTPClient)
    try:
        yield made
        assert not made.active and not made.queue
    finally:
        made.close()
        await turns()


async def fails(future: Awaitable[Any]) -> BaseException:
    """The exception of ``future``, which must have one."""
    try:
        result = await future
    except Exception as e:
        return e
    raise AssertionError(f"no exception but {result!r}")
