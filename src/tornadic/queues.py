"""Queues for coroutines.

They resemble those of `asyncio`, and are not for threads: from another thread, call them by way
of `.IOLoop.add_callback`.

Where nothing has to be waited for, the answer is a future that is done already.  Else it is a
future in line.  Somebody waits to get only while the queue is empty, and to put only while it is
full: a new item goes to who waits longest, and its room too.  An item that was given to a task
which is cancelled before it goes on comes back to the head of the queue, see
`tornadic._waiters`.

A subclass makes another kind of queue with ``_init``, which makes the container ``_queue``,
``_put`` and ``_get``.
"""

from __future__ import annotations

import collections
import datetime
import heapq
from collections.abc import Awaitable
from itertools import pairwise
from typing import Any, Generic, TypeVar

from tornadic._waiters import Line, Waiter, serve, wait_in
from tornadic.concurrent import Future, _hold
from tornadic.locks import Event

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull"]

_T = TypeVar("_T")


class QueueEmpty(Exception):
    """`Queue.get_nowait` found no item."""


class QueueFull(Exception):
    """`Queue.put_nowait` found no room."""


class _QueueIterator(Generic[_T]):
    def __init__(self, q: Queue[_T]) -> None:
        self.q = q

    def __anext__(self) -> Awaitable[_T]:
        return self.q.get()


class Queue(Generic[_T]):
    """Hands items from coroutines that put them to those that get them, first in, first out.

    ``maxsize`` is how many items there may be; 0 for any number.  ::

        queue = Queue(maxsize=2)

        async def producer():
            for page in range(5):
                await queue.put(page)
            await queue.join()

        async def consumer():
            async for page in queue:
                try:
                    await fetch(page)
                finally:
                    queue.task_done()

    ``async for`` gets items without an end.

    Raises `TypeError` if ``maxsize`` is None, and `ValueError` if it is negative.
    """

    # The container, which ``_init`` makes.
    _queue: Any = None
    # So many items at its head were given out, and came back.
    _returned = 0
    # Whether an item that somebody waits for need not pass through the container.
    _hands_over = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._hands_over = (
            cls._put is Queue._put and cls._get is Queue._get and cls.full is Queue.full
        )

    def __init__(self, maxsize: int = 0) -> None:
        if maxsize is None:
            raise TypeError("maxsize can't be None")
        if maxsize < 0:
            raise ValueError("maxsize can't be negative")
        self._maxsize = maxsize
        self._init()
        self._getters: Line = Line()
        self._putters: Line = Line()
        self._unfinished_tasks = 0
        self._finished = Event()
        self._finished.set()

    @property
    def maxsize(self) -> int:
        """How many items there may be; 0 for any number."""
        return self._maxsize

    def qsize(self) -> int:
        """Return how many items there are."""
        return len(self._queue)

    def empty(self) -> bool:
        """Return whether there is no item."""
        return not self._queue

    def full(self) -> bool:
        """Return whether there is no room for another item."""
        return 0 < self._maxsize <= self.qsize()

    def put(self, item: _T, timeout: float | datetime.timedelta | None = None) -> Future[None]:
        """Put ``item`` into the queue, or wait in line until there is room.

        It goes in whether or not the returned future is awaited.  If there is room the future is
        done already.

        ``timeout`` is a time on the scale of `.IOLoop.time`, or a `datetime.timedelta` from now;
        None waits for ever.  The future raises `TimeoutError` when the time is over.  A time that
        is past, like 0, is over in the next turns of the loop, unless there is room first.

        If the future is cancelled the item is not put.  A task may also be cancelled when the
        item is in the queue already but before the task goes on; the item stays then.

        Raises `TypeError` for another ``timeout``, if there is something to wait for.
        """
        # An exception that is only to be caught here would cost more than all the rest.
        if not (self._maxsize and self.full() and type(self).put_nowait is Queue.put_nowait):
            try:
                self.put_nowait(item)
            except QueueFull:
                pass
            else:
                future: Future[None] = Future()
                future.set_result(None)
                return future
        putter = wait_in(self._putters, timeout)
        _hold(putter, item)
        return putter

    def put_nowait(self, item: _T) -> None:
        """Put ``item`` into the queue.

        Raises `QueueFull` if there is no room.
        """
        getters = self._getters
        if getters and not self._queue and self._hands_over and getters.give(item):
            if not self._unfinished_tasks:
                self._finished.clear()
            self._unfinished_tasks += 1
            return
        if self.full():
            raise QueueFull
        self._insert(item)
        if getters:
            self._feed()

    def get(self, timeout: float | datetime.timedelta | None = None) -> Awaitable[_T]:
        """Take an item out of the queue, or wait in line for one.

        Returns a future of the item.  If there is an item the future is done already.

        ``timeout`` is a time on the scale of `.IOLoop.time`, or a `datetime.timedelta` from now;
        not, as for `queue.Queue.get`, a number of seconds from now.  None waits for ever.  The
        future raises `TimeoutError` when the time is over.  A time that is past, like 0, is over
        in the next turns of the loop, unless an item comes first.

        If the caller is cancelled while it waits, the item stays in the queue, or returns to its
        head; there may be one more than ``maxsize`` then.

        Raises `TypeError` for another ``timeout``, if there is something to wait for.
        """
        if self._queue or self._putters or type(self).get_nowait is not Queue.get_nowait:
            try:
                item = self.get_nowait()
            except QueueEmpty:
                pass
            else:
                future: Future[_T] = Future()
                future.set_result(item)
                return future
        getter = Waiter()
        getter.stand_in(self._getters, timeout, self)
        return getter

    def get_nowait(self) -> _T:
        """Take an item out of the queue and return it.

        Raises `QueueEmpty` if there is none.
        """
        if self._putters:
            return self._get_and_admit()
        if not self._queue:
            raise QueueEmpty
        return self._get()

    def task_done(self) -> None:
        """Say that one of the items that were got has been dealt with.

        When that is said of all that were ever put, `join` is over.

        Raises `ValueError` if it is said more often than items were put.
        """
        if self._unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished_tasks -= 1
        if not self._unfinished_tasks:
            self._finished.set()

    def join(self, timeout: float | datetime.timedelta | None = None) -> Awaitable[None]:
        """Wait until `task_done` was called for every item; the future is done already if so.

        ``timeout`` is a time on the scale of `.IOLoop.time`, or a `datetime.timedelta` from now;
        None waits for ever.  The future raises `TimeoutError` when the time is over.

        Raises `TypeError` for another ``timeout``, if there is something to wait for.
        """
        return self._finished.wait(timeout)

    def __aiter__(self) -> _QueueIterator[_T]:
        return _QueueIterator(self)

    # What the kinds of queues differ in

    def _init(self) -> None:
        self._queue = collections.deque()

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _get(self) -> _T:
        if self._returned:
            self._returned -= 1
        item: _T = self._queue.popleft()
        return item

    # What they have in common

    def _insert(self, item: _T) -> None:
        self._put(item)
        if not self._unfinished_tasks:
            self._finished.clear()
        self._unfinished_tasks += 1

    def _get_and_admit(self) -> _T:
        # One of those who wait to put is let in first: what comes out may be that very item.
        # Not if there is one too many, which has come back.
        if not 0 < self._maxsize < self.qsize():
            self._admit()
        if not self._queue:
            raise QueueEmpty
        item = self._get()
        while self._putters and not self.full():
            self._admit()
        return item

    def _feed(self) -> None:
        """Give to those who wait for items what there is."""
        while self._queue and (getter := self._getters.next()) is not None:
            serve(getter, self._get())

    def _admit(self) -> None:
        """Put the item of who waits longest to put."""
        putter = self._putters.next()
        if putter is None:
            return
        item = putter.held
        _hold(putter, None)
        try:
            self._insert(item)
        except Exception as error:
            # Who waits to put is to blame, not who gets.
            putter.set_exception(error)
        else:
            serve(putter, None)
        finally:
            # This frame is in the traceback of the exception that the future may hold.
            del putter

    def _take_back(self, waiter: Waiter, item: _T) -> None:
        kind = type(self)
        if kind._put is Queue._put and kind._get is Queue._get:
            # Behind those that came back before it, for they were given out before it.
            self._queue.insert(self._returned, item)
            self._returned += 1
        else:
            self._put(item)
        self._feed()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {hex(id(self))} {self._format()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._format()}>"

    def _format(self) -> str:
        parts = [f"maxsize={self._maxsize!r}"]
        if self._queue:
            parts.append(f"queue={self._queue!r}")
        for name, line in (("getters", self._getters), ("putters", self._putters)):
            if line.waiting():
                parts.append(f"{name}[{line.waiting()}]")
        if self._unfinished_tasks:
            parts.append(f"tasks={self._unfinished_tasks}")
        return " ".join(parts)


class PriorityQueue(Queue[_T]):
    """A `Queue` that gives the lowest item first, such as ``(priority, data)``.

    Putting or getting raises `TypeError` where two items cannot be compared; the queue is left
    as it was.
    """

    def _init(self) -> None:
        self._queue = []

    def _put(self, item: _T) -> None:
        heap = self._queue
        try:
            heapq.heappush(heap, item)
        except BaseException:
            # It was on its way up from the end.  Those that it has passed go up again.
            way = [len(heap) - 1]
            while way[-1] and heap[way[-1]] is not item:
                way.append((way[-1] - 1) // 2)
            for lower, upper in reversed([*pairwise(way)]):
                heap[upper] = heap[lower]
            heap.pop()
            raise

    def _get(self) -> _T:
        heap = self._queue
        first, last = heap[0], heap[-1]
        try:
            item: _T = heapq.heappop(heap)
        except BaseException:
            # The last was on its way down from the head.  Those that it has passed go down again.
            place = next(index for index, other in enumerate(heap) if other is last)
            while place:
                upper = (place - 1) // 2
                heap[place] = heap[upper]
                place = upper
            heap[0] = first
            heap.append(last)
            raise
        return item


class LifoQueue(Queue[_T]):
    """A `Queue` that gives the item first that was put last."""

    def _init(self) -> None:
        self._queue = []

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _get(self) -> _T:
        item: _T = self._queue.pop()
        return item
