"""A server for TCP and Unix sockets: it listens, accepts, and makes streams."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from tornadic import gen
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream
from tornadic.log import app_log
from tornadic.netutil import DEFAULT_BACKLOG, add_accept_handler, bind_sockets

__all__ = ["TCPServer"]


class TCPServer:
    """Calls `handle_stream`, which a subclass defines, for every connection.

    Started by `listen`; or by `bind` and `start`; or by `add_sockets`, with what
    `.bind_sockets` gave.

    ``max_buffer_size`` and ``read_chunk_size``, in bytes, are the streams' (see
    `.BaseIOStream`).
    """

    def __init__(
        self,
        ssl_options: Any = None,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
    ) -> None:
        self.ssl_options = ssl_options
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self._sockets: dict[int, socket.socket] = {}
        self._removers: dict[int, Callable[[], None]] = {}
        self._bound: list[socket.socket] = []
        self._started = False
        self._stopped = False

    def listen(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Accept connections on ``port`` from now on; the arguments are `.bind_sockets`'."""
        self.add_sockets(bind_sockets(port, address, family, backlog, flags, reuse_port))

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on ``sockets``, which listen already and become the server's."""
        for sock in sockets:
            self._sockets[sock.fileno()] = sock
            self._removers[sock.fileno()] = add_accept_handler(sock, self._handle_connection)

    def add_socket(self, socket: socket.socket) -> None:
        """Accept connections on one socket; see `add_sockets`."""
        self.add_sockets([socket])

    def bind(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Listen on ``port`` without accepting yet; then call `start`.  May be called again."""
        sockets = bind_sockets(port, address, family, backlog, flags, reuse_port)
        if self._started:
            self.add_sockets(sockets)
        else:
            self._bound.extend(sockets)

    def start(self) -> None:
        """Accept connections on what `bind` listens on.  Raises RuntimeError if called twice."""
        if self._started:
            raise RuntimeError("The server has been started already")
        self._started = True
        bound, self._bound = self._bound, []
        self.add_sockets(bound)

    def stop(self) -> None:
        """Accept no more connections, and close what was listened on.

        Connections that are open stay open.
        """
        if self._stopped:
            return
        self._stopped = True
        for fd, sock in self._sockets.items():
            self._removers.pop(fd)()
            sock.close()
        for sock in self._bound:
            sock.close()
        self._sockets.clear()
        self._bound.clear()

    def handle_stream(self, stream: IOStream, address: Any) -> Awaitable[None] | None:
        """Take a new connection; ``address`` is the peer's, as `socket.socket.accept` has it.

        May be a coroutine; what it raises is logged.
        """
        raise NotImplementedError

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        try:
            stream = IOStream(
                connection,
                max_buffer_size=self.max_buffer_size,
                read_chunk_size=self.read_chunk_size,
            )
            future = self.handle_stream(stream, address)
            if future is not None:
                IOLoop.current().add_future(gen.convert_yielded(future), lambda f: f.result())
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)
