"""A server on loopback and a client that shows every byte, for tests of what goes over the wire.

Server and client share one loop, which `run` makes and takes down again.  The client is a plain
pair of asyncio streams with a strict little reader of responses, so that nothing under test is
also the measure.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.running import run as run

from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.web import Application, RequestHandler

_T = TypeVar("_T")

PATIENCE = 5.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
"""Seconds after which a test that hangs is given up; no test waits for it to pass."""

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass
class Response:
    """A response as it came, its body taken out of its chunks."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """One connection to the server under test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def request(
        self, target: str = "/", method: str = "GET", headers: Fields = (), body: bytes = b""
    ) -> Response:
        await self.send(head(target, method, headers, body) + body)
        return await self.response(method)

    async def response(self, method: str = "GET") -> Response:
        response = await self.response_head()
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        if "Transfer-Encoding" in response:
            assert response["Transfer-Encoding"] == "chunked"
            assert "Content-Length" not in response
            while chunk := await self.chunk():
                response.chunks.append(chunk)
            response.body = b"".join(response.chunks)
        elif "Content-Length" in response:
            response.body = await self.reader.readexactly(int(response["Content-Length"]))
        else:
            response.body = await self.reader.read()
        return response

    async def response_head(self) -> Response:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        version, status, reason = first.split(" ", 2)
        assert version == "HTTP/1.1"
        fields = []
        for line in lines:
            name, colon, value = line.partition(": ")
            assert colon and name.isascii() and not set(name) & set(" \t\r\n:"), line
            fields.append((name, value))
        return Response(int(status), reason, fields)

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        data = await self.reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    async def rest(self) -> bytes:
        """All that still comes until the server closes."""
        with contextlib.suppress(ConnectionResetError):
            return await self.reader.read()
        return b""

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


def head(target: str = "/", method: str = "GET", headers: Fields = (), body: bytes = b"") -> bytes:
    """The head of a request for ``target``, with what HTTP/1.1 takes."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in pairs}
    if "host" not in names:
        pairs.insert(0, ("Host", "example.com"))
    if body and not names & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in pairs]]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


class Server:
    """A running server: connect to it as often as you like."""

    def __init__(self, http_server: HTTPServer, port: int) -> None:
        self.http_server = http_server
        self.port = port
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def fetch(
        self, target: str = "/", method: str = "GET", headers: Fields = (), body: bytes = b""
    ) -> Response:
        """One request on a connection of its own."""
        client = await self.connect()
        response = await client.request(target, method, headers, body)
        client.close()
        return response


@contextlib.asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[Server]:
    """Serve ``app``, which is whatever an `HTTPServer` takes, while the block runs."""
    sockets = bind_sockets(0, "127.0.0.1")
    http_server = HTTPServer(app, **options)
    http_server.add_sockets(sockets)
    server = Server(http_server, sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        http_server.stop()
        for client in server.clients:
            client.close()
        await http_server.close_all_connections()
        for client in server.clients:
            with contextlib.suppress(OSError):
                await client.writer.wait_closed()


def fetch(
    app: Any,
    target: str = "/",
    method: str = "GET",
    headers: Fields = (),
    body: bytes = b"",
) -> Response:
    """The response of ``app``, or of one handler class, to one request."""
    if isinstance(app, type) and issubclass(app, RequestHandler):
        app = application(app)

    async def main() -> Response:
        async with serving(app) as server:
            return await server.fetch(target, method, headers, body)

    return run(main)


def application(handler: type[RequestHandler], **settings: Any) -> Application:
    """An application in which ``handler`` answers everything, and the access log is silent."""
    settings.setdefault("log_function", lambda handler: None)
    return Application([(r".*", handler)], **settings)


def writer(*chunks: Any, **attributes: Any) -> type[RequestHandler]:
    """A handler class that writes ``chunks``; ``attributes`` are more of its methods."""

    def get(self: RequestHandler) -> None:
        for chunk in chunks:
            self.write(chunk)

    return type("Writer", (RequestHandler,), {"get": get, "head": get, **attributes})


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition`` is true."""
    while not condition():
        await asyncio.sleep(0)


class LogBook(logging.Handler):
    """What the framework logged: what a test does not ask for it must not find."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unread: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.unread.append(record)

    def take(self, text: str, level: int | None = None) -> logging.LogRecord:
        """The first record that nobody has read yet with ``text`` in it."""
        for record in self.unread:
            whole = self.format(record)
            if text in whole and level in (None, record.levelno):
                self.unread.remove(record)
                return record
        raise AssertionError(f"no record with {text!r} in {[self.format(r) for r in self.unread]}")

    def take_all(self, text: str) -> list[logging.LogRecord]:
        """All records with ``text`` in them, at least one."""
        taken = [self.take(text)]
        while any(text in self.format(record) for record in self.unread):
            taken.append(self.take(text))
        return taken


@contextlib.contextmanager
def logged() -> Iterator[LogBook]:
    """What the framework and asyncio log meanwhile; what nobody has taken is a failure."""
    book = LogBook()
    loggers = [
        logging.getLogger(name) for name in ("tornado.application", "tornado.general", "asyncio")
    ]
    for logger in loggers:
        logger.addHandler(book)
    try:
        yield book
    finally:
        for logger in loggers:
            logger.removeHandler(book)
    assert [book.format(record) for record in book.unread] == []
