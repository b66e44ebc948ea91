"""One timer for all that a client waits for.

Whoever has a deadline is in a set; the timer is set to the earliest one.  A fetch that is over
leaves the set and the timer as it is, so that most fetches never touch a timer: it goes off once
in a time-out, finds nobody late, and is set anew.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final, Protocol

__all__ = ["Deadlines", "Timed"]

# Seconds between two looks, so that a thousand deadlines close together are not a thousand looks.
_LEAST_PAUSE: Final = 0.005


class Timed(Protocol):
    """Whoever has a deadline, by the clock of the loop."""

    deadline: float

    def expire(self) -> None:
        """The deadline has passed; it is up to this to leave the set."""


class Deadlines:
    """The deadlines of one client."""

    __slots__ = ("_due", "_loop", "_timed", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timed: set[Timed] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf

    def add(self, timed: Timed) -> None:
        """Watch ``timed``, or look at its deadline again if it has become an earlier one."""
        self._timed.add(timed)
        if timed.deadline < self._due:
            self._set_timer(timed.deadline)

    def discard(self, timed: Timed) -> None:
        """Watch ``timed`` no longer."""
        self._timed.discard(timed)

    def stop(self) -> None:
        """Take off a timer that nobody waits for."""
        if not self._timed and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._due = math.inf

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        self._due = math.inf
        now = self._loop.time()
        for timed in [timed for timed in self._timed if timed.deadline <= now]:
            if timed in self._timed:
                timed.expire()
        earliest = min([timed.deadline for timed in self._timed], default=math.inf)
        if earliest < self._due:
            self._set_timer(max(earliest, now + _LEAST_PAUSE))
