"""One connection after the handshake, of a server or of a client.

It is the sink of its stream: what one look at the kernel has brought goes to the reader, and each
message that comes out is handed to the program by a plain call.  Nothing is made per message.
If the program returns something to be waited for, that is held on to, and meanwhile what comes is
kept, up to a bound; beyond it the stream stops reading, and the peer's kernel notices.

The end is `_tell`: whatever happens, the program hears of it once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Protocol

from tornadic import gen
from tornadic._tasks import start
from tornadic.frames.codes import BINARY, CLOSE, FAIL, MESSAGE_TOO_BIG, PING, TEXT
from tornadic.frames.deflate import DeflateOptions
from tornadic.frames.reader import MessageReader
from tornadic.frames.writer import encode_close
from tornadic.http1connection.sweeper import Sweeper
from tornadic.log import app_log, gen_log
from tornadic.websocket.parameters import (
    CLOSE_TIMEOUT,
    LINGER_BYTES,
    MAX_UNREAD,
    READ_SIZE,
    Parameters,
)
from tornadic.websocket.registry import OpenConnections
from tornadic.websocket.sending import Sender
from tornadic.websocket.states import CLOSED, CLOSING, ENDING, OPEN

if TYPE_CHECKING:
    from types import TracebackType

    from tornadic.frames.deflate import Deflate
    from tornadic.frames.reader import Event
    from tornadic.iostream import IOStream

__all__ = ["Delegate", "WebSocketProtocol"]

_GOING_AWAY: Final = 1001
_INTERNAL_ERROR: Final = 1011


class Delegate(Protocol):
    """What a connection tells the program: a handler, or the client's object."""

    def on_message(self, message: str | bytes) -> Awaitable[None] | None: ...
    def on_ping(self, data: bytes) -> Any: ...
    def on_pong(self, data: bytes) -> Any: ...
    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None: ...
    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...
    def _take_rest(self) -> None:
        """Take all that has come at once, for the stream has ended."""


class WebSocketProtocol(Sender):
    """WebSocket on a stream, for ``handler``: what ``ws_connection`` is.

    ``mask_outgoing``: whether this is a client, whose frames are masked.  ``close_code`` and
    ``close_reason`` are the peer's, or ours if it broke the protocol; None if there are none.
    ``selected_subprotocol`` is what both agreed on, or None.
    """

    __slots__ = (
        "_deadline",
        "_events",
        "_is_held",
        "_is_told",
        "_lingered",
        "_ping_at",
        "_pong_by",
        "_reader",
        "_stream_ended",
        "_task",
        "_unread",
        "_unread_size",
        "close_code",
        "close_reason",
        "handler",
        "selected_subprotocol",
    )

    def __init__(self, handler: Delegate, mask_outgoing: bool, params: Parameters) -> None:
        super().__init__()
        self.handler = handler
        self.mask_outgoing = mask_outgoing
        self.params = params
        self.selected_subprotocol: str | None = None
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._state = OPEN
        # The program is waited for, or our next turn; nothing is handed on.
        self._is_held = False
        self._task: asyncio.Future[Any] | None = None
        # What has come meanwhile: events, and bytes behind them.
        self._events: list[Event] | None = None
        self._unread: list[bytes] | None = None
        self._unread_size = 0
        self._stream_ended = False
        self._is_told = False
        self._lingered = 0
        # By the loop's clock: when something has to happen.
        self._deadline = self._ping_at = self._pong_by = math.inf

    # The beginning

    def start(
        self,
        stream: IOStream,
        deflate: Deflate | None = None,
        options: DeflateOptions | None = None,
        opening: Callable[[], Any] | None = None,
    ) -> None:
        """Take what comes on ``stream``; ``opening`` is called first, and waited for.

        ``deflate`` is what was agreed on about compression, ``options`` how this side does it.
        """
        is_server = not self.mask_outgoing
        inflater = None
        if deflate is not None:
            inflater = deflate.inflater(is_server=is_server)
            self._compressor = deflate.compressor(options or DeflateOptions(), is_server=is_server)
        self._reader = MessageReader(
            expects_mask=is_server,
            max_message_size=self.params.max_message_size,
            inflater=inflater,
        )
        self.stream = stream
        # What a handler has set, such as context variables, is there for its messages too.
        stream.context = copy_context()
        io_loop = stream.io_loop
        io_loop.shared(OpenConnections).add(self)
        self._is_held = True
        self.stream.attach_sink(self)
        interval = self.params.ping_interval
        if interval < math.inf:
            self._ping_at = io_loop.asyncio_loop.time() + interval
            io_loop.shared(Sweeper).add(self)
        if opening is None or self._call(opening):
            self._release()

    # What comes

    def feed(self, data: bytes) -> None:
        """Take bytes from the stream; not for programs."""
        if not self._is_held and (self._state is OPEN or self._state is CLOSING):
            events = self._reader.feed(data)
            if len(events) == 1:
                kind, value = events[0]
                if 0 < kind <= BINARY and not self._reader.waiting:
                    # What comes most is one message at a time, whose handler does not wait.
                    try:
                        waiting = self.handler.on_message(value)  # type: ignore[arg-type]
                    except (Exception, asyncio.CancelledError):
                        self._program_failed()
                        return
                    if waiting is not None and self._waits(waiting):
                        self._is_held = True
                    return
            if events or self._reader.waiting:
                self._hand_on(events)
            elif len(data) >= self.stream.read_chunk_size:
                self.stream.read_chunk_size = READ_SIZE  # it is a large message, and more will come
        elif self._state is ENDING:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.stream.close()
        elif self._state is not CLOSED:
            if self._unread is None:
                self._unread = []
            self._unread.append(data)
            self._unread_size += len(data)
            if self._unread_size >= MAX_UNREAD:
                self.stream.pause_reading()

    def _hand_on(self, events: list[Event]) -> None:
        """Hand ``events`` to the program, until it has to be waited for."""
        self._is_held = True  # what is fed by whoever is called here has to wait
        self._cork = None if self._stream_ended else []
        try:
            for number, (kind, value) in enumerate(events):
                if not self._handle(kind, value):
                    if self._state is OPEN or self._state is CLOSING:
                        self._events = events[number + 1 :]
                    return
        finally:
            self._send_corked()
            self._cork = None
        if self._reader.waiting:
            # Let the others have their turn.
            stream = self.stream
            stream.io_loop.asyncio_loop.call_soon(self._release, context=stream.context)
        else:
            self._is_held = False

    def _handle(self, kind: int, value: Any) -> bool:
        """Take one event; whether the next may follow now."""
        if kind in (TEXT, BINARY):
            return self._call(self.handler.on_message, value)
        if kind == CLOSE:
            self._closed_by_peer(*value)
            return False
        if kind == FAIL:
            # What is only too long is not malformed.
            level = logging.DEBUG if value[0] == MESSAGE_TOO_BIG else logging.INFO
            gen_log.log(level, "Malformed WebSocket from %s: %s (%d)", self._peer(), *value[::-1])
            self._fail(*value)
            return False
        if kind == PING:
            if self._state is OPEN:
                self._answer_ping(value)
            return self._call(self.handler.on_ping, value)
        self._pong_by = math.inf
        return self._call(self.handler.on_pong, value)

    def _peer(self) -> object:
        request = getattr(self.handler, "request", None)
        return getattr(request, "remote_ip", None) or "the server"

    def _call(self, callback: Callable[..., Any], *args: Any) -> bool:
        """Call the program; whether it needs no more time, and the connection is still there."""
        try:
            waiting = callback(*args)
        except (Exception, asyncio.CancelledError):
            self._program_failed()
            return False
        if waiting is not None and self._waits(waiting):
            return False
        return self._state is OPEN or self._state is CLOSING

    def _waits(self, waiting: Any) -> bool:
        """Whether ``waiting`` is not done yet; then `_resume` is called when it is."""
        try:
            if type(waiting) is CoroutineType:
                future: asyncio.Future[Any] = start(waiting, self.stream.io_loop.asyncio_loop)
            else:
                future = gen.convert_yielded(waiting)
            if future.done():
                future.result()
                return False
        except (Exception, asyncio.CancelledError):
            self._program_failed()
            return True
        self._task = future
        future.add_done_callback(self._resume, context=self.stream.context)
        return True

    def _resume(self, future: asyncio.Future[Any]) -> None:
        """The program has done what it was waited for."""
        self._task = None
        try:
            future.result()
        except (Exception, asyncio.CancelledError):
            # At the end of a loop all tasks are cancelled, and nothing is wrong.
            self._program_failed(isinstance(future, asyncio.Task) and future.cancelling() > 0)
        else:
            self._release()

    def _release(self) -> None:
        """Go on with what has come while nothing could be handed on."""
        while self._state is OPEN or self._state is CLOSING:
            self._is_held = False
            events, self._events = self._events, None
            if events is None and self._reader.waiting:
                events = self._reader.feed(b"")
            if events is None:
                unread, self._unread = self._unread, None
                self._unread_size = 0
                if not unread:
                    break
                events = self._reader.feed(b"".join(unread))
            self._hand_on(events)
            if self._is_held and (self._state is OPEN or self._state is CLOSING):
                return
        self.stream.resume_reading()
        if self._stream_ended:
            self._forget_stream()

    # The end

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Begin to close, if that has not begun; see `.WebSocketHandler.close`."""
        if self._state is not OPEN:
            return
        frame = encode_close(code, reason, mask=self.mask_outgoing)
        self._send_last(frame)
        self._enter(CLOSING)

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more: either side closes, or the connection is gone."""
        return self._state is not OPEN

    @property
    def client_terminated(self) -> bool:
        """Whether nothing more will come from the peer."""
        return self._state is ENDING or self._state is CLOSED

    @property
    def server_terminated(self) -> bool:
        """Whether nothing more will be sent."""
        return self._state is not OPEN

    def _send_last(self, frame: bytes) -> None:
        self._send_corked()
        self.stream.send(frame)

    def _enter(self, state: Any) -> None:
        """Go to CLOSING or ENDING, which have a time of their own."""
        self._state = state
        if self._stream_ended:
            self._forget_stream()
        if self.stream.closed():
            return  # which `stream_closed` is about to see to
        io_loop = self.stream.io_loop
        self._deadline = io_loop.asyncio_loop.time() + CLOSE_TIMEOUT
        io_loop.shared(Sweeper).add(self)

    def _closed_by_peer(self, code: int | None, reason: str) -> None:
        """The peer's close frame has come: answer it, and let the server end TCP."""
        self.close_code = code
        self.close_reason = reason or None
        if self._state is OPEN:
            self._send_last(encode_close(code, mask=self.mask_outgoing))
        self._enter(ENDING)
        self._tell()
        if self.mask_outgoing:
            self.stream.resume_reading()  # the server closes first (RFC 6455 section 7.1.1)
        else:
            self.stream.close_when_written()

    def _fail(self, code: int, reason: str, later: bool = False) -> None:
        """The connection cannot go on: say why, and end it (RFC 6455 section 7.1.7).

        ``later``: the program is told in the loop's next turn.
        """
        if self._state is not OPEN and self._state is not CLOSING:
            return
        self.close_code, self.close_reason = code, reason
        if self._state is OPEN:
            self._send_last(encode_close(code, reason, mask=self.mask_outgoing))
        self._enter(ENDING)
        if later:
            stream = self.stream
            stream.io_loop.asyncio_loop.call_soon(self._tell, context=stream.context)
        else:
            self._tell()
        self._drop_rest()

    def _drop_rest(self) -> None:
        """Throw away what still comes, so that TCP is not reset under our last frame."""
        self._events = self._unread = None
        stream = self.stream
        if stream.closed():
            return
        stream.resume_reading()
        stream.drained().add_done_callback(self._half_close)

    def _half_close(self, drained: asyncio.Future[None]) -> None:
        if drained.exception() is None and not self.stream.closed():
            self.stream.shutdown_write()

    def _program_failed(self, is_cancelled: bool = False) -> None:
        """An exception of the program is being handled; ``is_cancelled``: somebody's wish."""
        if is_cancelled:
            self._fail(_GOING_AWAY, "going away")
            return
        try:
            self.handler.log_exception(*sys.exc_info())
        except Exception:
            app_log.error("Error in exception logger", exc_info=True)
        self._fail(_INTERNAL_ERROR, "internal error")

    def stream_closed(self) -> None:
        """Take note that the stream has closed; not for programs."""
        # A program that is busy is told at once if that was all: it may be busy for as long as the
        # connection lasts.  Otherwise what has come before is handed on first.
        more = self._events or self._unread or self._reader.waiting
        is_all = self._task is not None and not (more or self.mask_outgoing)
        if self._is_held and not is_all and self._state is not ENDING:
            self._stream_ended = True
            self.handler._take_rest()
        else:
            self._forget_stream()

    def _forget_stream(self) -> None:
        self._state = CLOSED
        self._events = self._unread = None
        io_loop = self.stream.io_loop
        io_loop.shared(OpenConnections).discard(self)
        io_loop.shared(Sweeper).discard(self)
        self._tell()

    def _tell(self) -> None:
        """Tell the program that it is over, once."""
        if self._is_told:
            return
        self._is_told = True
        try:
            self.handler.on_ws_connection_close(self.close_code, self.close_reason)
        except Exception:
            self.handler.log_exception(*sys.exc_info())

    def end(self) -> None:
        """The loop is about to end: say so, and close."""
        if self._state is OPEN:
            self._send_last(encode_close(_GOING_AWAY, mask=self.mask_outgoing))
        self.stream.close()
        self._forget_stream()

    def abandon(self) -> None:
        """Close the descriptor; the loop does nothing any more."""
        self.stream.close_fd()

    # Time

    @property
    def ping_interval(self) -> float | None:
        """Seconds between two pings; None: there are none."""
        return _or_none(self.params.ping_interval)

    @property
    def ping_timeout(self) -> float | None:
        """Seconds that a pong may take; None: any time."""
        return _or_none(self.params.ping_timeout)

    @property
    def shortest_timeout(self) -> float:
        """For the sweeper: the least of the times that hold now, in seconds."""
        if self._state is OPEN:
            return min(self.params.ping_interval, self.params.ping_timeout)
        return CLOSE_TIMEOUT

    def overdue(self, now: float) -> bool:
        """For the sweeper: whether something has to happen."""
        return now >= self._ping_at or now >= self._pong_by or now >= self._deadline

    def expire(self) -> None:
        """For the sweeper: do what has to happen."""
        now = self.stream.io_loop.asyncio_loop.time()
        if self._state is not OPEN:
            self._ping_at = self._pong_by = math.inf
            if now >= self._deadline:
                self.stream.close()
            return
        params = self.params
        if now >= self._pong_by:
            if not self._is_held:
                self._fail(_INTERNAL_ERROR, "ping timed out")
                return
            self._pong_by = now + params.ping_timeout  # it may have come, and waits for us
        if now >= self._ping_at:
            self._ping_at = now + params.ping_interval
            is_first = self._pong_by == math.inf
            if is_first:
                self._pong_by = now + params.ping_timeout
            # Behind what is unsent only one waits: whoever reads nothing is to be late with it.
            may_wait = is_first and self._pong_by < math.inf
            if not self.stream.closed() and (may_wait or not self.stream.unsent):
                self.write_ping(b"")


def _or_none(seconds: float) -> float | None:
    return None if seconds == math.inf else seconds
