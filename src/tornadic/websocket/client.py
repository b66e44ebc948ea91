"""`websocket_connect` and what it gives: the client's side of a connection.

Messages either go to a callback, or wait for `read_message`.  Only so many wait: then no more is
read from the stream, until somebody has asked for some.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from types import TracebackType
from typing import Any

from tornadic import _legacy
from tornadic.concurrent import future_set_result_unless_cancelled
from tornadic.frames.deflate import DeflateOptions
from tornadic.httpclient.request import HTTPRequest, _RequestProxy
from tornadic.httputil import HTTPHeaders
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream
from tornadic.iostream.waiting import Waiting
from tornadic.log import app_log
from tornadic.netutil import Resolver
from tornadic.websocket.connecting import Handshake
from tornadic.websocket.errors import WebSocketClosedError
from tornadic.websocket.parameters import (
    DEFAULT_MAX_MESSAGE_SIZE,
    MAX_QUEUED_BYTES,
    MAX_QUEUED_MESSAGES,
    Parameters,
)
from tornadic.websocket.protocol import WebSocketProtocol

__all__ = ["WebSocketClientConnection", "websocket_connect"]

OnMessage = Callable[[str | bytes | None], Any]


class WebSocketClientConnection:
    """A client's connection; made by `websocket_connect`, not by programs.

    ``headers`` are those of the server's answer.  ``protocol`` is the connection while it is
    there, else None.  ``close_code`` and ``close_reason`` as in `.WebSocketHandler`.
    """

    protocol: WebSocketProtocol | None = None
    headers: HTTPHeaders
    close_code: int | None = None
    close_reason: str | None = None

    def __init__(
        self,
        request: HTTPRequest | _RequestProxy,
        on_message_callback: OnMessage | None = None,
        compression_options: dict[str, Any] | None = None,
        ping_interval: float | None = None,
        ping_timeout: float | None = None,
        max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
        subprotocols: list[str] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        if not isinstance(request, _RequestProxy):
            request = _RequestProxy(request, HTTPRequest._DEFAULTS)
        self.request = request
        self.params = Parameters.of(max_message_size, ping_interval, ping_timeout)
        self._on_message_callback = on_message_callback
        self._compression = None
        if compression_options is not None:
            self._compression = DeflateOptions.of(compression_options)
        self.io_loop = IOLoop.current()
        self._loop = self.io_loop.asyncio_loop
        # What waits for `read_message`, or who waits for a message: one of them is empty.
        self._queue: deque[str | bytes] = deque()
        self._queued_size = 0
        self._readers: deque[Waiting] = deque()
        # Done when there is room again; None while there is.
        self._room: asyncio.Future[None] | None = None
        self._takes_all = False
        self._has_ended = False
        handshake = Handshake(request, subprotocols, self._compression is not None, resolver)
        self.connect_future: asyncio.Future[WebSocketClientConnection] = self._loop.create_task(
            self._connect(handshake)
        )

    async def _connect(self, handshake: Handshake) -> WebSocketClientConnection:
        stream, self.headers, agreed = await handshake.run()
        protocol = self.protocol = self.get_websocket_protocol()
        protocol.selected_subprotocol = agreed.subprotocol
        opening = None if self._on_message_callback is not None else self._let_reader_come
        protocol.start(stream, agreed.deflate, self._compression, opening)
        return self

    def _let_reader_come(self) -> asyncio.Future[None]:
        """Give who awaits the connection a turn of the loop to read from it.

        What came along with the handshake can then be answered before what follows it, such as
        the end, is looked at.
        """
        future = self._loop.create_future()
        call_soon = self._loop.call_soon
        call_soon(call_soon, future_set_result_unless_cancelled, future, None)
        return future

    def get_websocket_protocol(self) -> WebSocketProtocol:
        """What the connection is to be."""
        return WebSocketProtocol(self, True, self.params)

    # What a program calls

    @property
    def stream(self) -> IOStream | None:
        """The stream of the connection; None when there is none."""
        return self.protocol.stream if self.protocol is not None else None

    @property
    def selected_subprotocol(self) -> str | None:
        """What the server has chosen of the subprotocols; None: nothing."""
        return self.protocol.selected_subprotocol if self.protocol is not None else None

    def write_message(
        self, message: str | bytes | dict[str, Any], binary: bool = False
    ) -> asyncio.Future[None]:
        """Send a message; see `.WebSocketHandler.write_message`."""
        if self.protocol is None:
            raise WebSocketClosedError("Client connection has been closed")
        return self.protocol.write_message(message, binary)

    def read_message(
        self, callback: Callable[[asyncio.Future[str | bytes | None]], Any] | None = None
    ) -> asyncio.Future[str | bytes | None]:
        """The next message: text as `str`, or `bytes`; None when the connection is closed.

        With an ``on_message_callback`` there is none.  ``callback`` is called with the future
        when it is done.
        """
        future = Waiting(loop=self._loop)
        future._waiter = None
        if self._queue:
            message = self._queue.popleft()
            self._queued_size -= len(message)
            future.set_result(message)
            if self._room is not None and not self._is_full():
                room, self._room = self._room, None
                future_set_result_unless_cancelled(room, None)
        elif self._has_ended:
            future.set_result(None)
        else:
            self._readers.append(future)
        if callback is not None:
            self.io_loop.add_future(future, callback)
        return future

    def ping(self, data: bytes = b"") -> None:
        """Send a ping; see `.WebSocketHandler.ping`."""
        if self.protocol is None:
            raise WebSocketClosedError
        self.protocol.write_ping(data)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Begin to close the connection; see `.WebSocketHandler.close`.

        While it is still being made, that is called off.
        """
        if self.protocol is not None:
            self.protocol.close(code, reason)
        else:
            self.connect_future.cancel()

    # What the connection tells; a subclass may define more

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """A message has come."""
        if self._on_message_callback is not None:
            waiting = self._on_message_callback(message)
            return waiting if waiting is not None and isawaitable(waiting) else None
        readers = self._readers
        while readers:
            reader = readers.popleft()
            if not reader.done():
                if asyncio.current_task(self._loop) is None:
                    reader.wake(message)
                else:
                    reader.set_result(message)
                return None
        self._queue.append(message)
        self._queued_size += len(message)
        if self._takes_all or not self._is_full():
            return None
        self._room = self._loop.create_future()
        return self._room

    def _is_full(self) -> bool:
        return len(self._queue) >= MAX_QUEUED_MESSAGES or self._queued_size >= MAX_QUEUED_BYTES

    def _take_rest(self) -> None:
        self._takes_all = True
        if self._room is not None:
            room, self._room = self._room, None
            future_set_result_unless_cancelled(room, None)

    def on_ping(self, data: bytes) -> Any:
        """A ping has come, and been answered."""

    def on_pong(self, data: bytes) -> Any:
        """The answer to a ping has come."""

    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None:
        """The connection has ended."""
        self.close_code = close_code
        self.close_reason = close_reason
        self.protocol = None
        self.on_connection_close()

    def on_connection_close(self) -> None:
        """The connection has ended: tell who waits for a message."""
        if self._has_ended:
            return
        self._has_ended = True
        readers, self._readers = self._readers, deque()
        for reader in readers:
            if not reader.done():
                reader.set_result(None)
        if self._on_message_callback is not None:
            waiting = self._on_message_callback(None)
            if waiting is not None and isawaitable(waiting):
                self._loop.create_task(_log_late(self, waiting))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log an exception of the callback."""
        assert typ is not None and value is not None
        app_log.error("Uncaught exception %s", value, exc_info=(typ, value, tb))


async def _log_late(connection: WebSocketClientConnection, waiting: Awaitable[Any]) -> None:
    try:
        await waiting
    except Exception as e:
        connection.log_exception(type(e), e, e.__traceback__)


def websocket_connect(
    url: str | HTTPRequest,
    callback: Callable[[asyncio.Future[WebSocketClientConnection]], Any] | None = None,
    connect_timeout: float | None = None,
    on_message_callback: OnMessage | None = None,
    compression_options: dict[str, Any] | None = None,
    ping_interval: float | None = None,
    ping_timeout: float | None = None,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    subprotocols: list[str] | None = None,
    resolver: Resolver | None = None,
    io_loop: IOLoop | None = None,
) -> asyncio.Future[WebSocketClientConnection]:
    """Connect to a WebSocket; the future gives a `WebSocketClientConnection`.

    ``url``: of ``ws`` or ``wss``, or an `.HTTPRequest` with one, whose headers, credentials,
    proxy, TLS options and time-outs count.  Redirects are followed only if its
    ``follow_redirects`` is true.
    ``connect_timeout``: in seconds (None: 20), only with a URL.

    ``on_message_callback`` is called with every message, and with None at the end; it may be a
    coroutine, for which the next message waits.  Without it messages are read by
    `~WebSocketClientConnection.read_message`.

    ``compression_options``: see `.WebSocketHandler.get_compression_options`.  ``ping_interval``,
    ``ping_timeout`` (seconds) and ``max_message_size`` (bytes): see the properties of
    `.WebSocketHandler`.  ``subprotocols``: what to propose, best first; what the server chose is
    ``selected_subprotocol``.  ``resolver``: a `.Resolver` instead of the usual one.  ``callback``
    is called with the future when it is done; deprecated.  ``io_loop`` is of old programs.

    The future raises `.HTTPClientError` if the server answers with an error, `WebSocketError` if
    it answers with anything else that is no WebSocket, `.HTTPTimeoutError` if it takes too long,
    and otherwise what connecting raises, such as an `OSError`.  Cancelling it closes what is
    open.  Raises ValueError for arguments that are no good.
    """
    if isinstance(callback, IOLoop):  # once it was the second argument
        given: Any = (connect_timeout, on_message_callback, compression_options, None, callback)
        callback, connect_timeout, on_message_callback, compression_options, io_loop = given
    if io_loop is not None:
        loops = _legacy.room("loops")
        with loops.as_current(loops.given("websocket_connect", io_loop)):
            return websocket_connect(
                url,
                callback,
                connect_timeout,
                on_message_callback,
                compression_options,
                ping_interval,
                ping_timeout,
                max_message_size,
                subprotocols,
                resolver,
            )
    if isinstance(url, HTTPRequest):
        if connect_timeout is not None:
            raise ValueError("With an HTTPRequest, connect_timeout is one of its attributes")
        request = url
    else:
        request = HTTPRequest(url, connect_timeout=connect_timeout)
    connection = WebSocketClientConnection(
        _RequestProxy(request, HTTPRequest._DEFAULTS),
        on_message_callback=on_message_callback,
        compression_options=compression_options,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
        max_message_size=max_message_size,
        subprotocols=subprotocols,
        resolver=resolver,
    )
    if callback is not None:
        warnings.warn(
            "The callback argument to websocket_connect is deprecated. Use the returned Future "
            "instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        connection.io_loop.add_future(connection.connect_future, callback)
    return connection.connect_future
