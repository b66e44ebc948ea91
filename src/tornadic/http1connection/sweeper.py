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

# Seconds after which a period that is shorter than usual is looked at: who needed it may have
# gone, or need it no more.
_REVIEW_INTERVAL = 1.0


class _Timed(Protocol):
    @property
    def shortest_timeout(self) -> float:
        """The least of the times that hold now, in seconds."""

    def overdue(self, now: float) -> bool:
        """Whether this is later than it may be; ``now`` is the sweeper's clock."""

    def expire(self) -> None:
        """Close what is overdue."""


class Sweeper:
    """Watches over the connections of one loop; ``io_loop.shared(Sweeper)`` gives it.

    ``now`` is the time of the last sweep, by ``loop.time()``, in seconds.
    """

    __slots__ = ("_loop", "_period", "_review", "_timer", "_watched", "now")

    def __init__(self, io_loop: IOLoop) -> None:
        loop = self._loop = io_loop.asyncio_loop
        self._watched: set[_Timed] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._period = _LONGEST_PERIOD
        self._review = 0.0
        self.now = loop.time()

    def add(self, timed: _Timed) -> None:
        """Watch ``timed``; again, if its shortest time-out has become shorter."""
        if not self._watched:
            self.now = self._loop.time()
            self._period = _LONGEST_PERIOD
        self._watched.add(timed)
        period = _period_for(timed)
        if self._timer is None or period < self._period:
            if self._timer is not None:
                self._timer.cancel()
            self._period = period
            self._review = self.now + _REVIEW_INTERVAL
            self._timer = self._loop.call_later(period, self._sweep)

    def discard(self, timed: _Timed) -> None:
        """Watch ``timed`` no longer."""
        self._watched.discard(timed)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        now = self.now = self._loop.time()
        if self._period < _LONGEST_PERIOD and now >= self._review:
            self._review = now + _REVIEW_INTERVAL
            self._period = min(map(_period_for, self._watched))
        self._timer = self._loop.call_later(self._period, self._sweep)
        for timed in [timed for timed in self._watched if timed.overdue(now)]:
            timed.expire()


def _period_for(timed: _Timed) -> float:
    period = timed.shortest_timeout / _SWEEPS_PER_TIMEOUT
    return min(max(period, _SHORTEST_PERIOD), _LONGEST_PERIOD)
