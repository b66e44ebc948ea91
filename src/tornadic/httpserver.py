"""The HTTP server: a TCP server whose streams carry HTTP/1.x.

It holds no state for a request: it asks the program for a delegate, and the connection does the
rest.  What it knows of a connection, such as the peer's address, is in its context.
"""

from __future__ import annotations

import asyncio
import copy
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from tornadic import _legacy
from tornadic.http.headers import HTTPHeaders
from tornadic.http.interfaces import HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornadic.http.reader import DEFAULT_CHUNK_SIZE
from tornadic.http.startlines import RequestStartLine, ResponseStartLine
from tornadic.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornadic.httputil import HTTPServerRequest
from tornadic.httputil.callback import CallbackDelegate
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream
from tornadic.netutil import is_valid_ip
from tornadic.tcpserver import TCPServer
from tornadic.util import Configurable

if TYPE_CHECKING:
    # Only here, for old programs know another class by this name.
    from tornadic.http.interfaces import HTTPConnection

__all__ = ["HTTPRequest", "HTTPServer"]

__getattr__ = _legacy.names_of(__name__)

HTTPRequest = HTTPServerRequest
"""The name by which programs know it that were written before there was `tornadic.httputil`."""


class HTTPServer(TCPServer, Configurable, HTTPServerConnectionDelegate):
    """A non-blocking HTTP server.

    ``request_callback`` takes the requests: an `.HTTPServerConnectionDelegate` such as an
    `.Application`, or a function of one `.HTTPServerRequest`, which writes its response with
    ``request.connection``.

    ``no_keep_alive`` closes every connection after one request.  ``xheaders`` takes the client's
    address and scheme from ``X-Real-Ip`` / ``X-Forwarded-For`` and ``X-Scheme`` /
    ``X-Forwarded-Proto``, for a server that only a proxy can reach; ``trusted_downstream`` lists
    addresses of further proxies to skip in ``X-Forwarded-For``.  ``protocol``: "https" where a
    proxy speaks TLS and does not say so.  ``decompress_request`` inflates gzip bodies.

    In bytes: ``chunk_size`` (64 KB), ``max_header_size`` (64 KB), ``max_body_size`` (100 MB),
    ``max_buffer_size`` (100 MB).  In seconds: ``idle_connection_timeout`` for the pause before a
    request and for its head, ``body_timeout`` for its body (None: see
    `.HTTP1ConnectionParameters`, whose defaults are all finite).
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> HTTPServer:
        if len(args) > 2 and (args[2] is None or isinstance(args[2], IOLoop)):
            kwargs["io_loop"] = args[2]  # once it was the third argument
            args = (*args[:2], *args[3:])
        server: HTTPServer = super().__new__(cls, *args, **kwargs)
        return server

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # `Configurable` has called `initialize` with the arguments.
        pass

    def initialize(
        self,
        request_callback: HTTPServerConnectionDelegate | Callable[[HTTPServerRequest], None],
        no_keep_alive: bool = False,
        xheaders: bool = False,
        ssl_options: Any = None,
        protocol: str | None = None,
        decompress_request: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        idle_connection_timeout: float | None = None,
        body_timeout: float | None = None,
        max_body_size: int | None = None,
        max_buffer_size: int | None = None,
        trusted_downstream: list[str] | None = None,
        io_loop: IOLoop | None = None,
    ) -> None:
        self.request_callback = request_callback
        self.xheaders = xheaders
        self.protocol = protocol
        self._calls_back = not isinstance(request_callback, HTTPServerConnectionDelegate)
        self.trusted_downstream = trusted_downstream
        is_ours = type(self).start_request is HTTPServer.start_request
        if is_ours and not xheaders and not self._calls_back:
            # Nobody comes between, so connections may ask the program itself.
            self.start_request = request_callback.start_request  # type: ignore
        self.conn_params = HTTP1ConnectionParameters(
            no_keep_alive=no_keep_alive,
            chunk_size=chunk_size,
            max_header_size=max_header_size,
            header_timeout=idle_connection_timeout,
            max_body_size=max_body_size,
            body_timeout=body_timeout,
            decompress=decompress_request,
        )
        TCPServer.__init__(
            self,
            ssl_options=ssl_options,
            max_buffer_size=max_buffer_size,
            # Small pieces are cut from what is read, and not read one by one.
            read_chunk_size=max(chunk_size or 0, DEFAULT_CHUNK_SIZE),
            io_loop=io_loop,
        )
        self._connections: set[HTTP1ServerConnection] = set()

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return HTTPServer

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return HTTPServer

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        context = _RequestContext(stream, address, self.protocol, self.trusted_downstream)
        stream.set_nodelay(True)
        connection = HTTP1ServerConnection(stream, self.conn_params, context)
        self._connections.add(connection)
        connection.start_serving(self)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        callback: Any = self.request_callback
        if self._calls_back:
            delegate: HTTPMessageDelegate = _CallbackDelegate(callback, server_conn, request_conn)
        else:
            delegate = callback.start_request(server_conn, request_conn)
        if self.xheaders:
            return _ForwardedDelegate(delegate, request_conn)
        return delegate

    def on_close(self, server_conn: object) -> None:
        self._connections.discard(server_conn)
        if isinstance(self.request_callback, HTTPServerConnectionDelegate):
            self.request_callback.on_close(server_conn)

    async def close_all_connections(self, timeout: float = 0.0) -> None:
        """Close every open connection, and return when they are closed.

        Without ``timeout`` they are closed whatever they are doing; call `stop` first.  With it
        the server is drained: it stops, connections between two requests are closed, and requests
        that have begun to come get up to ``timeout`` seconds to be answered, each the last on its
        connection.  What is still open then is closed.

        Connections that a program has detached are the program's.
        """
        if timeout > 0 and self._connections:
            self.stop()
            params = self.conn_params = copy.copy(self.conn_params)
            params.no_keep_alive = True
            closed = [connection.finish_soon(params) for connection in [*self._connections]]
            await asyncio.wait(closed, timeout=timeout)
        while self._connections:
            await next(iter(self._connections)).close()


def _is_address(text: str) -> bool:
    """Whether ``text`` is an address as a proxy writes it.

    The system also takes ``1`` and ``0300.0.2.1`` for addresses, and others for other ones.
    """
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text or is_valid_ip(text)


class _RequestContext:
    """What the server knows of a connection."""

    __slots__ = ("_protocol", "_remote_ip", "address", "protocol", "remote_ip", "trusted")

    def __init__(
        self,
        stream: IOStream,
        address: Any,
        protocol: str | None,
        trusted_downstream: Sequence[str] | None,
    ) -> None:
        self.address = address
        # A Unix socket's peer has no address worth the name.
        is_internet = stream.socket.family in (socket.AF_INET, socket.AF_INET6)
        self.remote_ip: str = address[0] if is_internet and address else "0.0.0.0"
        self.protocol = protocol or ("https" if stream.encrypted else "http")
        self.trusted = frozenset(trusted_downstream or ())
        self._remote_ip = self.remote_ip
        self._protocol = self.protocol

    def __str__(self) -> str:
        return self.remote_ip

    def apply_forwarded(self, headers: HTTPHeaders) -> None:
        """Take address and scheme from what a proxy added, as far as that is valid."""
        ip: str = self.remote_ip
        for hop in reversed(headers.get("X-Forwarded-For", ip).split(",")):
            ip = hop.strip()
            if ip not in self.trusted:
                break
        ip = headers.get("X-Real-Ip", ip)
        if _is_address(ip):
            self.remote_ip = ip
        scheme: str = headers.get("X-Scheme", headers.get("X-Forwarded-Proto", self.protocol))
        scheme = scheme.rpartition(",")[2].strip()
        if scheme in ("http", "https"):
            self.protocol = scheme

    def undo_forwarded(self) -> None:
        """Forget the last request's: the next on this connection may be another client's."""
        self.remote_ip = self._remote_ip
        self.protocol = self._protocol


class _ForwardedDelegate(HTTPMessageDelegate):
    """Applies the proxy's headers before the program sees the request."""

    __slots__ = ("_connection", "_delegate")

    def __init__(self, delegate: HTTPMessageDelegate, connection: HTTPConnection) -> None:
        self._delegate = delegate
        self._connection = connection

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        context = self._connection.context  # type: ignore[attr-defined]
        context.undo_forwarded()
        context.apply_forwarded(headers)
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()

    def answered(self) -> None:
        self._delegate.answered()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()


class _CallbackDelegate(CallbackDelegate):
    """Makes the request when its head is there, and calls a function with it."""

    __slots__ = ("_connection", "_server_connection")

    def __init__(
        self,
        callback: Callable[[HTTPServerRequest], None],
        server_connection: object,
        connection: HTTPConnection,
    ) -> None:
        super().__init__(callback)
        self._server_connection = server_connection
        self._connection = connection

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        assert isinstance(start_line, RequestStartLine)
        self.request = HTTPServerRequest(
            connection=self._connection,
            server_connection=self._server_connection,
            start_line=start_line,
            headers=headers,
        )
