"""A server for TCP and Unix sockets: it listens, accepts, and makes streams."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from tornadic import _legacy, gen, process
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream, SSLIOStream
from tornadic.log import app_log
from tornadic.netutil import (
    DEFAULT_BACKLOG,
    add_accept_handler,
    bind_sockets,
    ssl_options_to_context,
    ssl_wrap_socket,
)

__all__ = ["TCPServer"]

CLOSING_SECONDS: Final = 1.0
"""What a coroutine gets to notice that its stream is closed."""


class TCPServer:
    """Calls `handle_stream`, which a subclass defines, for every connection.

    Started by `listen`; or by `bind` and `start`; or by `add_sockets`, with what
    `.bind_sockets` gave.

    ``ssl_options``, an `ssl.SSLContext` or a dictionary of options with at least a ``certfile``
    (see `.ssl_options_to_context`), makes it a TLS server, whose streams are `.SSLIOStream`;
    None for a plain one.  A dictionary is read now, and again when the attribute is set.
    ``max_buffer_size`` and ``read_chunk_size``, in bytes, are the streams' (see
    `.BaseIOStream`).

    Raises KeyError without a ``certfile``, ValueError if it or the ``keyfile`` cannot be opened,
    `ssl.SSLError` if they are no good.
    """

    def __init__(
        self,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        io_loop: IOLoop | None = None,
    ) -> None:
        if isinstance(ssl_options, IOLoop):  # once it was the first of these
            given: Any = (max_buffer_size, read_chunk_size, io_loop, ssl_options)
            ssl_options, max_buffer_size, read_chunk_size, io_loop = given
        if io_loop is not None:
            self.io_loop = _legacy.room("loops").given("TCPServer", io_loop)
        self.ssl_options = ssl_options
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self._sockets: dict[int, socket.socket] = {}
        self._removers: dict[int, Callable[[], None]] = {}
        self._bound: list[socket.socket] = []
        self._started = False
        self._stopped = False
        # What has been taken by a coroutine that has not ended yet.
        self._taken: dict[asyncio.Future[Any], IOStream] = {}
        # A context takes milliseconds to make; this is the one made of those options.
        self._context_made_of: dict[str, Any] | ssl.SSLContext | None = None
        self._context: ssl.SSLContext | None = None
        if ssl_options is not None:
            _check_files(ssl_options)
            self._use_ssl_options(ssl_options)

    io_loop: IOLoop | None = None
    """The loop that was given, by old programs; None for the current one."""

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
        add = add_accept_handler
        if self.io_loop is not None:
            add = _legacy.room("loops").accepting_in(self.io_loop)
        for sock in sockets:
            self._sockets[sock.fileno()] = sock
            self._removers[sock.fileno()] = add(sock, self._handle_connection)

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

    def start(self, num_processes: int | None = 1, max_restarts: int | None = None) -> None:
        """Accept connections on what `bind` listens on.

        With other than one process it forks, and returns in the children only; the arguments
        are `.fork_processes`'.  No event loop may have been used before.

        Raises RuntimeError if called twice.
        """
        if self._started:
            raise RuntimeError("The server has been started already")
        self._started = True
        if num_processes != 1:
            process.fork_processes(num_processes, max_restarts)
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
        stream: IOStream | None = None
        try:
            if self.ssl_options is None:
                stream = IOStream(
                    connection,
                    max_buffer_size=self.max_buffer_size,
                    read_chunk_size=self.read_chunk_size,
                )
            else:
                stream = self._tls_stream(connection, self.ssl_options)
                if stream is None:
                    return
            waiting = self.handle_stream(stream, address)
            if waiting is not None:
                future = gen.convert_yielded(waiting)
                self._taken[future] = stream
                IOLoop.current().add_future(future, self._handled)
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)
            # Nobody else may know it.
            if stream is not None:
                stream.close()
            else:
                connection.close()

    def _handled(self, future: asyncio.Future[Any]) -> None:
        del self._taken[future]
        future.result()  # what it raised is logged by the loop

    async def close_all_connections(self, timeout: float = 0.0) -> None:
        """Close the connections that coroutines of `handle_stream` have taken; call `stop` first.

        With ``timeout`` the server is drained: it stops, and they get up to that many seconds to
        end by themselves.  Returns when the coroutines have ended, or a second after the streams
        of the others were closed.  Connections that were taken otherwise are the program's.
        """
        if timeout > 0:
            self.stop()
            if self._taken:
                await asyncio.wait([*self._taken], timeout=timeout)
        for stream in self._taken.values():
            stream.close()
        if self._taken:
            await asyncio.wait([*self._taken], timeout=CLOSING_SECONDS)

    def _tls_stream(
        self, connection: socket.socket, options: dict[str, Any] | ssl.SSLContext
    ) -> SSLIOStream | None:
        """A stream over TLS, or None if the client has left already."""
        context = self._use_ssl_options(options)
        try:
            connection.getpeername()
            wrapped = ssl_wrap_socket(
                connection, context, server_side=True, do_handshake_on_connect=False
            )
        except OSError:
            connection.close()
            return None
        return SSLIOStream(
            wrapped,
            max_buffer_size=self.max_buffer_size,
            read_chunk_size=self.read_chunk_size,
        )

    def _use_ssl_options(self, options: dict[str, Any] | ssl.SSLContext) -> ssl.SSLContext:
        if self._context is None or self._context_made_of is not options:
            self._context = ssl_options_to_context(options, server_side=True)
            self._context_made_of = options
        return self._context


def _check_files(ssl_options: dict[str, Any] | ssl.SSLContext) -> None:
    """Say now, and in plain words, what would fail with the first connection."""
    if not isinstance(ssl_options, dict):
        return
    if "certfile" not in ssl_options:
        raise KeyError('missing key "certfile" in ssl_options')
    for key in ("certfile", "keyfile"):
        if key not in ssl_options:
            continue
        try:
            with open(ssl_options[key], "rb"):
                pass
        except OSError as e:
            raise ValueError(f'{key} "{ssl_options[key]}" cannot be read: {e.strerror}') from e
