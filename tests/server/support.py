"""A server on a loopback port, a raw client, and a reader of responses that forgives nothing.

The server runs on a loop in a thread of its own; the test is the client, with blocking sockets
and a generous time-out, and looks at what the handlers have recorded.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tests.server.logs import Log
from tornadic.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornadic.httpserver import HTTPServer
from tornadic.iostream import IOStream
from tornadic.netutil import bind_sockets
from tornadic.tcpserver import TCPServer
from tornadic.web import Application, RequestHandler

PATIENCE = 10.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
"""Seconds after which a test gives up on something that should have happened."""

HOST = b"Host: example.com\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
"""A request that no handler may ever see."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\x20-\x7E]*)")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7E\x80-\xFF]*)")


@dataclass(frozen=True, slots=True)
class Response:
    """A response; the names of ``headers`` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def get(path: str, *fields: str) -> bytes:
    """A GET request for ``path`` with further header lines."""
    return request("GET", path, *fields)


def post(path: str, body: bytes, *fields: str) -> bytes:
    """A POST request with ``body`` and its length."""
    return request("POST", path, f"Content-Length: {len(body)}", *fields) + body


def request(method: str, path: str, *fields: str) -> bytes:
    """The head of an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: example.com", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def chunked(path: str, *fields: str) -> bytes:
    """The head of a POST request whose body comes in chunks."""
    return request("POST", path, "Transfer-Encoding: chunked", *fields)


class Peer:
    """One connection, as a client that sends what it is told to and reads with a strict eye."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    # Sending

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Send ``data`` one byte at a time, or as much as the server cares to take."""
        try:
            for i in range(len(data)):
                self.socket.sendall(data[i : i + 1])
        except OSError:
            pass

    def try_to_send(self, data: bytes) -> bool:
        """Send ``data``; False if the server is gone already."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Hang up with a reset instead of the usual good-bye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Reading

    def ask(self, data: bytes, method: str = "GET") -> Response:
        """Send a request and read the response."""
        self.send(data)
        return self.read_response(method)

    def read_response(self, method: str = "GET") -> Response:
        """Read one response to a request of ``method``; anything out of order fails the test."""
        status, headers = self.read_head()
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        assert coding is None or length is None, headers
        if method == "HEAD" or status < 200 or status in (204, 304):
            return Response(status, headers, b"")
        if coding is not None:
            assert coding == "chunked", headers
            return Response(status, headers, self._read_chunks())
        if length is not None:
            assert re.fullmatch("[0-9]+", length, re.ASCII), headers
            return Response(status, headers, self.read_exactly(int(length)))
        assert headers.get("connection") == "close", headers
        return Response(status, headers, self.read_to_end())

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Read the head of a response: its status and its fields, none of them twice."""
        lines = self._read_until(b"\r\n\r\n")[:-4].split(b"\r\n")
        match = _STATUS_LINE.fullmatch(lines[0])
        assert match is not None, lines[0]
        headers: dict[str, str] = {}
        for line in lines[1:]:
            field = _FIELD.fullmatch(line)
            assert field is not None, line
            name = field[1].decode().lower()
            assert name not in headers, line
            headers[name] = field[2].decode("latin-1")
        return int(match[1]), headers

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            line = self._read_until(b"\r\n")
            assert re.fullmatch(rb"[0-9a-f]+\r\n", line), line
            piece = self.read_exactly(int(line, 16))
            assert self.read_exactly(2) == b"\r\n"
            if not piece:
                return body
            body += piece

    def _read_until(self, delimiter: bytes) -> bytes:
        while delimiter not in self._data:
            self._receive()
        found, _, self._data = self._data.partition(delimiter)
        return found + delimiter

    def read_exactly(self, size: int) -> bytes:
        parts = [self._data]
        here = len(self._data)
        while here < size:
            self._data = b""
            self._receive()
            parts.append(self._data)
            here += len(self._data)
        data = b"".join(parts)
        self._data = data[size:]
        return data[:size]

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the connection closed behind {self._data[-100:]!r}"
        self._data += data

    def read_to_end(self) -> bytes:
        """Read until the server has closed in good order."""
        parts = [self._data]
        self._data = b""
        while data := self.socket.recv(1 << 20):
            parts.append(data)
        return b"".join(parts)

    def ends(self) -> None:
        """Wait for the end of the connection; nothing more may come before it."""
        assert self.read_to_end() == b""

    def is_cut(self) -> bytes:
        """Wait until the server has closed, in good order or not, and return what came."""
        parts = [self._data]
        self._data = b""
        try:
            while data := self.socket.recv(1 << 20):
                parts.append(data)
        except ConnectionError:
            pass
        return b"".join(parts)

    def hears(self, seconds: float) -> bool:
        """Whether something, if only the end, can be read; waits up to ``seconds`` for it."""
        return bool(self._data) or bool(select.select([self.socket], [], [], seconds)[0])


class Recorder(RequestHandler):
    """Answers everything with the body that came, and notes that it did."""

    def record(self) -> None:
        request = self.request
        self.settings["seen"].append((request.method, request.uri, request.body))

    def get(self, *args: Any) -> None:
        self.record()
        self.write(self.request.body or b"ok")

    post = put = delete = patch = options = get

    def head(self, *args: Any) -> None:
        self.record()


class Bystander(RequestHandler):
    """What the connections ask for that must not be disturbed."""

    def get(self) -> None:
        self.write(b"undisturbed")


class Gate(Recorder):
    """Answers when the test opens the gate; see `Site.open_gate`."""

    async def get(self) -> None:
        self.record()
        self.settings["arrived"].set()
        await self.settings["gate"].wait()
        self.settings["gate"].clear()
        self.write(b"open")


class _BareServer(TCPServer):
    """Serves an application with connection parameters that `HTTPServer` has no argument for."""

    def __init__(self, application: Application, params: HTTP1ConnectionParameters) -> None:
        super().__init__()
        self._application = application
        self._params = params
        self._streams: list[IOStream] = []

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        self._streams.append(stream)
        HTTP1ServerConnection(stream, self._params).start_serving(self._application)

    def close_all(self) -> None:
        for stream in self._streams:
            stream.close()


class Site:
    """A running server.

    ``seen`` are the requests that reached a `Recorder`, as (method, target, body).  ``rules``
    stand between the ones for ``/bystander`` and ``/gate`` and the one for everything else.  ``params`` go to the
    connections as they are; other arguments are `HTTPServer`'s.
    """

    def __init__(
        self,
        log: Log,
        *rules: tuple[str, type[RequestHandler]],
        params: HTTP1ConnectionParameters | None = None,
        **arguments: Any,
    ) -> None:
        self.log = log
        self.seen: list[tuple[str, str, bytes]] = []
        self._arrived = threading.Event()
        self._gate = asyncio.Event()
        self._settings = {"seen": self.seen, "arrived": self._arrived, "gate": self._gate}
        self._rules = [("/bystander", Bystander), ("/gate", Gate), *rules, (".*", Recorder)]
        self._params = params
        self._arguments = arguments
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._bystander: Peer | None = None
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(PATIENCE) and self.port, "the server did not start"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        try:
            application = Application(self._rules, **self._settings)
            server: HTTPServer | _BareServer
            if self._params is None:
                server = HTTPServer(application, **self._arguments)
            else:
                server = _BareServer(application, self._params)
            [sock] = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)
            # Connections inherit it: what a peer may send ahead is held in the kernel as well.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            server.add_socket(sock)
            self.port = sock.getsockname()[1]
        finally:
            self._started.set()
        await self._stopped.wait()
        server.stop()
        if isinstance(server, HTTPServer):
            await server.close_all_connections()
        else:
            server.close_all()

    def stop(self) -> None:
        if self._bystander is not None:
            self._bystander.socket.close()
        if self._thread.is_alive():
            self.call(self._stopped.set)
            self._thread.join(PATIENCE)
            assert not self._thread.is_alive(), "the server hangs"

    def call(self, function: Callable[[], object]) -> None:
        """Call ``function`` on the server's loop, soon."""
        self._loop.call_soon_threadsafe(function)

    def connect(self, receive_buffer: int | None = None) -> Peer:
        return Peer(self.port, receive_buffer)

    def await_gate(self) -> None:
        """Wait until a request is at the gate."""
        assert self._arrived.wait(PATIENCE), "nobody is at the gate"

    def open_gate(self) -> None:
        """Wait until a request is at the gate, and let it through."""
        self.await_gate()
        self._arrived.clear()
        self.call(self._gate.set)

    def goes_on(self) -> None:
        """Another connection, open for as long as the site if it may be, is served as ever."""
        if self._bystander is None:
            self._bystander = self.connect()
        response = self._bystander.ask(get("/bystander"))
        assert (response.status, response.body) == (200, b"undisturbed")

    def accepts(self, data: bytes, method: str = "GET") -> Response:
        """``data`` is one request that is answered with 200, and the connection is in step."""
        self.goes_on()
        with self.connect() as peer:
            response = peer.ask(data, method)
            assert response.status == 200
            assert peer.ask(get("/bystander")).body == b"undisturbed"
        return response

    def refuses(self, data: bytes, status: int, answered: int = 0, bytewise: bool = False) -> None:
        """``data`` is answered with ``status``, and nothing behind it on its connection is run.

        ``answered`` requests come before it in ``data`` and are served.  ``bytewise``: every
        byte goes on its own.
        """
        self.goes_on()
        before = len(self.seen)
        with self.connect() as peer:
            if bytewise:
                peer.send_bytewise(data)
                peer.try_to_send(SMUGGLED)
            else:
                peer.send(data + SMUGGLED)
            for _ in range(answered):
                assert peer.read_response().status == 200
            response = peer.read_response()
            assert response.status == status
            assert response.headers["connection"] == "close"
            peer.ends()
            peer.try_to_send(SMUGGLED)
            self.goes_on()
        self.goes_on()
        assert len(self.seen) == before + answered, self.seen[before:]
        self.log.at_most_one()


class Serve(Protocol):
    """Starts a `Site`, which stops with the test; the fixture ``serve``."""

    def __call__(self, *rules: tuple[str, type[RequestHandler]], **arguments: Any) -> Site: ...
