"""Locks, semaphores, events and conditions for coroutines.

These are not for threads: all calls belong in the thread of the event loop.

Where nothing has to be waited for, the answer is a future that is done already.  Else it is a
`Waiter` in line, and what it gets is handed to it directly: a permit that is released goes to who
waits longest, and nobody can get ahead.  A wake-up that was meant for a task that is cancelled
before it goes on is passed on, see `tornadic._waiters`.
"""

from __future__ import annotations

import asyncio
import datetime
import types
from collections.abc import Awaitable

from tornadic._waiters import Line, Waiter, serve, wait_in
from tornadic.concurrent import Future

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]

# Found as a global, it is quicker.
_get_running_loop = asyncio._get_running_loop


class _Notice(Waiter):
    """A wait for a notification: True, or False if it is late."""

    __slots__ = ("_number",)

    # Of the last notification before it came, then of the one that it got.
    _number: int

    def _be_late(self) -> None:
        self.set_result(False)


class Condition:
    """Lets coroutines wait until another one notifies them.

    Unlike a `threading.Condition` it has no lock::

        condition = Condition()

        async def consumer():
            while not supplies:
                await condition.wait()
            return supplies.pop()

        async def producer():
            supplies.append(1)
            condition.notify()

    A notification wakes those who wait at that moment, nobody who comes later.  They go on in a
    later turn of the loop.
    """

    def __init__(self) -> None:
        self._waiters: Line = Line()
        self._notifications = 0

    def __repr__(self) -> str:
        waiting = self._waiters.waiting()
        waiters = f" waiters[{waiting}]" if waiting else ""
        return f"<{type(self).__name__}{waiters}>"

    def wait(self, timeout: float | datetime.timedelta | None = None) -> Awaitable[bool]:
        """Wait for `notify`.

        ``timeout`` is a time on the scale of `.IOLoop.time`, or a `datetime.timedelta` from now;
        None waits for ever.  Returns a future of True, or of False when the time is over.  A time
        that is past, like 0, is over in the next turns of the loop, unless a notification comes
        first.

        If the caller is cancelled after it was notified but before it goes on, the notification
        goes to another one who was waiting.

        Raises `TypeError` for another ``timeout``.
        """
        notice = _Notice()
        notice.stand_in(self._waiters, timeout, self)
        notice._number = self._notifications
        return notice

    def notify(self, n: int = 1) -> None:
        """Wake ``n`` of those who wait, the longest waiting first; all if there are fewer."""
        self._notifications += 1
        while n > 0 and (waiter := self._waiters.next()) is not None:
            waiter._number = self._notifications
            serve(waiter, True)
            n -= 1

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._waiters))

    def _take_back(self, notice: _Notice, notified: bool) -> None:
        waiter = self._waiters.next()
        if waiter is None:
            return
        if waiter._number < notice._number:
            waiter._number = notice._number
            serve(waiter, True)
        else:
            # It came after the notification.
            self._waiters.appendleft(waiter)


class Event:
    """A flag that coroutines can wait for, at first not set.

    ::

        ready = Event()

        async def user():
            await ready.wait()      # returns at once from when it is set until it is cleared

        async def maker():
            ready.set()
    """

    def __init__(self) -> None:
        self._value = False
        self._waiters: Line = Line()
        # One for all who need not wait, of the loop that they were in.
        self._done: Future[None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'set' if self.is_set() else 'clear'}>"

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._value

    def set(self) -> None:
        """Set the flag and wake all who wait, also if it is cleared before they go on."""
        self._value = True
        while (waiter := self._waiters.next()) is not None:
            serve(waiter, None)

    def clear(self) -> None:
        """Clear the flag: `wait` has to wait again."""
        self._value = False

    def wait(self, timeout: float | datetime.timedelta | None = None) -> Awaitable[None]:
        """Wait until the flag is set; the future is done already if it is.

        ``timeout`` is a time on the scale of `.IOLoop.time`, or a `datetime.timedelta` from now;
        None waits for ever.  The future raises `TimeoutError` when the time is over.  A time that
        is past, like 0, is over in the next turns of the loop.

        Raises `TypeError` for another ``timeout``, if there is something to wait for.
        """
        if not self._value:
            return wait_in(self._waiters, timeout)
        done = self._done
        if done is None or done._loop is not _get_running_loop():
            done = self._done = Future()
            done.set_result(None)
        return done


class _ReleasingContextManager:
    """What `Semaphore.acquire` gives: releases at the end of a ``with`` statement."""

    __slots__ = ("_semaphore",)

    def __init__(self, semaphore: Semaphore) -> None:
        self._semaphore = semaphore

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: types.TracebackType | None,
    ) -> None:
        self._semaphore.release()


class Semaphore:
    """Lets at most ``value`` coroutines through at a time.

    ::

        semaphore = Semaphore(2)

        async def worker():
            async with semaphore:
                ...     # at most two are here

    In a `.gen.coroutine` it is ``with (yield semaphore.acquire()):``.

    Raises `ValueError` if ``value`` is negative.
    """

    def __init__(self, value: int = 1) -> None:
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._value = value
        self._waiters: Line = Line()

    def __repr__(self) -> str:
        state = f"unlocked,value:{self._value}" if self._value else "locked"
        waiting = self._waiters.waiting()
        waiters = f",waiters:{waiting}" if waiting else ""
        return f"<{super().__repr__()[1:-1]} [{state}{waiters}]>"

    def acquire(
        self, timeout: float | datetime.timedelta | None = None
    ) -> Awaitable[_ReleasingContextManager]:
        """Take one of the permits, or wait in line for one.

        Returns a future of a context manager that calls `release` at the end of its ``with``
        statement, which need not be used.  If there is a permit the future is done already.

        ``timeout`` is a time on the scale of `.IOLoop.time`, or a `datetime.timedelta` from now;
        None waits for ever.  The future raises `TimeoutError` when the time is over.  A time that
        is past, like 0, is over in the next turns of the loop, unless a permit comes first.

        If the caller is cancelled while it waits, it has no permit.

        Raises `TypeError` for another ``timeout``, if there is something to wait for.
        """
        if self._value <= 0:
            waiter = Waiter()
            waiter.stand_in(self._waiters, timeout, self)
            return waiter
        self._value -= 1
        future: Future[_ReleasingContextManager] = Future()
        future.set_result(_ReleasingContextManager(self))
        return future

    def release(self) -> None:
        """Give a permit to who waits longest, or keep it for who comes next.

        It need not be one that was acquired.
        """
        waiter = self._waiters.next()
        if waiter is None:
            self._value += 1
        elif type(waiter) is Future:
            waiter.set_result(None)
        else:
            serve(waiter, _ReleasingContextManager(self))

    def _take_back(self, waiter: Waiter, given: object) -> None:
        # Not the method of a subclass, for nobody has ever had this permit.
        Semaphore.release(self)

    def __enter__(self) -> None:
        raise RuntimeError("Use 'async with' instead of 'with' for Semaphore")

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.__enter__()

    async def __aenter__(self) -> None:
        if type(self).acquire is not Semaphore.acquire:
            await self.acquire()
        elif self._value > 0:
            self._value -= 1
        else:
            # Here a plain future will do: this is the stack that sees the cancellation.
            future: Future[None] = Future()
            self._waiters.add(future)
            try:
                await future
            except BaseException:
                if not future.cancel() and not future.cancelled():
                    Semaphore.release(self)
                raise

    async def __aexit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: types.TracebackType | None,
    ) -> None:
        self.release()


class BoundedSemaphore(Semaphore):
    """A `Semaphore` that is never released more often than it was acquired."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._initial_value = value

    def release(self) -> None:
        """Do what `Semaphore.release` does.

        Raises `ValueError` if there are as many permits as at the beginning.
        """
        if self._value >= self._initial_value:
            raise ValueError("Semaphore released too many times")
        Semaphore.release(self)


class Lock:
    """Lets one coroutine through at a time.

    ::

        lock = Lock()

        async def worker():
            async with lock:
                ...     # only one is here

    In a `.gen.coroutine` it is ``with (yield lock.acquire()):``.  Whoever has the lock and asks
    for it again waits for ever.
    """

    def __init__(self) -> None:
        self._block = BoundedSemaphore(1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} _block={self._block}>"

    def acquire(
        self, timeout: float | datetime.timedelta | None = None
    ) -> Awaitable[_ReleasingContextManager]:
        """Take the lock, or wait in line for it; else as `Semaphore.acquire`."""
        return self._block.acquire(timeout)

    def release(self) -> None:
        """Give the lock to who waits longest, or unlock it.

        Raises `RuntimeError` if it is not locked.
        """
        block = self._block
        if block._value:
            raise RuntimeError("release unlocked lock")
        Semaphore.release(block)

    def __enter__(self) -> None:
        raise RuntimeError("Use `async with` instead of `with` for Lock")

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: types.TracebackType | None,
    ) -> None:
        self.__enter__()

    async def __aenter__(self) -> None:
        block = self._block
        if type(self).acquire is not Lock.acquire:
            await self.acquire()
        elif block._value > 0:
            block._value -= 1
        else:
            await block.__aenter__()

    async def __aexit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: types.TracebackType | None,
    ) -> None:
        self.release()
