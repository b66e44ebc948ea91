"""Which streams can be read and written now.

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
from contextvars import Context
from typing import Protocol

from tornadic.ioloop import IOLoop
from tornadic.iostream.interfaces import HasFileno
from tornadic.log import app_log

__all__ = ["Watched", "Watcher", "watcher_of"]

# Events handled before the loop sees to its timers and its other callbacks.
_EVENTS_PER_TURN = 256


class Watcher(Protocol):
    """Calls back when a descriptor is ready, again and again until it is told to stop.

    No callback inherits a context: whoever has one to run in brings it along.
    """

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever ``fd`` can be read, which is not watched for that yet."""

    def unwatch(self, fd: int) -> None:
        """Call nobody any more when ``fd`` can be read; before it is closed.

        Does nothing if ``fd`` is not watched: a program may have closed a stream's socket itself.
        """

    def watch_writing(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever ``fd`` can be written, which is not watched for that yet."""

    def unwatch_writing(self, fd: int) -> None:
        """Call nobody any more when ``fd`` can be written; `unwatch` otherwise."""


def watcher_of(io_loop: IOLoop) -> Watcher:
    """A watcher for ``io_loop``; ask by ``io_loop.shared(watcher_of)``, and all share it."""
    if sys.platform == "linux":
        return _EpollWatcher(io_loop)
    return _LoopWatcher(io_loop)


class _LoopWatcher:
    """Leaves it to the loop."""

    def __init__(self, io_loop: IOLoop) -> None:
        self._loop = io_loop.asyncio_loop

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        Context().run(self._loop.add_reader, fd, callback)

    def unwatch(self, fd: int) -> None:
        self._loop.remove_reader(fd)

    def watch_writing(self, fd: int, callback: Callable[[], None]) -> None:
        Context().run(self._loop.add_writer, fd, callback)

    def unwatch_writing(self, fd: int) -> None:
        self._loop.remove_writer(fd)


class _EpollWatcher:
    """One epoll for all streams of a loop."""

    def __init__(self, io_loop: IOLoop) -> None:
        self._loop = io_loop.asyncio_loop
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        # What was given up while events were handled; one of them may be about it.
        self._given_up: set[int] = set()

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        if not self._extend(fd, self._writers):
            self._register(fd, select.EPOLLIN)
        self._readers[fd] = callback

    def unwatch(self, fd: int) -> None:
        if self._readers.pop(fd, None) is None:
            return
        if fd in self._writers:
            self._epoll.modify(fd, select.EPOLLOUT)
        else:
            self._unregister(fd)

    def watch_writing(self, fd: int, callback: Callable[[], None]) -> None:
        if not self._extend(fd, self._readers):
            self._register(fd, select.EPOLLOUT)
        self._writers[fd] = callback

    def unwatch_writing(self, fd: int) -> None:
        if self._writers.pop(fd, None) is None:
            return
        if fd in self._readers:
            self._epoll.modify(fd, select.EPOLLIN)
        else:
            self._unregister(fd)

    def _extend(self, fd: int, others: dict[int, Callable[[], None]]) -> bool:
        """Watch for both what can be read and written, if ``others`` watch ``fd`` already."""
        if fd not in others:
            return False
        try:
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT)
        except FileNotFoundError:
            # It was closed behind our back, and another has its number now.
            del others[fd]
            return False
        return True

    def _register(self, fd: int, events: int) -> None:
        self._epoll.register(fd, events)
        if not self._readers and not self._writers:
            Context().run(self._loop.add_reader, self._epoll.fileno(), self._handle_events)

    def _unregister(self, fd: int) -> None:
        self._given_up.add(fd)
        self._epoll.unregister(fd)
        if not self._readers and not self._writers:
            self._loop.remove_reader(self._epoll.fileno())

    def _handle_events(self) -> None:
        readers = self._readers
        writers = self._writers
        given_up = self._given_up
        given_up.clear()
        for fd, events in self._epoll.poll(0, _EVENTS_PER_TURN):
            # A fault or a hang-up is for whoever watches; they will see what it is.
            if events != select.EPOLLOUT and fd in readers and fd not in given_up:
                try:
                    readers[fd]()
                except Exception:
                    app_log.error("Uncaught exception in a stream", exc_info=True)
            if events != select.EPOLLIN and fd in writers and fd not in given_up:
                try:
                    writers[fd]()
                except Exception:
                    app_log.error("Uncaught exception in a stream", exc_info=True)


class Watched:
    """What a stream says of its descriptor: what that is watched for.

    A subclass has `fileno`, ``_on_readable`` and ``_on_writable``, and sets the attributes.
    """

    __slots__ = ("_closed", "_reading", "_writing", "io_loop")

    _closed: bool
    _reading: bool
    _writing: bool
    io_loop: IOLoop

    def fileno(self) -> int | HasFileno:
        """The descriptor, or an object that has one."""
        raise NotImplementedError

    def closed(self) -> bool:
        """Whether the stream has been closed."""
        return self._closed

    def _on_readable(self) -> None:
        raise NotImplementedError

    def _on_writable(self) -> None:
        raise NotImplementedError

    def _watch_reading(self) -> None:
        if not self._reading and not self._closed:
            self.io_loop.shared(watcher_of).watch(self._descriptor(), self._on_readable)
            self._reading = True

    def pause_reading(self) -> None:
        """Read nothing from the descriptor, until `resume_reading` or the next read."""
        if self._reading:
            self._reading = False
            self.io_loop.shared(watcher_of).unwatch(self._descriptor())

    def _descriptor(self) -> int:
        fd = self.fileno()
        return fd if isinstance(fd, int) else fd.fileno()

    def resume_reading(self) -> None:
        """Read again what comes, after `pause_reading`."""
        self._watch_reading()

    def _watch_writing(self) -> None:
        if not self._writing:
            watcher = self.io_loop.shared(watcher_of)
            watcher.watch_writing(self._descriptor(), self._on_writable)
            self._writing = True

    def _unwatch_writing(self) -> None:
        if self._writing:
            self._writing = False
            self.io_loop.shared(watcher_of).unwatch_writing(self._descriptor())
