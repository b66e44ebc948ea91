"""Time-outs that cost nothing per request.

A connection notes when it entered its state, by a clock that stands still between two sweeps;
one timer for each loop moves the clock on and closes what is late.  It runs only while there
are connections.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from tornadic.ioloop import IOLoop

__all__ = ["Sweeper"]

# Seconds between two sweeps.  The shortest time-out is met within an eighth of itself.
_LONGEST_PERIOD = 0.25
_SHORTEST_PERIOD = 0.01
_SWEEPS_PER_TIMEOUT = 8


class _Timed(Protocol):
    def overdue(self, now: float) -> bool:
        """Whether this is later than it may be; ``now`` is the sweeper's clock."""

    def expire(self) -> None:
        """Close what is overdue."""


class Sweeper:
    """Watches over the connections of one loop; ``io_loop.shared(Sweeper)`` gives it.

    ``now`` is the time of the last sweep, by ``loop.time()``, in seconds.
    """

    __slots__ = ("_loop", "_period", "_timer", "_watched", "now")

    def __init__(self, io_loop: IOLoop) -> None:
        loop = self._loop = io_loop.asyncio_loop
        self._watched: set[_Timed] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._period = _LONGEST_PERIOD
        self.now = loop.time()

    def add(self, timed: _Timed, shortest_timeout: float) -> None:
        """Watch ``timed``, none of whose time-outs is under ``shortest_timeout`` seconds."""
        if not self._watched:
            self.now = self._loop.time()
            self._period = _LONGEST_PERIOD
        self._watched.add(timed)
        period = max(shortest_timeout / _SWEEPS_PER_TIMEOUT, _SHORTEST_PERIOD)
        if self._timer is None or period < self._period:
            if self._timer is not None:
                self._timer.cancel()
            self._period = min(period, self._period)
            self._timer = self._loop.call_later(self._period, self._sweep)

    def discard(self, timed: _Timed) -> None:
        """Watch ``timed`` no longer."""
        self._watched.discard(timed)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        now = self.now = self._loop.time()
        self._timer = self._loop.call_later(self._period, self._sweep)
        for timed in [timed for timed in self._watched if timed.overdue(now)]:
            timed.expire()
