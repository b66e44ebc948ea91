"""Which streams can be read now.

asyncio makes a handle, a key and a mapping for each descriptor that it watches, and goes through
all three for every event.  Where the system has ``epoll``, the streams of a loop share one of
their own instead, and the loop watches that: it costs one more call in a turn, and spares half a
kilobyte for each connection and a microsecond for each event.  Elsewhere the loop watches the
streams themselves.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from typing import Protocol

from tornadic.ioloop import IOLoop
from tornadic.log import app_log

__all__ = ["ReadWatcher", "read_watcher"]

# Events handled before the loop sees to its timers and its other callbacks.
_EVENTS_PER_TURN = 256


class ReadWatcher(Protocol):
    """Calls back when a descriptor can be read, again and again until it is told to stop."""

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever ``fd``, which is not watched yet, can be read."""

    def unwatch(self, fd: int) -> None:
        """Call nobody for ``fd`` any more; before it is closed."""


def read_watcher(io_loop: IOLoop) -> ReadWatcher:
    """A watcher for ``io_loop``; ask by ``io_loop.shared(read_watcher)``, and all share it."""
    if sys.platform == "linux":
        return _EpollWatcher(io_loop)
    return _LoopWatcher(io_loop)


class _LoopWatcher:
    """Leaves it to the loop."""

    def __init__(self, io_loop: IOLoop) -> None:
        self._loop = io_loop.asyncio_loop

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        self._loop.add_reader(fd, callback)

    def unwatch(self, fd: int) -> None:
        self._loop.remove_reader(fd)


class _EpollWatcher:
    """One epoll for all streams of a loop."""

    def __init__(self, io_loop: IOLoop) -> None:
        self._loop = io_loop.asyncio_loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        # What was given up while events were handled; one of them may be about it.
        self._given_up: set[int] = set()

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        self._epoll.register(fd, select.EPOLLIN)
        if not self._callbacks:
            self._loop.add_reader(self._epoll.fileno(), self._handle_events)
        self._callbacks[fd] = callback

    def unwatch(self, fd: int) -> None:
        del self._callbacks[fd]
        self._given_up.add(fd)
        self._epoll.unregister(fd)
        if not self._callbacks:
            self._loop.remove_reader(self._epoll.fileno())

    def _handle_events(self) -> None:
        callbacks = self._callbacks
        given_up = self._given_up
        given_up.clear()
        for fd, _ in self._epoll.poll(0, _EVENTS_PER_TURN):
            if given_up and fd in given_up:
                continue
            try:
                callbacks[fd]()
            except Exception:
                app_log.error("Uncaught exception in a stream", exc_info=True)
