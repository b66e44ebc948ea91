"""How long a connection may take over what it does.

A server's connection is always timed, by what its parameters say or by the defaults.  A client's
is timed only if somebody asked for it, since a fetch has a time-out of its own.
"""

from __future__ import annotations

import math
import select
from typing import TYPE_CHECKING, Final

from tornadic.http1connection import parameters
from tornadic.http1connection.parameters import HTTP1ConnectionParameters
from tornadic.http1connection.states import (
    _BODY,
    _CLOSED,
    _HEAD,
    _IDLE,
    _LINGERING,
    _RESPONDING,
    State,
)
from tornadic.http1connection.sweeper import Sweeper
from tornadic.iostream import IOStream
from tornadic.log import gen_log

if TYPE_CHECKING:
    import asyncio

__all__ = ["LINGER_BYTES", "Deadlines"]

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 1048576
"""For what is thrown away: behind the last answer, or of a request that has its answer."""

# Both directions are over; the peer's is, which some systems do not tell apart from that, and
# those without poll() not at all.
_RESET = getattr(select, "POLLHUP", 0) | getattr(select, "POLLERR", 0)
_ENDED = _RESET | getattr(select, "POLLRDHUP", 0)


class Deadlines:
    """The part of a connection that the sweeper asks."""

    __slots__ = (
        "_body_timeout",
        "_progress",
        "_since",
        "_state",
        "_sweeper",
        "_write_generation",
        "_write_since",
    )

    context: object | None
    params: HTTP1ConnectionParameters
    stream: IOStream
    _body_timeout: float | None
    _held_since: float | None
    _progress: int
    _responded: bool
    _response_future: asyncio.Future[bool] | None
    _server: object | None
    _since: float
    _stalled: bool
    _state: State
    _sweeper: Sweeper | None
    _write_generation: int
    _write_since: float | None

    def _unstall(self) -> None:
        raise NotImplementedError

    def set_body_timeout(self, timeout: float) -> None:
        """Give the body of this message ``timeout`` seconds in all."""
        self._body_timeout = timeout
        if self._state is _CLOSED:
            return
        if self._sweeper is not None:
            self._sweeper.add(self)
        elif self._response_future is not None:
            self._watch()

    def _watch(self) -> None:
        sweeper = self._sweeper = self.stream.io_loop.shared(Sweeper)
        sweeper.add(self)
        self._since = sweeper.now

    @property
    def shortest_timeout(self) -> float:
        """The least of the times that hold now, in seconds; not for programs."""
        return min(self.params.shortest_timeout, self._body_timeout or math.inf)

    def overdue(self, now: float) -> bool:
        """Whether this connection takes longer than it may, ``now``; not for programs."""
        if self.stream.writing():
            return self._is_stuck(now)
        self._write_since = None
        state = self._state
        params = self.params
        late = now - self._since
        if self._held_since is not None and state is not _LINGERING:
            return self._stalled and self._has_gone(state)  # for the program the peer waits
        if self._server is None:
            # Nobody is timed here who was not asked to be.
            if state is _HEAD:
                return late > (params.header_timeout or math.inf)
            return late > (self._body_timeout or params.body_timeout or math.inf)
        if state is _IDLE:
            return late > (params.header_timeout or parameters.DEFAULT_IDLE_TIMEOUT)
        if state is _HEAD:
            return late > (params.header_timeout or parameters.DEFAULT_HEADER_TIMEOUT)
        if state is _BODY:
            if self._responded:
                return late > LINGER_SECONDS
            limit = self._body_timeout or params.body_timeout
            if not limit:
                limit = parameters.DEFAULT_BODY_TIMEOUT + self._progress / parameters.LEAST_RATE
            return late > limit
        if state is _LINGERING:
            return late > LINGER_SECONDS
        return self._stalled and self._has_gone(state)

    def _has_gone(self, state: State) -> bool:
        """Whether a client has left whose stream is not read, so that nothing else tells.

        One that has sent its request to the end, and closed, has gone while it is answered.  In
        the middle of a body it may just have been quick: what it sent is for the program.
        """
        if self._server is None or self.stream.closed() or not _RESET:
            return False
        poll = select.poll()
        poll.register(self.stream.fileno(), _ENDED if state is _RESPONDING else _RESET)
        return bool(poll.poll(0))

    def _is_stuck(self, now: float) -> bool:
        """Whether what waits to be written goes more slowly than it may."""
        stream = self.stream
        if self._write_since is None or self._write_generation != stream.write_generation:
            # It had all gone out meanwhile.
            self._write_since = now
            self._write_generation = stream.write_generation
        limit = self.params.write_timeout or parameters.DEFAULT_WRITE_TIMEOUT
        limit += stream.sent_from_queue / parameters.LEAST_RATE
        return now - self._write_since > limit

    def _enter(self, state: State) -> None:
        self._state = state
        if self._sweeper is not None:
            self._since = self._sweeper.now

    def _linger(self) -> None:
        """Close without resetting the connection under an answer that is still on its way."""
        self._enter(_LINGERING)
        self._progress = 0
        if self._stalled:
            self._unstall()
        if self.stream.closed():
            return
        self.stream.drained().add_done_callback(self._half_close)

    def _half_close(self, drained: asyncio.Future[None]) -> None:
        if drained.exception() is None:
            self.stream.shutdown_write()

    def expire(self) -> None:
        """Close, for it took too long; not for programs."""
        if self._state is _BODY and not self._responded:
            gen_log.info("Timeout reading body from %s", self.context)
        self.stream.close()
