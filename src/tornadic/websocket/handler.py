"""`WebSocketHandler`: what a program subclasses to take part in WebSockets.

`get` checks the handshake, answers it, and takes the stream out of HTTP's hands.  From then on a
`WebSocketProtocol` calls the handler.  State that there is only then is a class attribute before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast

from tornadic import gen
from tornadic.frames import handshake
from tornadic.frames.deflate import DeflateOptions, accept_offers
from tornadic.frames.errors import HandshakeRefused
from tornadic.frames.handshake import VERSION
from tornadic.iostream import IOStream
from tornadic.log import gen_log
from tornadic.web import RequestHandler
from tornadic.websocket.errors import WebSocketClosedError
from tornadic.websocket.parameters import (
    DEFAULT_MAX_MESSAGE_SIZE,
    DEFAULT_MAX_WRITE_BUFFER_SIZE,
    Parameters,
)
from tornadic.websocket.protocol import WebSocketProtocol

__all__ = ["WebSocketHandler"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _of_http(method: _Method) -> _Method:
    """``method``, for as long as the connection speaks HTTP."""

    @wraps(method)
    def checked(self: WebSocketHandler, *args: Any, **kwargs: Any) -> Any:
        if self._is_detached:
            raise RuntimeError("Method not supported for Web Sockets")
        return method(self, *args, **kwargs)

    return cast(_Method, checked)


class WebSocketHandler(RequestHandler):
    """A WebSocket: a subclass defines `on_message`, and `open` and `on_close` if it wants to.

    The handshake is an HTTP request, so `prepare`, cookies and users are those of every handler;
    headers that are to be in its answer are set in `prepare` or `set_default_headers`.  Once it is
    done, only `write_message`, `ping` and `close` send, and what belongs to HTTP, such as `write`,
    raises RuntimeError.

    ``ws_connection`` is the connection while it is there, else None.  ``close_code`` and
    ``close_reason`` say how it was closed, from `on_close` on: by the peer, or if it broke the
    protocol or was too slow by us; they are None if nobody said anything.
    """

    ws_connection: WebSocketProtocol | None = None
    close_code: int | None = None
    close_reason: str | None = None
    open_args: tuple[Any, ...] = ()
    open_kwargs: dict[str, Any] = {}  # replaced, and never changed

    _is_detached = False

    # What a subclass may define

    def open(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """The connection is open; the arguments are the groups of the rule's pattern.

        It may be a coroutine: no message is handed on before it is done.
        """
        return None

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Take a message: text as `str`, or `bytes`.

        It may be a coroutine, or return a future such as that of `write_message`: the next
        message is handed on when it is done, and a peer that sends on meanwhile has to wait.  An
        exception is logged and closes the connection with 1011.
        """
        raise NotImplementedError

    def on_close(self) -> Any:
        """The connection is closed, for whatever reason; called once if `open` was."""

    def on_ping(self, data: bytes) -> Any:
        """A ping has come, and been answered; may be a coroutine."""

    def on_pong(self, data: bytes) -> Any:
        """The answer to a ping has come; may be a coroutine."""

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """One of those that the client proposes, or None.

        Called once for every handshake, also if the list is empty.
        """
        return None

    def check_origin(self, origin: str) -> bool:
        """Whether pages of ``origin``, such as ``https://example.com``, may connect.

        Browsers let every page connect to every site, with the user's cookies.  This is asked
        for pages of other origins than this one, after `prepare`; false makes the handshake a
        403.  By default it is `check_trusted_origin`, which looks into the setting
        ``trusted_origins``.
        """
        return self.check_trusted_origin(origin)

    def get_compression_options(self) -> dict[str, Any] | None:
        """None for no compression; a dictionary, which may be empty, to agree to it.

        Its keys: ``compression_level``, zlib's from 0 to 9 (6), and ``mem_level``, from 1 to 9
        (8).  Compressing costs time, and up to 300 KB for each connection.
        """
        return None

    @property
    def ping_interval(self) -> float | None:
        """Seconds between two pings: the setting ``websocket_ping_interval``; 0 or None: none."""
        interval: float | None = self.settings.get("websocket_ping_interval")
        return interval

    @property
    def ping_timeout(self) -> float | None:
        """Seconds that a pong may take: the setting ``websocket_ping_timeout``.

        Later the connection is closed.  At most, and by default, the interval; 0 for any time.
        """
        timeout: float | None = self.settings.get("websocket_ping_timeout")
        return timeout

    @property
    def max_message_size(self) -> int:
        """Bytes of a message, inflated: ``websocket_max_message_size`` (10 MB).

        A longer one closes the connection with 1009.
        """
        size: int = self.settings.get("websocket_max_message_size", DEFAULT_MAX_MESSAGE_SIZE)
        return size

    @property
    def max_write_buffer_size(self) -> int:
        """Bytes that may wait to be sent: ``websocket_max_write_buffer_size`` (16 MB).

        Writing when more than that is waiting closes the connection with 1013.
        """
        size: int = self.settings.get(
            "websocket_max_write_buffer_size", DEFAULT_MAX_WRITE_BUFFER_SIZE
        )
        return size

    # What a program calls

    def write_message(
        self, message: bytes | str | dict[str, Any], binary: bool = False
    ) -> asyncio.Future[None]:
        """Send a message: text, bytes, or a dict as JSON.

        It is a text message, whose bytes must be UTF-8, or with ``binary`` a binary one.  The
        future is done when the kernel has taken it all: who sends much waits for it.

        Raises `WebSocketClosedError` if the connection is closed or being closed, TypeError for
        other kinds of messages, UnicodeDecodeError for text that is no UTF-8.
        """
        connection = self.ws_connection
        if connection is None:
            raise WebSocketClosedError
        return connection.write_message(message, binary)

    def ping(self, data: str | bytes = b"") -> None:
        """Send a ping with ``data``, at most 125 bytes; its answer is handed to `on_pong`.

        Raises `WebSocketClosedError`, and ValueError for more bytes.
        """
        if self.ws_connection is None:
            raise WebSocketClosedError
        self.ws_connection.write_ping(data)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Begin to close the connection; `on_close` is called when it is closed.

        ``code`` is one that an endpoint may send (RFC 6455 section 7.4: 1000 to 1014 without
        1004 to 1006, and 3000 to 4999), ``reason`` at most 123 bytes of UTF-8; a reason without
        a code has 1000.  A peer that does not answer within 5 seconds is cut off.

        Raises ValueError for other codes and longer reasons.  Does nothing when it is closed.
        """
        if self.ws_connection is not None:
            self.ws_connection.close(code, reason)

    def set_nodelay(self, value: bool) -> None:
        """Send small messages at once (True, as it is anyway), or gather them for a moment.

        Raises `WebSocketClosedError`.
        """
        if self.ws_connection is None:
            raise WebSocketClosedError
        self.ws_connection.set_nodelay(value)

    @property
    def selected_subprotocol(self) -> str | None:
        """What `select_subprotocol` has returned."""
        connection = self.ws_connection
        return connection.selected_subprotocol if connection is not None else None

    # The handshake

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None]:
        """Answer the handshake, and open the connection; the future is done by then."""
        self.open_args = args
        self.open_kwargs = kwargs
        http: Any = self.request.connection
        done: asyncio.Future[None] = http.stream.nothing_waits
        try:
            self._open_connection()
        except HandshakeRefused as e:
            self._refuse(e)
        return done

    def _open_connection(self) -> None:
        """Check the handshake, answer it, and begin; raises `HandshakeRefused`."""
        request = self.request
        asked = handshake.check_request(request.method, request.version, request.headers)
        objection = self._check_cross_origin(self.check_origin)
        if objection is not None:
            raise HandshakeRefused(403, "Cross origin websockets not allowed")
        connection = self.get_websocket_protocol()
        if connection is None:
            raise HandshakeRefused(426, "Upgrade Required", {"Sec-WebSocket-Version": VERSION})
        subprotocol = self.select_subprotocol(asked.subprotocols)
        if subprotocol is not None and subprotocol not in asked.subprotocols:
            raise ValueError(f"The client has not proposed the subprotocol {subprotocol!r}")
        deflate = options = None
        wanted = self.get_compression_options()
        fields = [("Sec-WebSocket-Accept", asked.accept)]
        if wanted is not None:
            options = DeflateOptions.of(wanted)
            accepted = accept_offers(asked.extensions)
            if accepted is not None:
                value, deflate = accepted
                fields.append(("Sec-WebSocket-Extensions", value))
        if subprotocol is not None:
            fields.append(("Sec-WebSocket-Protocol", subprotocol))
            connection.selected_subprotocol = subprotocol
        stream = self._switch_protocols(fields)
        self.ws_connection = connection
        connection.start(stream, deflate, options, self._call_open)

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        """What the connection is to be; None if the client wants another version than 13."""
        if self.request.headers.get("Sec-WebSocket-Version") != VERSION:
            return None
        params = Parameters.of(
            self.max_message_size,
            self.ping_interval,
            self.ping_timeout,
            self.max_write_buffer_size,
        )
        return WebSocketProtocol(self, False, params)

    def _refuse(self, refused: HandshakeRefused) -> None:
        gen_log.debug("No WebSocket for %s: %s", self.request.remote_ip, refused.reason)
        self.clear()
        self.set_status(refused.status)
        for name, value in refused.headers.items():
            self.set_header(name, value)
        self.finish(refused.reason)

    def _switch_protocols(self, fields: list[tuple[str, str]]) -> IOStream:
        """Answer with a 101, and take the stream."""
        self.set_status(101)
        self.set_header("Upgrade", "websocket")
        self.set_header("Connection", "Upgrade")
        for name, value in fields:
            self.set_header(name, value)
        self._transforms = None  # a body would be compressed, and there is none
        self.finish()
        self._is_detached = True
        return self.detach()

    def _call_open(self) -> Awaitable[None] | None:
        return self.open(*self.open_args, **self.open_kwargs)

    # What the connection tells

    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None:
        """The connection has ended; not for programs, which define `on_close`."""
        self.close_code = close_code
        self.close_reason = close_reason
        self.on_connection_close()

    def on_connection_close(self) -> None:
        """The connection has ended, or the client has gone before the handshake was answered."""
        super().on_connection_close()
        if self.ws_connection is None:
            return
        self.ws_connection = None
        waiting = self.on_close()
        if waiting is not None:
            gen.convert_yielded(waiting).add_done_callback(self._log_late)

    def _take_rest(self) -> None:
        """A handler has no queue that could be full."""

    def _log_late(self, future: asyncio.Future[Any]) -> None:
        try:
            future.result()
        except Exception as e:
            self.log_exception(type(e), e, e.__traceback__)

    # What there is only in HTTP

    write = _of_http(RequestHandler.write)
    redirect = _of_http(RequestHandler.redirect)
    set_header = _of_http(RequestHandler.set_header)
    set_cookie = _of_http(RequestHandler.set_cookie)
    set_status = _of_http(RequestHandler.set_status)
    finish = _of_http(RequestHandler.finish)

    @_of_http
    def flush(
        self, include_footers: bool = False, callback: Callable[[], Any] | None = None
    ) -> asyncio.Future[None]:
        """See `.RequestHandler.flush`; any answer but a 101 is the last on its connection.

        What follows may be meant as frames, and is not to be read as a request.
        """
        if not self._headers_written and self.get_status() != 101:
            self._headers["Connection"] = "close"
        return super().flush(include_footers, callback)
