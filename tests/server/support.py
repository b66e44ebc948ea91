"""A server on a loopback port, and what to hold against it.

The server runs on a loop in a thread of its own; the test is the client, and looks at what the
handlers have recorded.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tests.server.logs import Log
from tests.server.peer import PATIENCE, SMUGGLED, Peer, Response, get

from tornadic.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornadic.httpserver import HTTPServer
from tornadic.iostream import IOStream
from tornadic.netutil import bind_sockets
from tornadic.tcpserver import TCPServer
from tornadic.web import Application, RequestHandler


class Recorder(RequestHandler):
    """Answers everything with the body that came, and notes that it did."""

    def record(self) -> None:
        request = self.request
        self.settings["seen"].append((request.method, request.uri, request.body))

    def get(self, *args: Any) -> Any:
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
    stand between the ones for ``/bystander`` and ``/gate`` and the one for everything else.
    ``params`` go to the connections as they are, ``settings`` to the application; other arguments
    are `HTTPServer`'s.
    """

    def __init__(
        self,
        log: Log,
        *rules: Any,
        params: HTTP1ConnectionParameters | None = None,
        settings: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        self.log = log
        self.seen: list[tuple[str, str, bytes]] = []
        self._arrived = threading.Event()
        self._gate = asyncio.Event()
        self._settings: dict[str, Any] = {
            "seen": self.seen,
            "arrived": self._arrived,
            "gate": self._gate,
            **(settings or {}),
        }
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
                server = self.server = HTTPServer(application, **self._arguments)
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

    def open_gate_for_all(self) -> None:
        """Let everybody through who is at the gate, if anybody is."""
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
        byte goes on its own.  What a streaming handler notes as "CLOSED" is no request.
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
        run = [seen for seen in self.seen[before:] if seen[0] != "CLOSED"]
        assert len(run) == answered, run
        self.log.at_most_one()


class Serve(Protocol):
    """Starts a `Site`, which stops with the test; the fixture ``serve``."""

    def __call__(self, *rules: Any, **arguments: Any) -> Site: ...


@contextmanager
def serving(log: Log) -> Iterator[Serve]:
    """What starts sites, all of which stop at the end."""
    sites: list[Site] = []

    def start(*rules: Any, **arguments: Any) -> Site:
        site = Site(log, *rules, **arguments)
        sites.append(site)
        site.start()
        return site

    yield start
    for site in sites:
        site.stop()
