"""One fetch, from the place that it waits for to the response.

A fetch is the delegate of the connection that it uses: what comes goes straight into it.  It asks
for a kept connection, and only if there is none a task makes one.  When the server redirects, the
fetch goes on with the next request in the same place.

However it ends, `Fetch.finish_with` is where: the place is free, and the response is handed over.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from inspect import isawaitable
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from tornadic import gen
from tornadic.http.errors import HTTPInputError, HTTPOutputError
from tornadic.http.headers import HTTPHeaders
from tornadic.http.interfaces import HTTPMessageDelegate
from tornadic.http.startlines import RequestStartLine, ResponseStartLine
from tornadic.httpclient.request import _RequestProxy
from tornadic.httpclient.response import HTTPResponse
from tornadic.iostream import UnsatisfiableReadError
from tornadic.log import app_log
from tornadic.simple_httpclient.decoding import ACCEPTED, BodyDecoder, decoder_for
from tornadic.simple_httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from tornadic.simple_httpclient.outgoing import Outgoing, is_redirect
from tornadic.simple_httpclient.pool import Connection

if TYPE_CHECKING:
    from tornadic.simple_httpclient.client import SimpleAsyncHTTPClient

__all__ = ["Fetch"]

_JOINED: Final = 65536
"""Largest body that is put behind the head, to go out in one piece."""

_MOST_DROPPED: Final = 65536
"""Bytes of a redirect's body that are read for the sake of the connection."""

_PIECES_PER_TURN: Final = 16
"""Pieces decoded before others get their turn: a thousandth of them may have made them."""


def _first(value: Any, defaults: dict[str, Any], name: str) -> Any:
    """``value``, or the default if it is None: `_RequestProxy` for names that are always there."""
    return defaults.get(name) if value is None else value


class Fetch(HTTPMessageDelegate):
    """A fetch of ``request`` by ``client``, whose outcome ``callback`` gets."""

    __slots__ = (
        "_awaits_continue",
        "_began",
        "_began_at",
        "_body",
        "_callback",
        "_client",
        "_code",
        "_connect_timeout",
        "_connecting",
        "_connection",
        "_context",
        "_decoder",
        "_decompress",
        "_dropped",
        "_has_answer",
        "_head",
        "_header_callback",
        "_headers",
        "_is_complete",
        "_is_over",
        "_is_sent",
        "_location",
        "_outgoing",
        "_producing",
        "_queued_at",
        "_reason",
        "_redirects_left",
        "_request",
        "_streaming_callback",
        "_total_deadline",
        "deadline",
    )

    def __init__(
        self,
        client: SimpleAsyncHTTPClient,
        request: _RequestProxy,
        callback: Callable[[HTTPResponse], None],
    ) -> None:
        self._client = client
        self._callback: Callable[[HTTPResponse], None] | None = callback
        self._request = request
        # Callbacks of the program run as if the program called them.
        self._context = copy_context()
        self._outgoing: Outgoing
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._producing: asyncio.Future[Any] | None = None
        self._is_over = False
        own, defaults = request.request, request.defaults or {}
        total = _first(own.request_timeout, defaults, "request_timeout")
        connect = _first(own.connect_timeout, defaults, "connect_timeout")
        now = self._queued_at = client._time()
        self._total_deadline: float = now + total if total else math.inf
        self._connect_timeout: float = connect or math.inf
        follows = _first(own.follow_redirects, defaults, "follow_redirects")
        redirects = _first(own.max_redirects, defaults, "max_redirects")
        self._redirects_left: int = (redirects or 0) if follows else 0
        self._decompress: bool = _first(own.decompress_response, defaults, "decompress_response")
        self._streaming_callback: Callable[[bytes], Any] | None = request.streaming_callback
        self._header_callback: Callable[[str], Any] | None = request.header_callback
        # While it waits for a place, and later for the response.
        self.deadline = min(now + self._connect_timeout, self._total_deadline)
        self._began: float | None = None
        self._began_at: float | None = None
        self._code = 0

    # Sending

    def begin(self) -> None:
        """Take the place that is free now."""
        try:
            self._outgoing = Outgoing.of(self._request)
            self._ask()
        except Exception as e:
            self.fail(e)

    def _ask(self) -> None:
        """Send the request, or have a connection made for it."""
        self._began = self._client._time()
        self._began_at = time.time()
        self._reset()
        outgoing = self._outgoing
        client = self._client
        target, headers = outgoing.head(ACCEPTED if self._decompress else "", client._closes)
        if client.cookie_jar is not None:
            _add_cookies(headers, client.cookie_jar.header_for(outgoing.url))
        self._head = RequestStartLine(outgoing.method, target, ""), headers
        connection = self._client._pool.take(outgoing.route)
        while connection is not None and connection.is_readable():
            # It has been closed, or something came that would pass for the answer to this request.
            connection.close()
            connection = self._client._pool.take(outgoing.route)
        if connection is None:
            self._connect()
        else:
            self._send(connection)

    def _reset(self) -> None:
        self._has_answer = False
        self._code = 0
        self._reason: str | None = None
        self._headers: HTTPHeaders | None = None
        self._body: list[bytes] = []
        self._decoder: BodyDecoder | None = None
        self._location: str | None = None
        self._dropped = 0
        self._is_complete = False
        self._is_sent = False

    def _connect(self) -> None:
        client = self._client
        # The connector has a clock of its own, and says what it was that took too long.
        client._deadlines.discard(self)
        seconds = min(self._connect_timeout, self._total_deadline - client._time())
        task = client._connect(self._outgoing.route, max(seconds, 0.0))
        self._connecting = task
        task.add_done_callback(self._connected, context=client._context)

    def _connected(self, task: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if task.cancelled():
            if not self._is_over:
                self.fail(HTTPStreamClosedError("Connecting was cancelled"))
            return
        error = task.exception()
        if self._is_over:
            if error is None:
                task.result().close()
        elif error is None:
            self._send(task.result())
        else:
            self.fail(error)

    def _send(self, connection: Connection) -> None:
        client = self._client
        self._connection = connection
        self.deadline = self._total_deadline
        if self.deadline != math.inf:
            client._deadlines.add(self)
        outgoing = self._outgoing
        try:
            body = outgoing.body
            has_body = body is not None or outgoing.producer is not None
            waits = self._awaits_continue = outgoing.continues and has_body
            joined = None if waits or body is None or len(body) > _JOINED else body
            connection.write_headers(*self._head, joined)
            connection.take_response(self, self._read)
            if not waits:
                self._send_body(None if joined is not None else body)
        except Exception as e:
            self.fail(e)

    def _send_body(self, body: bytes | None) -> None:
        """Send ``body``, or have it produced, and say that this was all."""
        connection = self._connection
        assert connection is not None
        if self._outgoing.body is None and self._outgoing.producer is not None:
            producing = self._context.run(self._outgoing.producer, self._write)
            if producing is not None:
                future = self._producing = self._context.run(gen.convert_yielded, producing)
                future.add_done_callback(self._produced, context=self._client._context)
                return
        elif body:
            connection.write(body)
        connection.finish()
        self._is_sent = True

    def _write(self, chunk: bytes) -> asyncio.Future[None]:
        """What a ``body_producer`` is given."""
        assert self._connection is not None
        try:
            return self._connection.write(chunk)
        except HTTPOutputError as e:
            self.fail(e)
            raise

    def _produced(self, future: asyncio.Future[Any]) -> None:
        self._producing = None
        if self._is_over or future.cancelled():
            if not future.cancelled():
                future.exception()  # what else went wrong is known already
            return
        connection = self._connection
        try:
            future.result()
            if connection is not None and not connection.stream.closed():
                connection.finish()
                self._is_sent = True
        except Exception as e:
            self.fail(e)

    # What the connection tells

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        if self._is_over:
            return
        assert isinstance(start_line, ResponseStartLine)
        code = start_line.code
        self._has_answer = True
        if code < 200 and code != 101:
            if code == 100 and self._awaits_continue:
                self._awaits_continue = False
                self._continue()
            return
        self._code = code
        self._reason = start_line.reason
        self._headers = headers
        jar = self._client.cookie_jar
        if jar is not None and "Set-Cookie" in headers:
            jar.store(self._outgoing.url, headers.get_list("Set-Cookie"))
        if is_redirect(code) and self._redirects_left > 0 and "Location" in headers:
            self._location = headers["Location"]
            return
        if self._decompress and "Content-Encoding" in headers:
            self._decoder = decoder_for(headers, self._client._body_limit)
        if self._header_callback is not None:
            self._tell_headers(start_line, headers)

    def _continue(self) -> None:
        try:
            self._send_body(self._outgoing.body)
        except Exception as e:
            self.fail(e)

    def _tell_headers(self, start_line: ResponseStartLine, headers: HTTPHeaders) -> None:
        callback = self._header_callback
        assert callback is not None
        run = self._context.run
        version, code, reason = start_line
        run(callback, f"{version} {code} {reason}\r\n")
        for name, value in headers.get_all():
            run(callback, f"{name}: {value}\r\n")
        run(callback, "\r\n")

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self._is_over:
            return None
        if self._location is not None:
            self._drop(chunk)
            return None
        if self._decoder is None:
            if self._streaming_callback is None:
                self._body.append(chunk)
                return None
            return self._stream(chunk)
        decoded = self._decoder.decode(chunk)
        for pieces, piece in enumerate(decoded, 1):
            waiting = None
            if self._streaming_callback is None:
                self._body.append(piece)
            else:
                waiting = self._stream(piece)
            if waiting is not None or pieces == _PIECES_PER_TURN:
                return self._decode_on(decoded, waiting)
        return None

    def _drop(self, chunk: bytes) -> None:
        """Read over the body of a redirect, unless a new connection costs less."""
        self._dropped += len(chunk)
        if self._dropped > _MOST_DROPPED and self._connection is not None:
            self._is_complete = True
            self._connection.close()

    def _stream(self, piece: bytes) -> asyncio.Future[Any] | None:
        """Give ``piece`` to the program; a future if it wants to be waited for."""
        assert self._streaming_callback is not None
        waiting = self._context.run(self._streaming_callback, piece)
        if waiting is None or not isawaitable(waiting):
            return None  # such as the number that the write method of a file returns
        return self._context.run(gen.convert_yielded, waiting)

    async def _decode_on(
        self, decoded: Iterator[bytes], waiting: asyncio.Future[Any] | None
    ) -> None:
        """Go on with ``decoded`` pieces while others have their turns."""
        while True:
            if waiting is not None:
                await waiting
            else:
                await asyncio.sleep(0)
            piece = next(decoded, None)
            if piece is None or self._is_over:
                return
            if self._streaming_callback is None:
                self._body.append(piece)
                waiting = None
            else:
                waiting = self._stream(piece)

    def finish(self) -> None:
        if self._decoder is not None:
            self._decoder.finish()
        self._is_complete = True

    def _read(self, usable: bool) -> None:
        """The response is complete, or will never be; the connection may be ``usable``."""
        if self._is_over:
            return
        connection = self._connection
        assert connection is not None
        self._connection = None
        if not self._is_complete:
            self._lost(connection)
            return
        if usable and self._is_sent and self._may_keep(connection):
            self._client._pool.keep(connection, _seconds_to_keep(self._headers))
        else:
            self._stop_producing()
            connection.close()
        if self._location is None:
            self._respond()
        else:
            self._redirect(self._location)

    def _may_keep(self, connection: Connection) -> bool:
        own = self._outgoing.headers
        if own and "close" in own.get("Connection", "").lower():
            return False
        return not connection.stream.writing()

    def _lost(self, connection: Connection) -> None:
        """The connection has closed before the response was complete."""
        connection.close()
        self._stop_producing()
        if (
            connection.was_kept
            and not self._has_answer
            and not connection.has_received
            and self._outgoing.may_be_repeated
        ):
            # It may have been closed while it was kept (RFC 9112 section 9.3.1); a new one cannot.
            self._reset()
            self._connect()
            return
        error = connection.stream.error
        if error is None:
            error = _reason_of(connection.error, bool(self._code))
        self.fail(error)

    def _redirect(self, location: str) -> None:
        try:
            self._outgoing = self._outgoing.redirected(self._code, location)
            self._redirects_left -= 1
            self._ask()
        except Exception as e:
            self.fail(e)

    # Ends

    def _respond(self) -> None:
        body = self._body
        buffer = BytesIO(body[0] if len(body) == 1 else b"".join(body))
        self.finish_with(
            HTTPResponse(
                self._request.request,
                self._code,
                headers=self._headers,
                buffer=buffer,
                effective_url=self._outgoing.url,
                reason=self._reason,
                request_time=self._elapsed(),
                start_time=self._began_at,
                time_info=self._time_info(),
            )
        )

    def _elapsed(self) -> float | None:
        return None if self._began is None else self._client._time() - self._began

    def _time_info(self) -> dict[str, float]:
        began = self._began
        return {} if began is None else {"queue": began - self._queued_at}

    def fail(self, error: BaseException) -> None:
        """End the fetch with ``error``."""
        if self._is_over:
            return
        response = HTTPResponse(
            self._request.request,
            599,
            error=error,
            request_time=self._elapsed(),
            start_time=self._began_at,
            time_info=self._time_info(),
        )
        self.finish_with(response)

    def expire(self) -> None:
        """It took too long."""
        if self._began is None:
            self.fail(HTTPTimeoutError("Timeout in request queue"))
        else:
            self.fail(HTTPTimeoutError("Timeout during request"))

    def cancel(self) -> None:
        """Nobody wants the response any more."""
        if not self._is_over:
            self.finish_with(None)

    def _abandon(self) -> None:
        """Close the descriptor of a connection in use; the loop does nothing any more."""
        if self._connection is not None:
            self._connection.stream.close_fd()

    def finish_with(self, response: HTTPResponse | None) -> None:
        """Give up what is held, free the place, and hand over ``response``, if there is one."""
        self._is_over = True
        self._client._deadlines.discard(self)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._stop_producing()
        self._client._release(self)
        # What is cancelled refers to this, which is not to refer to it for ever.
        callback, self._callback = self._callback, None
        if response is not None and callback is not None:
            try:
                callback(response)
            except Exception:
                app_log.error("Uncaught exception", exc_info=True)

    def _stop_producing(self) -> None:
        producing, self._producing = self._producing, None
        if producing is not None and not producing.done():
            producing.cancel()


def _reason_of(refused: HTTPInputError | None, has_begun: bool) -> Exception:
    """What a fetch raises when the server's end, or what it sent, was the end of it."""
    if refused is not None and refused.status == 431:
        # What reading a head beyond ``max_header_size`` is for a stream.
        return UnsatisfiableReadError(str(refused))
    is_cut = has_begun or refused is not None
    error = HTTPStreamClosedError("Connection closed" if is_cut else "Stream closed")
    error.__cause__ = refused
    return error


def _add_cookies(headers: HTTPHeaders, cookies: str | None) -> None:
    """Add what a jar has to what the caller wants to be sent."""
    if cookies is not None:
        own = headers.get("Cookie")
        headers["Cookie"] = cookies if own is None else f"{own}; {cookies}"


def _seconds_to_keep(headers: HTTPHeaders | None) -> float:
    """How long the server says that it keeps a connection, less a second to be on the safe side."""
    if headers is None or "Keep-Alive" not in headers:
        return math.inf
    for option in headers["Keep-Alive"].split(",")[:8]:
        name, _, value = option.strip(" \t").partition("=")
        if name.lower() == "timeout" and value.isascii() and value.isdigit() and len(value) < 10:
            return max(int(value) - 1, 0)
    return math.inf
