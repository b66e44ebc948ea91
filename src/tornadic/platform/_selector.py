"""``add_reader`` and ``add_writer`` for loops that have none, by `select.select` in a thread.

Needed for one loop: Windows' proactor.  The thread and the loop take turns.  The loop hands over
what to watch; the thread waits, then posts what is ready and sleeps until it is handed the next.
So the tables of callbacks belong to the loop's thread alone, and what passes between the two is
one pair of lists.  A change in the meantime writes to a socket pair, which ends the wait early.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import select
import socket
import threading
from collections.abc import AsyncGenerator, Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVarTuple

_Ts = TypeVarTuple("_Ts")


class HasFileno(Protocol):
    def fileno(self) -> int: ...


FileDescriptor = int | HasFileno
_Callbacks = dict[FileDescriptor, Callable[[], Any]]

_selector_loops: set[SelectorThread] = set()


@atexit.register
def _atexit_callback() -> None:
    for selector in list(_selector_loops):
        selector.close()


class SelectorThread:
    """Watches file descriptors in a thread for ``real_loop``, whose thread runs the callbacks.

    The thread begins at once and ends with `close`, which also happens when the loop shuts down
    its asynchronous generators, as `asyncio.run` does, and at the end of the program.  All
    methods are for the loop's thread.
    """

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        self._real_loop = real_loop
        self._readers: _Callbacks = {}
        self._writers: _Callbacks = {}
        self._closed = False
        self._waker_r, self._waker_w = socket.socketpair()
        self._waker_r.setblocking(False)
        self._waker_w.setblocking(False)
        self._handed_over = threading.Condition()
        self._to_watch: tuple[list[FileDescriptor], list[FileDescriptor]] | None = None
        self._readers[self._waker_r] = self._drain_wake_ups
        self._guard = self._close_with_loop()
        self._thread_manager_task: asyncio.Task[None] | None = None
        real_loop.call_soon(self._start_guard)
        self._thread = threading.Thread(name="Tornadic selector", target=self._run, daemon=True)
        self._thread.start()
        self._hand_over()
        _selector_loops.add(self)

    def _start_guard(self) -> None:
        # Begins the generator, so that the loop knows it and closes it in its turn.
        if not self._closed:
            self._thread_manager_task = self._real_loop.create_task(anext(self._guard))

    async def _close_with_loop(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """End the thread, and wait for its end.  Closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        self._end_guard()
        _selector_loops.discard(self)
        with self._handed_over:
            self._handed_over.notify()
        self._wake()
        self._thread.join()
        self._readers.clear()
        self._writers.clear()
        self._waker_r.close()
        self._waker_w.close()

    def _end_guard(self) -> None:
        task, loop = self._thread_manager_task, self._real_loop
        if task is None or task.done() or loop.is_closed():
            return
        task.cancel()
        if asyncio._get_running_loop() is None:
            # The loop was stopped in its first turn.  One more lets the task end, not be lost.
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)

    def add_reader(self, fd: FileDescriptor, callback: Callable[..., Any], *args: Any) -> None:
        """Call ``callback(*args)`` whenever ``fd`` can be read, in place of an earlier callback.

        The context variables are those of now.
        """
        self._readers[fd] = functools.partial(copy_context().run, callback, *args)
        self._wake()

    def add_writer(self, fd: FileDescriptor, callback: Callable[..., Any], *args: Any) -> None:
        """Call ``callback(*args)`` whenever ``fd`` can be written to, likewise."""
        self._writers[fd] = functools.partial(copy_context().run, callback, *args)
        self._wake()

    def remove_reader(self, fd: FileDescriptor) -> bool:
        """Undo `add_reader`; return whether there was anything to undo."""
        found = self._readers.pop(fd, None) is not None
        if found:
            self._wake()
        return found

    def remove_writer(self, fd: FileDescriptor) -> bool:
        """Undo `add_writer`; return whether there was anything to undo."""
        found = self._writers.pop(fd, None) is not None
        if found:
            self._wake()
        return found

    # In the loop's thread

    def _hand_over(self) -> None:
        if self._closed:
            return
        with self._handed_over:
            self._to_watch = (list(self._readers), list(self._writers))
            self._handed_over.notify()

    def _handle(self, readable: list[FileDescriptor], writable: list[FileDescriptor]) -> None:
        for ready, callbacks in ((readable, self._readers), (writable, self._writers)):
            for fd in ready:
                callback = callbacks.get(fd)  # gone if an earlier callback removed it
                if callback is not None:
                    self._call(callback)
        self._hand_over()

    def _call(self, callback: Callable[[], Any]) -> None:
        try:
            callback()
        except (SystemExit, KeyboardInterrupt):
            self._real_loop.call_soon(self._hand_over)
            raise
        except BaseException as error:
            self._real_loop.call_exception_handler(
                {"message": f"Exception in callback {callback!r}", "exception": error}
            )

    def _wake(self) -> None:
        # A full buffer wakes it as well, and a closed one need not.
        with contextlib.suppress(OSError):
            self._waker_w.send(b"\0")

    def _drain_wake_ups(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._waker_r.recv(1024)

    # In the selector's thread

    def _run(self) -> None:
        while True:
            with self._handed_over:
                while self._to_watch is None and not self._closed:
                    self._handed_over.wait()
                if self._closed or self._to_watch is None:
                    return
                readers, writers = self._to_watch
                self._to_watch = None
            readable, writable = _select(readers, writers)
            try:
                self._real_loop.call_soon_threadsafe(self._handle, readable, writable)
            except RuntimeError:
                return  # the loop was closed without us


def _select(
    readers: list[FileDescriptor], writers: list[FileDescriptor]
) -> tuple[list[FileDescriptor], list[FileDescriptor]]:
    try:
        # Windows reports a connection that failed as exceptional, not as writable.
        readable, writable, failed = select.select(readers, writers, writers)
    except (OSError, ValueError):
        # One was closed while it was watched.  Its callbacks are called, and meet the error.
        return [fd for fd in readers if _is_bad(fd)], [fd for fd in writers if _is_bad(fd)]
    return readable, [*writable, *(fd for fd in failed if fd not in writable)]


def _is_bad(fd: FileDescriptor) -> bool:
    try:
        select.select([fd], [], [], 0)
    except (OSError, ValueError):
        return True
    return False


if TYPE_CHECKING:
    # Delegation by __getattribute__ is a complete loop, though the type checker cannot see it.
    _LoopType = asyncio.SelectorEventLoop
else:
    _LoopType = asyncio.AbstractEventLoop


class AddThreadSelectorEventLoop(_LoopType):
    """An asyncio loop with the ``add_reader`` family added by a `SelectorThread`.

    Everything else is done by ``real_loop``, which can be any asyncio loop.  Closing this closes
    it too.  Used without being named where it is needed.
    """

    MY_ATTRIBUTES = {
        *("_real_loop", "_selector", "close"),
        *("add_reader", "add_writer", "remove_reader", "remove_writer"),
    }

    def __getattribute__(self, name: str) -> Any:
        if name in AddThreadSelectorEventLoop.MY_ATTRIBUTES:
            return super().__getattribute__(name)
        return getattr(self._real_loop, name)

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        self._real_loop = real_loop
        self._selector = SelectorThread(real_loop)

    def close(self) -> None:
        """End the thread and close the real loop."""
        self._selector.close()
        self._real_loop.close()

    def add_reader(self, fd: FileDescriptor, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        """See `SelectorThread.add_reader`."""
        self._selector.add_reader(fd, callback, *args)

    def add_writer(self, fd: FileDescriptor, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        """See `SelectorThread.add_writer`."""
        self._selector.add_writer(fd, callback, *args)

    def remove_reader(self, fd: FileDescriptor) -> bool:
        """See `SelectorThread.remove_reader`."""
        return self._selector.remove_reader(fd)

    def remove_writer(self, fd: FileDescriptor) -> bool:
        """See `SelectorThread.remove_writer`."""
        return self._selector.remove_writer(fd)
