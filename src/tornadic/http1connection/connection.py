"""One connection, one message at a time, in each direction.

The connection is the sink of its stream.  It feeds the reader, hands what the reader finds to a
delegate, and writes what the program answers.  On a server it goes from message to message by
itself, without a task: a request that was answered while it was handed on costs no turn of the
loop, and the next one that is here already follows in the same turn, up to a bound.  Its states
are in `tornadic.http1connection.states`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from tornadic import gen
from tornadic.concurrent import future_set_result_unless_cancelled
from tornadic.http.errors import HTTPInputError, HTTPOutputError
from tornadic.http.headers import HTTPHeaders
from tornadic.http.interfaces import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
)
from tornadic.http.reader import HEAD, MORE, RequestReader, ResponseReader
from tornadic.http.startlines import RequestStartLine, ResponseStartLine
from tornadic.http.statuses import error_response
from tornadic.http.writer import MessageWriter
from tornadic.http1connection.clock import http_date
from tornadic.http1connection.deadlines import LINGER_BYTES, Deadlines
from tornadic.http1connection.decompress import InflatingDelegate
from tornadic.http1connection.parameters import HTTP1ConnectionParameters
from tornadic.http1connection.preencoded import split_response
from tornadic.http1connection.states import _BODY, _CLOSED, _HEAD, _IDLE, _LINGERING, _RESPONDING
from tornadic.http1connection.sweeper import Sweeper
from tornadic.iostream import IOStream, StreamClosedError
from tornadic.log import app_log, gen_log

if TYPE_CHECKING:
    from tornadic.http1connection.server import HTTP1ServerConnection

__all__ = ["HTTP1Connection"]

EVENTS_PER_TURN: Final = 64
"""Heads, pieces and ends handled before other connections get their turn."""

MAX_BUFFERED: Final = 65536
"""Bytes held back while nobody can take them; then the stream stops reading."""

MAX_INFORMATIONAL: Final = 10
"""1xx responses that a client takes before the final one."""


class HTTP1Connection(HTTPConnection, Deadlines):
    """HTTP/1.x on ``stream``, as a client or for a server.

    ``params`` are limits and times (None: the defaults); ``context`` is anything, given to the
    program as ``connection.context``.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_advancing",
        "_blocked",
        "_close_callback",
        "_delegate",
        "_expects_continue",
        "_held_since",
        "_informational",
        "_is_held",
        "_keep_alive",
        "_max_body_size",
        "_method",
        "_peer_closed",
        "_reader",
        "_responded",
        "_response_future",
        "_server",
        "_server_delegate",
        "_stalled",
        "_started",
        "_version",
        "_writer",
        "answer_callback",
        "context",
        "is_client",
        "params",
        "stream",
    )

    def __init__(
        self,
        stream: IOStream,
        is_client: bool,
        params: HTTP1ConnectionParameters | None = None,
        context: object | None = None,
    ) -> None:
        self.stream = stream
        self.is_client = is_client
        self.params = params if params is not None else HTTP1ConnectionParameters()
        self.context = context
        reader = ResponseReader if is_client else RequestReader
        self._reader: RequestReader | ResponseReader = reader(self.params.limits)
        self._writer = MessageWriter()
        self._delegate: HTTPMessageDelegate | None = None
        self._server: HTTP1ServerConnection | None = None
        self._server_delegate: HTTPServerConnectionDelegate | None = None
        self._close_callback: Callable[[], Any] | None = None
        # Called when the answer is complete, or never will be; until it is taken back.
        self.answer_callback: Callable[[], Any] | None = None
        self._response_future: asyncio.Future[bool] | None = None
        self._sweeper: Sweeper | None = None
        self._state = _IDLE
        self._since = 0.0
        self._method = ""
        self._version = ""
        self._keep_alive = not self.params.no_keep_alive
        self._expects_continue = False
        self._informational = 0
        # The status of the head that the program wrote last, 200 for a request; 0: none yet.
        self._started = 0
        # The program's answer to this message is complete.
        self._responded = False
        # No event is asked of the reader: the program answers, or a delegate is waited for.
        self._blocked = False
        # Events are being handled further up the stack.
        self._advancing = False
        # The stream does not read, for too much is held back.
        self._stalled = False
        # A delegate's awaitable, or our next turn, is waited for.
        self._is_held = False
        # The stream has closed while a client's delegate was waited for.
        self._peer_closed = False
        self._body_timeout: float | None = None
        self._max_body_size: int | None = None
        self._held_since: float | None = None
        self._progress = 0
        self._write_since: float | None = None
        self._write_generation = 0

    # Reading

    def serve(self, server: HTTP1ServerConnection, delegate: HTTPServerConnectionDelegate) -> None:
        """Take requests from the stream, and ask ``delegate`` who takes each; tell ``server``."""
        self._server = server
        self._server_delegate = delegate
        self._watch()
        # The first request is given the time of a head, not of a pause between two.
        self._state = _HEAD
        self.stream.attach_sink(self)

    def read_response(self, delegate: HTTPMessageDelegate) -> asyncio.Future[bool]:
        """Read one message and hand it to ``delegate``; on a client this is the response.

        The future is done when it is complete, or cannot be completed: True if the connection is
        of further use.
        """
        if self._response_future is not None:
            raise RuntimeError("A message is being read already")
        future: asyncio.Future[bool] = self.stream.io_loop.asyncio_loop.create_future()
        self._response_future = future
        self._begin_message(delegate)
        if self.params.header_timeout or self.params.body_timeout or self._body_timeout:
            self._watch()
        self.stream.attach_sink(self)
        return future

    def _begin_message(self, delegate: HTTPMessageDelegate) -> None:
        self._delegate = self._inflating(delegate) if self.params.decompress else delegate
        self._informational = 0
        self._blocked = False
        self._state = _HEAD
        if isinstance(self._reader, ResponseReader):
            self._reader.request_method = self._method

    def feed(self, data: bytes) -> None:
        """Take bytes from the stream; not for programs."""
        if self._state is _LINGERING:
            self._progress += len(data)
            if self._progress > LINGER_BYTES:
                self.stream.close()
            return
        self._reader.feed(data)
        if not self._blocked:
            self._advance()
        elif self._reader.buffered >= MAX_BUFFERED:
            self._stalled = True
            self.stream.pause_reading()

    def _advance(self, ended: bool = False) -> None:
        """Hand on what the reader finds, until it needs more or the program has to answer.

        ``ended``: the message is complete, and its delegate has not been told yet.
        """
        reader = self._reader
        self._advancing = self._blocked = True
        try:
            if ended and not self._on_end():
                return
            for _ in range(EVENTS_PER_TURN):
                event = reader.next_event()
                if event is HEAD:
                    waiting = self._on_head()
                    ended = not reader.framing.body
                elif isinstance(event, bytes):
                    waiting = self._on_data(event)
                    ended = False
                elif event is None:
                    self._blocked = False
                    self._await_bytes()
                    return
                elif event is MORE:
                    break
                else:
                    waiting = None
                    ended = True
                if waiting is not None:
                    self._hold(waiting, ended)
                    return
                if ended:
                    if not self._on_end():
                        return
                elif self._state is _CLOSED or (self._server is not None and self.stream.closed()):
                    return
            # Let the others have their turn.
            self._is_held = True
            self._soon(self._take_turn)
        except HTTPInputError as e:
            self._refuse(e)
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
            self._give_up()
        except BaseException:
            self._give_up()
            raise
        finally:
            self._advancing = False

    def _soon(self, function: Callable[[], None]) -> None:
        # In the connection's own context: a request does not inherit from the one before.
        stream = self.stream
        stream.io_loop.asyncio_loop.call_soon(function, context=stream.context)

    def _take_turn(self) -> None:
        self._is_held = False
        self._continue()

    def _continue(self) -> None:
        if self._state is not _CLOSED and self._state is not _LINGERING:
            self._advance()

    def _await_bytes(self) -> None:
        """Nothing more can be made of what came: note for what we wait, and read on."""
        reader = self._reader
        if self._peer_closed:
            self._peer_closed = False
            self.stream_closed()
            return
        if reader.in_message:
            if self._responded and not self._keep_alive:
                # The answer is complete, and the rest of the request is of no interest.
                self._blocked = True
                self._linger()
                return
            if self._expects_continue and self._started < 200 and not reader.buffered:
                self._expects_continue = False
                self.stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self._state is not _BODY:
                self._enter(_BODY)
        elif self._state is _IDLE and reader.buffered:
            self._enter(_HEAD)
        if self._stalled:
            self._unstall()

    def _unstall(self) -> None:
        self._stalled = False
        self.stream.resume_reading()

    def _on_head(self) -> Awaitable[None] | None:
        reader = self._reader
        server_delegate = self._server_delegate
        if server_delegate is None:
            return self._on_lone_head()
        start_line = reader.start_line
        framing = reader.framing
        self._method = start_line[0]
        self._version = start_line[2]
        self._keep_alive = framing.keep_alive and not self.params.no_keep_alive
        self._expects_continue = framing.expects_continue
        delegate = server_delegate.start_request(self._server, self)
        if self.params.decompress:
            delegate = self._inflating(delegate)
        self._delegate = delegate
        return delegate.headers_received(start_line, reader.headers)

    def _inflating(self, delegate: HTTPMessageDelegate) -> HTTPMessageDelegate:
        params = self.params
        return InflatingDelegate(delegate, params.max_body_size, params.chunk_size)

    def _on_lone_head(self) -> Awaitable[None] | None:
        """The head of the one message of `read_response`."""
        reader = self._reader
        start_line = reader.start_line
        if isinstance(start_line, ResponseStartLine):
            if start_line.code < 200 and start_line.code != 101:
                self._informational += 1
                if self._informational > MAX_INFORMATIONAL:
                    raise HTTPInputError("Too many 1xx responses")
            else:
                self._informational = -1
            if start_line.code < 200 or start_line.code == 204:
                length = reader.headers.get("Content-Length", "0")
                if length != "0" or "Transfer-Encoding" in reader.headers:
                    raise HTTPInputError(
                        f"Response with code {start_line.code} should not have body"
                    )
        else:
            self._method, _, self._version = start_line
        self._keep_alive = reader.framing.keep_alive and not self.params.no_keep_alive
        if self._max_body_size is not None:
            reader.max_body_size = self._max_body_size
        if self._delegate is None:
            return None
        return self._delegate.headers_received(start_line, reader.headers)

    def _on_data(self, data: bytes) -> Awaitable[None] | None:
        self._progress += len(data)
        self._expects_continue = False
        if self._delegate is None or self._responded:
            if self._progress > LINGER_BYTES and self._responded:
                self._keep_alive = False  # it takes too long to get to the next request
            return None
        return self._delegate.data_received(data)

    def _on_end(self) -> bool:
        """The message is complete; whether to go on with what is here."""
        if self._state is _CLOSED:
            return False
        if self.is_client and self._informational >= 0:
            return True
        self._state = _RESPONDING
        if not self._responded and self._delegate is not None:
            try:
                self._delegate.finish()
            except BaseException:
                if self._state is _RESPONDING and self._close_callback is None:
                    self._state = _BODY  # for the delegate it is not complete, and never will be
                raise
        if self._responded:
            return self._state is _RESPONDING and self._end_exchange()
        if self._server is None and self._state is _RESPONDING:
            self._end_reading(self._keep_alive)
        return False

    def _hold(self, waiting: Awaitable[None], ended: bool) -> None:
        """Ask for no further event until ``waiting`` is done; ``ended`` if that was the last."""
        if self._sweeper is not None:
            self._held_since = self._sweeper.now
        self._is_held = True
        gen.convert_yielded(waiting).add_done_callback(
            lambda done: self._release(done, ended), context=self.stream.context
        )

    def _release(self, future: asyncio.Future[Any], ended: bool) -> None:
        self._is_held = False
        if self._held_since is not None and self._sweeper is not None:
            # The time that we took is not the peer's.
            self._since += self._sweeper.now - self._held_since
            self._held_since = None
        try:
            future.result()
        except HTTPInputError as e:
            self._refuse(e)
            return
        except (Exception, asyncio.CancelledError) as e:
            # At the end of a program whoever takes requests is cancelled, and nothing is wrong.
            is_cancelled = self._server is not None and isinstance(e, asyncio.CancelledError)
            if not is_cancelled and not isinstance(e, StreamClosedError):
                app_log.error("Uncaught exception", exc_info=True)
            self._give_up()
            return
        if self._state is not _CLOSED and self._state is not _LINGERING:
            self._advance(ended)

    def _refuse(self, error: HTTPInputError) -> None:
        """The peer sent what is no HTTP: say so if that is still possible, and close."""
        what = "Unsatisfiable read" if error.status == 431 else "Malformed HTTP message"
        gen_log.info("%s from %s: %s", what, self.context, error)
        if self._state is _CLOSED:
            return
        delegate, self._delegate = self._delegate, None
        self._blocked = True
        if delegate is not None and self._state is not _RESPONDING and not self._responded:
            self._close_callback = None
            try:
                delegate.on_connection_close()
            except Exception:
                app_log.error("Uncaught exception", exc_info=True)
        if self.is_client or self._started >= 200 or self.stream.closed():
            self._give_up()
            return
        self.stream.send(error_response(error.status, http_date(time.time())))
        # Whoever was at work on the request is no more to answer it than if the stream had closed.
        self._started = error.status
        self._linger()

    # The end of an exchange

    def _end_exchange(self) -> bool:
        """Request and response are complete; whether a further one is here already."""
        self._delegate = None
        self._close_callback = None
        stream = self.stream
        if self._keep_alive and not stream.closed():
            if stream.writing():
                # Whoever does not read the answers gets no more of them.
                self._blocked = True
                stream.drained().add_done_callback(self._answer_sent, context=stream.context)
                return False
            self._state = _IDLE
            self._since = self._sweeper.now if self._sweeper is not None else 0.0
            self._started = self._responded = False
            self._method = ""
            self._body_timeout = None
            self._progress = 0
            if self._reader.forget_head():
                return True
            self._blocked = False
            if self._stalled:
                self._unstall()
            return False
        self._blocked = True
        reader = self._reader
        if reader.buffered or reader.in_message or reader.framing.keep_alive:
            # There may be more on its way from a client that did not ask to close.
            self._linger()
        else:
            stream.close_when_written()
        return False

    def _answer_sent(self, drained: asyncio.Future[None]) -> None:
        if drained.exception() is None and self._state is _RESPONDING and self._end_exchange():
            self._continue()

    def _end_reading(self, usable: bool) -> None:
        """The one message of `read_response` is over; the stream is its owner's again."""
        future = self._response_future
        self._response_future = self._delegate = None
        self._max_body_size = self._body_timeout = None
        if self._sweeper is not None:
            self._sweeper.discard(self)
            self._sweeper = None
        self._state = _CLOSED
        self._blocked = True
        if not self.stream.closed():
            if usable or not self.is_client:
                self.stream.detach_sink(self._reader.take_rest())
            elif self.is_client:
                self.stream.close()
        if future is not None:
            future_set_result_unless_cancelled(future, usable and not self.stream.closed())

    def stream_closed(self) -> None:
        """Take note that the stream has closed; not for programs."""
        if self._state is _CLOSED:
            return
        if self._server is None:
            if self._is_held:
                # The delegate first takes what had come before.
                self._peer_closed = True
                return
            if self._reader.in_message and self._take_end():
                return
        self._end_connection()

    def _take_end(self) -> bool:
        """Read what is left before the stream's end; whether that is seen to."""
        try:
            self._reader.feed_eof()
        except HTTPInputError:
            return False
        self._keep_alive = False
        self._advance()
        return self._state is _CLOSED or self._is_held

    def _give_up(self) -> None:
        """Close the stream, and be done with it even if it has closed before."""
        self._peer_closed = False
        if self._state is _CLOSED:
            return  # detached, so that the stream is somebody else's, or over already
        if not self.stream.closed():
            self.stream.close()
        else:
            self._end_connection()

    def _end_connection(self) -> None:
        """Nothing more will come, or can be sent: tell everyone who waits."""
        state = self._state
        self._state = _CLOSED
        self._blocked = True
        if self._sweeper is not None:
            self._sweeper.discard(self)
        delegate, callback = self._delegate, self._close_callback
        self._delegate = self._close_callback = None
        if self.answer_callback is not None:
            self.answer_callback()
        try:
            if delegate is not None and state is not _RESPONDING and not self._responded:
                delegate.on_connection_close()
            elif callback is not None:
                callback()
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
        if self._server is not None:
            self._server.connection_closed()
        else:
            self._end_reading(False)

    def close(self) -> None:
        """Close the stream."""
        self.stream.close()

    def finish_soon(self, params: HTTP1ConnectionParameters) -> None:
        """See `HTTP1ServerConnection.finish_soon`."""
        self.params = params
        self._keep_alive = False
        if self._state in (_IDLE, _HEAD) and not (self._reader.buffered or self._is_held):
            self.stream.close()

    def detach(self) -> IOStream:
        """Give up the stream, with all that was not read yet, for another protocol.

        A request may be being handled, if nothing was written to it, or all (like a 101).
        """
        stream = self.stream
        stream.detach_sink(self._reader.take_rest())
        self._state = _CLOSED
        self._method = ""  # what comes after is another protocol's
        self._writer.left = 0
        self._blocked = True
        if self.answer_callback is not None:
            self.answer_callback()
        self._delegate = self._close_callback = None
        if self._sweeper is not None:
            self._sweeper.discard(self)
        future, self._response_future = self._response_future, None
        if future is not None:
            future_set_result_unless_cancelled(future, False)
        if self._server is not None:
            self._server.connection_closed()
        return stream

    # Writing

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> asyncio.Future[None]:
        """Write a head, and ``chunk``, the first piece of the body, with it.

        ``headers`` gets what the framing takes.  Raises ValueError if a control character would
        go out, `HTTPOutputError` if ``chunk`` is longer than the declared length, RuntimeError on
        a server if there is no request to answer, or it has been answered.
        """
        writer = self._writer
        if self._started or not self._method:
            if self._is_refused:
                return self._never_sent()
            self._check_turn()
        try:
            if self.is_client:
                assert isinstance(start_line, RequestStartLine)
                self._method = start_line.method
                data = writer.request_head(start_line.method, start_line.path, headers)
                if chunk:
                    data += writer.data(chunk)
                self._started = 200
            else:
                _, code, reason = start_line
                if self._expects_continue:
                    self._give_up_waiting(code)  # type: ignore[arg-type]
                if "Date" not in headers._fields and code >= 200:  # type: ignore[operator]
                    # Handlers have one; of others RFC 9110 section 6.6.1 asks it, too.
                    headers._fields["Date"] = http_date(time.time())
                data = writer.response_head(
                    code,  # type: ignore[arg-type]
                    reason,
                    headers,
                    self._method,
                    self._version,
                    self._keep_alive,
                    chunk,
                )
                self._keep_alive = writer.keep_alive
                self._started = code  # type: ignore[assignment]
        except HTTPOutputError:
            writer.left = 0  # without a head there is no body
            raise
        stream = self.stream
        return stream.nothing_waits if stream.send(data) else stream.drained()

    @property
    def _is_refused(self) -> bool:
        """Whether we have answered instead of the program."""
        return self._state is _LINGERING and not self._responded

    def _never_sent(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self.stream.io_loop.asyncio_loop.create_future()
        future.set_exception(StreamClosedError())
        future.exception()  # who does not wait for it need not know
        return future

    def _check_turn(self) -> None:
        """Raise RuntimeError unless a head may be written: a request, or a first answer to one."""
        if self._server is not None and (self._responded or not self._method):
            raise RuntimeError("There is no request to answer")
        if not self.is_client and (self._started >= 200 or self._started == 101):
            raise RuntimeError("The answer has begun already")

    def _give_up_waiting(self, code: int) -> None:
        """The client may wait for a 100, and is answered with ``code``."""
        if code == 100:
            self._expects_continue = False
        elif code >= 200 and self._reader.in_message:
            # A body that may come or not cannot be told from the next request.
            self._keep_alive = False

    def write(self, chunk: bytes) -> asyncio.Future[None]:
        """Write a piece of the body; the future is done when the kernel has taken it.

        Raises `HTTPOutputError`, and closes, if it is more than the declared length.  Deprecated:
        without `write_headers`, a server's first ``chunk`` is a whole encoded head and maybe more.
        """
        stream = self.stream
        if self._is_refused:
            return self._never_sent()
        try:
            if self._started or not chunk or self._server is None or not self._method:
                data = self._writer.data(chunk)
            else:
                return self.write_headers(*split_response(chunk))
        except HTTPOutputError:
            stream.close()
            raise
        return stream.nothing_waits if stream.send(data) else stream.drained()

    def finish(self) -> None:
        """The message that was written is complete.

        Raises `HTTPOutputError`, and closes, if it is less than the declared length;
        `RuntimeError` if none was begun since the last one.
        """
        if self._started < 200 and self._started != 101:
            raise RuntimeError("finish() without write_headers()")
        stream = self.stream
        if self._writer.left != 0 and not stream.closed():
            try:
                tail = self._writer.end()
            except HTTPOutputError:
                stream.close()
                raise
            if tail:
                stream.send(tail)
        if self._server is None:
            self._started = 0
            return
        self._responded = True
        self._close_callback = None
        if self._advancing or self._state is not _RESPONDING:
            # Whoever hands the request on sees to what is next, once it is read to its end.
            if self._state is not _RESPONDING:
                # What still comes of the request has as much time as what is thrown away.
                self._enter(self._state)
                self._progress = 0
                if self._delegate is not None:
                    self._delegate.answered()
            if self._expects_continue:
                self._give_up_waiting(200)
            if not self._keep_alive and not self._advancing and self._state is _BODY:
                self._blocked = True
                self._linger()
            return
        if self.answer_callback is not None:
            self.answer_callback()
        if self._end_exchange():
            self._soon(self._continue)

    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        """Call ``callback`` if the connection closes before the answer is complete."""
        self._close_callback = callback

    def set_max_body_size(self, max_body_size: int) -> None:
        """Let the body of this message have ``max_body_size`` bytes; before it is read."""
        self._max_body_size = self._reader.max_body_size = max_body_size
        if isinstance(self._delegate, InflatingDelegate):
            self._delegate.max_body_size = max_body_size
