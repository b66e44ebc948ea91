"""Futures that stand in line: what `tornadic.locks` and `tornadic.queues` give to who must wait.

A `Line` holds those who wait, the longest waiting first.  Where there is no deadline, and nothing
to lose, they are plain futures; all others are each a `Waiter`.

What a waiter is given (a permit, an item) is not lost with the task that waited for it.  A task
may be cancelled after it was served and before it goes on; asyncio then drops the result of the
future, and nothing outside of the task's own stack can tell.  So a `Waiter` is awaited by code of
its own, which sees the cancellation and returns to the owner what was given.

What suspends that task is a plain future of the waiter's: asyncio is quicker with those than with
futures of a derived class, by about what one more future costs.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import deque
from collections.abc import Generator
from typing import Any, Final, Protocol

from tornadic.concurrent import Future, _hold
from tornadic.ioloop import IOLoop
from tornadic.util import TimeoutError

Deadline = float | datetime.timedelta

# So many of those who wait no more may stay in a line before they are looked for.
MOST_GONE: Final = 100

# Found as globals, and not looked up in a class that overrides them, these are quicker.
_set_result = Future.set_result
_result = Future.result
_exception = Future.exception


class Owner(Protocol):
    """What gives things that must not get lost."""

    def _take_back(self, waiter: Any, given: Any) -> None:
        """Take back what ``waiter`` was served with: ``given``."""


class Waiter(Future[Any]):
    """A future in a line, which it leaves when it is done.  `stand_in` is to be called first.

    If the task that awaits it is cancelled before it has got the result, and nobody else has got
    it either, the owner gets it back.  From then on the waiter is as good as cancelled.
    """

    __slots__ = ("_line", "_owner", "_suspended", "_timer")

    _line: Line
    # None if there is none, or when somebody has got the result.
    _owner: Owner | None
    # What those are suspended on that await this.
    _suspended: Future[None] | None
    _timer: tuple[IOLoop, object] | None

    _taken_back = False

    # No constructor: to call one of our own would cost as much as all that it does.
    def stand_in(self, line: Line, deadline: Deadline | None, owner: Owner | None = None) -> None:
        """Join ``line``, until ``deadline`` if it is not None (see `.IOLoop.add_timeout`).

        Without an ``owner`` nothing is given back.

        Raises `TypeError` for another ``deadline``; it is not in line then.
        """
        self._line = line
        self._owner = owner
        self._suspended = self._timer = None
        if deadline is not None:
            io_loop = IOLoop.current()
            self._timer = (io_loop, io_loop.add_timeout(deadline, self._expire))
        line.append(self)
        if line.gone:
            line.tidy()

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            if not self.done():
                suspended = self._suspended
                if suspended is None:
                    suspended = self._suspended = Future(loop=self._loop)
                suspended._asyncio_future_blocking = True
                try:
                    yield suspended
                except BaseException:
                    self._be_abandoned()
                    raise
                finally:
                    del suspended
            # As `result` does; a call is saved.
            if self._taken_back:
                raise asyncio.CancelledError()
            self._owner = None
            return _result(self)
        finally:
            # This frame is in the traceback of the exception that one of the two may hold.
            del self

    __iter__ = __await__

    def _be_abandoned(self) -> None:
        """Who awaited this has been cancelled, or closed."""
        if not self.done():
            self.cancel()
        # Looking at the exception keeps it from being logged, as for any future that is awaited.
        elif not self.cancelled() and _exception(self) is None and self._owner is not None:
            self._taken_back = True
            self._owner._take_back(self, _result(self))

    def result(self) -> Any:
        if self._taken_back:
            raise asyncio.CancelledError()
        result = _result(self)
        self._owner = None
        return result

    def exception(self) -> BaseException | None:
        if self._taken_back:
            raise asyncio.CancelledError()
        return _exception(self)

    def cancelled(self) -> bool:
        return self._taken_back or Future.cancelled(self)

    # Whoever has the future may end the wait.

    def cancel(self, msg: Any = None) -> bool:
        if not Future.cancel(self, msg):
            return False
        self._leave()
        return True

    def set_result(self, result: Any) -> None:
        _set_result(self, result)
        self._leave()

    def set_exception(self, exception: type | BaseException) -> None:
        Future.set_exception(self, exception)
        self._leave()

    def _leave(self) -> None:
        line = self._line
        # It may stay there for a while, and the two must not refer to one another.
        del self._line
        line.lose_one()
        self._stop_timer()
        # Nothing was given, and what it was to bring is not needed any more.
        self._owner = None
        _hold(self, None)
        suspended = self._suspended
        self._suspended = None
        if suspended is not None and not suspended.done():
            suspended.set_result(None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            io_loop, timer = self._timer
            self._timer = None
            io_loop.remove_timeout(timer)

    def _expire(self) -> None:
        self._timer = None
        self._be_late()

    def _be_late(self) -> None:
        """Hook: complete this waiter, whose time is over."""
        suspended = self._suspended
        if suspended is not None and not suspended.done():
            # An exception of its own, for it gets the frames that it is raised in as its
            # traceback, and this future may stay in line for a while.
            suspended.set_exception(TimeoutError("Timeout"))
        self.set_exception(TimeoutError("Timeout"))


class Line(deque[Any]):
    """Waiters and plain futures in the order they came.

    Those who stop waiting stay until their turn comes or the line is tidied: when they are more
    than half of it and another one joins, or they are more than `MOST_GONE` besides.  Plain
    futures do not tell that they stopped; they are looked through when there are many.
    """

    __slots__ = ("_bound", "gone")

    def __init__(self) -> None:
        # Of the waiters among them, at most so many wait no more.
        self.gone = 0
        self._bound = 2 * MOST_GONE

    def add(self, future: Future[Any]) -> None:
        """Let a plain ``future`` join at the end."""
        self.append(future)
        if self.gone or len(self) > self._bound:
            self.tidy()

    def next(self) -> Any:
        """Take out who waits longest, to be served by `serve`; None if nobody waits."""
        while self:
            future = self.popleft()
            if future.done():
                continue
            if type(future) is Future:
                return future
            suspended = future._suspended
            # If so, the task that awaits it was cancelled, and is about to cancel it too.
            if suspended is None or not suspended.cancelled():
                return future
        return None

    def give(self, value: Any) -> bool:
        """Serve who waits longest with ``value``; whether anybody waits.

        `next` and `serve` in one, for a line of nothing but waiters.
        """
        while self:
            future = self.popleft()
            if future.done():
                continue
            suspended = future._suspended
            if suspended is None:
                _set_result(future, value)
            elif suspended.cancelled():
                continue
            else:
                _set_result(future, value)
                _set_result(suspended, None)
            if future._timer is not None:
                future._stop_timer()
            return True
        return False

    def waiting(self) -> int:
        """Return how many wait."""
        return sum(not future.done() for future in self)

    def lose_one(self) -> None:
        """Be told that one waits no more."""
        self.gone += 1
        if self.gone > MOST_GONE:
            self.tidy()

    def tidy(self) -> None:
        """Drop those who wait no more, if it is worth while."""
        if self.gone * 2 <= len(self) <= self._bound:
            return
        waiting = [future for future in self if not future.done()]
        self.clear()
        self.extend(waiting)
        self.gone = 0
        self._bound = 2 * max(MOST_GONE, len(waiting))


def serve(future: Any, value: Any) -> None:
    """Give ``value`` to one whom `Line.next` gave."""
    _set_result(future, value)
    if type(future) is not Future:
        if future._timer is not None:
            future._stop_timer()
        suspended = future._suspended
        if suspended is not None:
            suspended.set_result(None)


def wait_in(line: Line, deadline: Deadline | None) -> Future[Any]:
    """Return a future in ``line``, until ``deadline``, for what cannot get lost."""
    if deadline is None:
        future: Future[Any] = Future()
        line.add(future)
        return future
    waiter = Waiter()
    waiter.stand_in(line, deadline)
    return waiter
