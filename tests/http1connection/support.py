"""Delegates that keep a record, and the other end of a connection.

The other end is plain asyncio, so that what the streams under test do is seen by somebody else.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.running import run as run
from tests.server.logs import Log

from tornadic.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
)
from tornadic.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornadic.iostream import IOStream

PATIENCE = 5.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
"""Seconds after which a test gives up on something that should have happened."""

SHORT = 0.05
"""A time-out that has to pass."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
"""What `Taker.answer` writes."""
OK_AND_CLOSE = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

ENDS = [[], ["finish"], ["closed"], ["failed"], ["failed", "closed"]]
"""What a `Taker` may be told, if it is not told of two ends of one message."""

Hook = Callable[["Taker"], Awaitable[None] | None] | None


async def turns(number: int = 20) -> None:
    """Let the loop turn a few times."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition()`` holds."""
    while not condition():
        await asyncio.sleep(0.001)


class Taker(HTTPMessageDelegate):
    """Takes one message, and notes what it is told, and that it failed in `finish`.

    The hooks are called at the end of the method that they are named after, and what they
    return is returned.  ``conn`` is where a server's delegate writes its answer.
    """

    def __init__(self, on_head: Hook = None, on_data: Hook = None, on_finish: Hook = None) -> None:
        self.hooks = on_head, on_data, on_finish
        self.start_lines: list[RequestStartLine | ResponseStartLine] = []
        self.headers = HTTPHeaders()
        self.pieces: list[bytes] = []
        self.ends: list[str] = []
        self.conn: HTTP1Connection

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def codes(self) -> list[int]:
        """The statuses that came."""
        return [line.code for line in self.start_lines if isinstance(line, ResponseStartLine)]

    @property
    def path(self) -> str:
        [line] = self.start_lines
        assert isinstance(line, RequestStartLine)
        return line.path

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert self.ends == [] and self.pieces == []
        self.start_lines.append(start_line)
        self.headers = headers
        return self._call(0)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        assert self.ends == [] and self.start_lines and chunk
        self.pieces.append(chunk)
        return self._call(1)

    def finish(self) -> None:
        self.ends.append("finish")
        try:
            self._call(2)
        except BaseException:
            self.ends = ["failed"]
            raise

    def on_connection_close(self) -> None:
        self.ends.append("closed")

    def _call(self, number: int) -> Awaitable[None] | None:
        hook = self.hooks[number]
        return hook(self) if hook is not None else None

    def answer(self, body: bytes = b"ok", **fields: str) -> None:
        """Write a whole response."""
        head(self.conn, body, {"Content-Length": str(len(body)), **fields})
        self.conn.finish()


def head(
    conn: HTTP1Connection,
    chunk: bytes | None = None,
    fields: dict[str, str] | None = None,
    code: int = 200,
    reason: str = "OK",
) -> asyncio.Future[None]:
    """Write the head of a response."""
    return conn.write_headers(ResponseStartLine("", code, reason), HTTPHeaders(fields or {}), chunk)


def answer(taker: Taker) -> None:
    """The hook of a program that answers."""
    taker.answer()


def nobody(_: Taker) -> None:
    """The hook of a program that does not answer yet."""


def raising(error: Exception, later: bool) -> Hook:
    """A hook that raises ``error``, at once or in a coroutine."""

    def now(_: Taker) -> None:
        raise error

    async def then(_: Taker) -> None:
        await turns(3)
        raise error

    return then if later else now


class Program(HTTPServerConnectionDelegate):
    """Gives a new `Taker` to each request; without hooks it answers when the request is there."""

    def __init__(self, **hooks: Hook) -> None:
        self.hooks = hooks or {"on_finish": answer}
        self.takers: list[Taker] = []
        self.connections: list[object] = []
        self.closed: list[object] = []

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Taker:
        assert isinstance(request_conn, HTTP1Connection)
        taker = Taker(**self.hooks)
        taker.conn = request_conn
        self.takers.append(taker)
        self.connections.append(server_conn)
        return taker

    def on_close(self, server_conn: object) -> None:
        self.closed.append(server_conn)

    @property
    def paths(self) -> list[str]:
        return [taker.path for taker in self.takers]


_ANSWER = re.compile(rb"HTTP/1\.1 [2-9][0-9]{2} ")
_DATE = re.compile(rb"Date: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT\r\n")


def without_dates(data: bytes) -> bytes:
    """What came, without the lines that nobody can foretell."""
    return _DATE.sub(b"", data)


class Peer:
    """The other end of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: IOStream
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.stream = stream

    def send(self, data: bytes, end: bool = False) -> None:
        """Send ``data``, and after it, if so, nothing more."""
        self.writer.write(data)
        if end:
            self.writer.write_eof()

    async def send_bytewise(self, data: bytes, end: bool = False) -> None:
        """Send each byte in a turn of its own."""
        for i in range(len(data)):
            self.writer.write(data[i : i + 1])
            await turns(3)
        if end:
            self.writer.write_eof()

    async def reads(self, data: bytes) -> None:
        """Read ``data``, and exactly that; but for a ``Date`` in each answer that has none here."""
        dates = len(_ANSWER.findall(data)) - data.count(b"\r\nDate: ")
        size = len(data) + dates * len("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")
        assert without_dates(await self.reader.readexactly(size)) == without_dates(data)

    async def reads_end(self, data: bytes = b"") -> None:
        """Read ``data``, as `reads` does, and then the end."""
        assert without_dates(await self.reader.read()) == without_dates(data)

    async def reads_refusal(self, status: int) -> None:
        """Read an answer of ``status`` that says it is the last, and the end."""
        lines = (await self.reader.read()).split(b"\r\n")
        assert lines[0].startswith(b"HTTP/1.1 %d " % status)
        assert b"Connection: close" in lines and lines[-2:] == [b"", b""]

    async def hang_up(self) -> None:
        """Close, with whatever is on its way."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[tuple[IOStream, Peer]]:
    """A stream, made with the options, and its other end."""
    ours, theirs = socket.socketpair()
    stream = IOStream(ours, **options)
    reader, writer = await asyncio.open_connection(sock=theirs)
    peer = Peer(reader, writer, stream)
    try:
        yield stream, peer
    finally:
        stream.close()
        await peer.hang_up()
        await turns()


@asynccontextmanager
async def socket_pair() -> AsyncIterator[tuple[IOStream, socket.socket]]:
    """A stream, and the bare socket at its other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream = IOStream(ours)
    try:
        yield stream, theirs
    finally:
        stream.close()
        theirs.close()
        await turns()


async def flood(sock: socket.socket, data: bytes, most: int) -> int:
    """Send ``data`` over and over until nobody takes any; how many bytes, at most ``most``."""
    sent, refusals = 0, 0
    while refusals < 50 and sent < most:
        try:
            sent += sock.send(data[: most - sent])
            refusals = 0
        except BlockingIOError:
            refusals += 1
        await asyncio.sleep(0)
    return sent


@asynccontextmanager
async def client(
    params: HTTP1ConnectionParameters | None = None,
) -> AsyncIterator[tuple[HTTP1Connection, Peer]]:
    """A client's connection, and the other end as its server."""
    async with connected() as (stream, peer):
        yield HTTP1Connection(stream, True, params), peer


@asynccontextmanager
async def served(
    program: HTTPServerConnectionDelegate,
    params: HTTP1ConnectionParameters | None = None,
    context: object = None,
) -> AsyncIterator[tuple[HTTP1ServerConnection, Peer]]:
    """A connection that ``program`` serves, and the other end as its client.

    At the end ``program`` must have been told of the close, once.
    """
    async with connected() as (stream, peer):
        server = HTTP1ServerConnection(stream, params, context)
        server.start_serving(program)
        try:
            yield server, peer
        finally:
            await server.close()
            await turns()
    if isinstance(program, Program):
        assert program.closed == [server]
        assert all(taker.ends in ENDS for taker in program.takers)


def request(
    conn: HTTP1Connection, method: str = "GET", chunk: bytes | None = None, *fields: str
) -> asyncio.Future[None]:
    """Write the head of a request."""
    headers = HTTPHeaders()
    for field in ("Host: example.com", *fields):
        name, _, value = field.partition(": ")
        headers.add(name, value)
    return conn.write_headers(RequestStartLine(method, "/", ""), headers, chunk)


def message(start: str, *fields: str, body: bytes = b"") -> bytes:
    """The bytes of a message."""
    return "\r\n".join([start, *fields, "", ""]).encode("latin-1") + body


def response(*fields: str, body: bytes = b"", status: str = "200 OK") -> bytes:
    """The bytes of a response."""
    return message(f"HTTP/1.1 {status}", *fields, body=body)


def get(path: str = "/", *fields: str, version: str = "HTTP/1.1") -> bytes:
    """The bytes of a GET request."""
    return message(f"GET {path} {version}", "Host: example.com", *fields)


def post(path: str = "/", body: bytes = b"abc", *fields: str) -> bytes:
    """The bytes of a POST request, with its length."""
    length = f"Content-Length: {len(body)}"
    return message(f"POST {path} HTTP/1.1", "Host: example.com", length, *fields, body=body)


def uncaught(log: Log, error: type[BaseException]) -> None:
    """Take the one record of an error in a program, with its traceback."""
    [record] = log.take()
    assert record.name == "tornado.application" and record.levelname == "ERROR"
    assert record.exc_info is not None and record.exc_info[0] is error
