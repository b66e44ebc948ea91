"""How long a connection may take over what it does.

A server's connection is always timed, by what its parameters say or by the defaults.  A client's
is timed only if somebody asked for it, since a fetch has a time-out of its own.
"""

from __future__ import annotations

import math
from typing import Final

from tornadic.http1connection import parameters
from tornadic.http1connection.parameters import HTTP1ConnectionParameters
from tornadic.http1connection.states import (
    _BODY,
    _HEAD,
    _IDLE,
    _LINGERING,
    State,
)
from tornadic.iostream import IOStream
from tornadic.log import gen_log

__all__ = ["Deadlines"]

LINGER_SECONDS: Final = 2.0


class Deadlines:
    """The part of a connection that the sweeper asks."""

    __slots__ = ("_write_generation", "_write_since")

    context: object | None
    params: HTTP1ConnectionParameters
    stream: IOStream
    _body_timeout: float | None
    _held_since: float | None
    _progress: int
    _server: object | None
    _since: float
    _state: State
    _write_generation: int
    _write_since: float | None

    def overdue(self, now: float) -> bool:
        """Whether this connection takes longer than it may, ``now``; not for programs."""
        if self.stream.writing():
            return self._is_stuck(now)
        self._write_since = None
        state = self._state
        params = self.params
        late = now - self._since
        if self._held_since is not None and state is not _LINGERING:
            return False  # it is for the program that the peer waits
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
            limit = self._body_timeout or params.body_timeout
            if not limit:
                limit = parameters.DEFAULT_BODY_TIMEOUT + self._progress / parameters.LEAST_RATE
            return late > limit
        return state is _LINGERING and late > LINGER_SECONDS

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

    def expire(self) -> None:
        """Close, for it took too long; not for programs."""
        if self._state is _BODY:
            gen_log.info("Timeout reading body from %s", self.context)
        self.stream.close()
