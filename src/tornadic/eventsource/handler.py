"""`EventSourceHandler`: a response that stays open, and `broadcast` to many of them.

`get` sends the head and calls `open`.  From then on an event goes to the kernel at once; what the
kernel does not take waits in the stream, and what comes meanwhile waits here, where it can still be
dropped.  The connection stays HTTP's: its chunks, its time-outs, its notice of a client that has
gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from typing import Any, Final, Literal

from tornadic import gen
from tornadic.eventsource.events import COMMENT, Data, encode_event
from tornadic.iostream import StreamClosedError
from tornadic.log import gen_log
from tornadic.web import Finish, RequestHandler

__all__ = ["EventSourceHandler", "broadcast"]

DEFAULT_KEEP_ALIVE_INTERVAL: Final = 15.0
"""Seconds; the HTML standard advises it, for proxies often give up after 30 or 60."""
DEFAULT_MAX_WRITE_BUFFER_SIZE: Final = 1024 * 1024
"""Bytes; thousands of events for whoever is cut off for a moment, and not much for a server."""

_POLICIES: Final = ("close", "drop_oldest", "drop_newest")


class EventSourceHandler(RequestHandler):
    """A stream of events: a subclass defines `open`, and `on_close` if it wants to.

    It begins as every other request, so `prepare`, cookies and users are those of every handler.
    Whom `prepare` answers with an error does not connect again; 204 is the way to say that there
    is nothing more to come.  Then the head is sent, `open` called, and the response goes on until
    `close`, or until the client goes.  A browser connects again by itself, after any end.

    ``when_slow`` says what happens when more than `max_write_buffer_size` bytes are waiting for a
    client that does not read: ``"close"`` closes the connection, so that the client comes again
    and names the last event it has; ``"drop_oldest"`` and ``"drop_newest"`` leave out events.
    ``dropped`` counts those.
    """

    when_slow: Literal["close", "drop_oldest", "drop_newest"] = "close"
    dropped = 0

    # What there is only while the stream is open, or while something waits.
    _is_open = False
    _is_too_slow = False
    _opening: asyncio.Future[Any] | None = None
    _timer: asyncio.TimerHandle | None = None
    _last_sent = 0.0
    _held: deque[bytes] | None = None
    _held_size = 0
    _is_draining = False
    _waiters: list[asyncio.Future[None]] | None = None

    # What a subclass may define

    def open(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """The stream is open; the arguments are the groups of the rule's pattern.

        It may be a coroutine that sends for as long as there is something to be sent; when it is
        done the stream stays open until `close`.  It is cancelled when the client goes.  An
        exception is logged and breaks the connection off.
        """
        return None

    def on_close(self) -> Any:
        """The stream has ended, for whatever reason; called once if `open` was."""

    @property
    def keep_alive_interval(self) -> float | None:
        """Seconds of silence after which a comment is sent; 0 or None: never.

        The setting ``eventsource_keep_alive_interval`` (15).  Without it proxies take a stream
        for dead, and a client that vanished without a word is never noticed.
        """
        interval: float | None = self.settings.get(
            "eventsource_keep_alive_interval", DEFAULT_KEEP_ALIVE_INTERVAL
        )
        return interval

    @property
    def max_write_buffer_size(self) -> int:
        """Bytes that may wait to be sent: ``eventsource_max_write_buffer_size`` (1 MB).

        What happens to an event when more than that is waiting, ``when_slow`` says.
        """
        size: int = self.settings.get(
            "eventsource_max_write_buffer_size", DEFAULT_MAX_WRITE_BUFFER_SIZE
        )
        return size

    # What a program calls

    @property
    def is_open(self) -> bool:
        """Whether events can be sent."""
        return self._is_open and not self._is_too_slow

    @property
    def last_event_id(self) -> str | None:
        """The ``id`` of the last event that the client got, if it connects again; else None."""
        value = self.request.headers.get("Last-Event-ID")
        # Browsers send it as UTF-8, whatever headers are otherwise.
        return value.encode("latin-1", "replace").decode("utf-8", "replace") if value else None

    def send(
        self, data: Data, event: str | None = None, id: str | None = None, retry: int | None = None
    ) -> asyncio.Future[None]:
        """Send an event; the arguments and their errors are those of `encode_event`.

        The future is done when the kernel has taken all that was sent: who sends much waits for
        it, and gets `StreamClosedError` if the client goes meanwhile.  Raises `StreamClosedError`
        if the stream is closed, or closes because its client is too slow.
        """
        encoded = encode_event(data, event, id, retry)
        if self.is_open and self._put(encoded):
            connection: Any = self.request.connection
            nothing_waits: asyncio.Future[None] = connection.stream.nothing_waits
            return nothing_waits
        if not self.is_open:
            raise StreamClosedError
        return self._when_sent()

    def close(self) -> None:
        """End the response, and call `on_close`; does nothing if it has ended."""
        if self._is_open:
            self.finish()

    # The beginning

    def get(self, *args: Any, **kwargs: Any) -> None:
        """Send the head, and call `open`."""
        if self.when_slow not in _POLICIES:
            raise ValueError(f"when_slow is one of {', '.join(_POLICIES)}, not {self.when_slow!r}")
        self.set_header("Content-Type", "text/event-stream")
        # Who compresses, holds pieces back; and so does nginx without the second header.
        self.set_header("Cache-Control", "no-store, no-transform")
        self.set_header("X-Accel-Buffering", "no")
        self._transforms = None
        self._auto_finish = False
        self.flush()
        if self.request.connection_is_closed():
            return
        self._is_open = True
        self._last_sent = asyncio.get_running_loop().time()
        if self.keep_alive_interval:
            self._await_silence(self.keep_alive_interval)
        try:
            waiting = self.open(*args, **kwargs)
        except Exception as e:
            self._fail(e)
            return
        if waiting is None:
            return
        opening = gen.convert_yielded(waiting)
        if self._is_open:
            self._opening = opening
            opening.add_done_callback(self._opened)
        else:
            opening.cancel()  # it has closed the stream itself

    def _opened(self, opening: asyncio.Future[Any]) -> None:
        self._opening = None
        if opening.cancelled():
            return
        error = opening.exception()
        # Whoever sends until the client goes ends like that.
        if error is not None and (self._is_open or not isinstance(error, StreamClosedError)):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Whatever `open` raised: the client shall come again, so the response is broken off."""
        if isinstance(error, Finish):
            self.close()
            return
        if not (isinstance(error, StreamClosedError) and self._is_too_slow):
            self.log_exception(type(error), error, error.__traceback__)
        self._abort()

    # The end

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None) -> asyncio.Future[None]:
        """End the response, behind what waits."""
        if self._held and not self.request.connection_is_closed():
            self._write_held()
        future = super().finish(chunk)
        self._end()
        return future

    def on_connection_close(self) -> None:
        """The client has gone; not for programs, which define `on_close`."""
        super().on_connection_close()
        if self._is_open:
            self._abort()

    def _abort(self) -> None:
        if self._finished:
            return
        connection: Any = self.request.connection
        connection.set_close_callback(None)  # we know
        super()._abort()
        self._end()

    def _end(self) -> None:
        """Tell the program, once."""
        if not self._is_open:
            return
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
        self._held = None
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_exception(StreamClosedError())
                waiter.exception()  # whoever wants it awaits it; nobody need
        self._waiters = None
        opening = self._opening
        if opening is not None and opening is not _current_task():
            opening.cancel()
        try:
            waiting = self.on_close()
        except Exception as e:
            self.log_exception(type(e), e, e.__traceback__)
            return
        if waiting is not None:
            gen.convert_yielded(waiting).add_done_callback(self._log_late)

    def _log_late(self, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self.log_exception(type(error), error, error.__traceback__)

    # On the way out

    def _put(self, encoded: bytes) -> bool:
        """Send what is an event, or have it wait, or drop it; whether the kernel has it all."""
        connection: Any = self.request.connection
        stream = connection.stream
        if self._held is None and not stream.unsent:
            self._last_sent = asyncio.get_running_loop().time()
            connection.write(encoded)
            return not stream.unsent
        held = self._held if self._held is not None else deque()
        limit = self.max_write_buffer_size
        if stream.unsent + self._held_size > limit:
            if self.when_slow == "close":
                self._give_up()
                return False
            if self.when_slow == "drop_newest":
                self.dropped += 1
                return False
            while held and stream.unsent + self._held_size > limit:
                self._held_size -= len(held.popleft())
                self.dropped += 1
        held.append(encoded)
        self._held = held
        self._held_size += len(encoded)
        self._await_drain()
        return False

    def _give_up(self) -> None:
        """Break off in the next turn: the program may be going through all its clients."""
        self._is_too_slow = True
        gen_log.info("Events are not read by %s", self.request.remote_ip)
        asyncio.get_running_loop().call_soon(self._abort)

    def _when_sent(self) -> asyncio.Future[None]:
        """A future of the caller's own, for one that is cancelled must not be another's."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(future)
        self._await_drain()
        return future

    def _await_drain(self) -> None:
        if not self._is_draining:
            self._is_draining = True
            connection: Any = self.request.connection
            connection.stream.drained().add_done_callback(self._drained)

    def _drained(self, drained: asyncio.Future[None]) -> None:
        self._is_draining = False
        if drained.exception() is not None or not self.is_open:
            return
        if self._held:
            self._write_held()
        self._held = None
        connection: Any = self.request.connection
        if connection.stream.unsent:
            self._await_drain()
            return
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = None

    def _write_held(self) -> None:
        data = b"".join(self._held or ())
        self._held = None
        self._held_size = 0
        self._last_sent = asyncio.get_running_loop().time()
        connection: Any = self.request.connection
        connection.write(data)

    # Signs of life

    def _await_silence(self, interval: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._last_sent + interval, self._keep_alive)

    def _keep_alive(self) -> None:
        interval = self.keep_alive_interval
        if not interval:
            return
        now = asyncio.get_running_loop().time()
        if now - self._last_sent >= interval:
            connection: Any = self.request.connection
            if not connection.stream.unsent:
                connection.write(COMMENT)
            self._last_sent = now
        self._await_silence(interval)


def broadcast(
    handlers: Iterable[EventSourceHandler],
    data: Data,
    event: str | None = None,
    id: str | None = None,
    retry: int | None = None,
) -> None:
    """Send one event, which is encoded once, to all ``handlers``.

    The other arguments and their errors are those of `encode_event`.  Streams that are closed are
    passed over.  Nobody is waited for: what becomes of one that does not read, its ``when_slow``
    says.
    """
    encoded = encode_event(data, event, id, retry)
    # Whoever is told of an end may change what is iterated over.
    for handler in list(handlers):
        if handler.is_open:
            handler._put(encoded)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # the loop has ended
        return None
