"""The event loop: Tornado's face on asyncio's.

An `IOLoop` adds nothing to the work of the asyncio loop below it, ``IOLoop.asyncio_loop``: every
method is a short translation, and a callback costs one handle of asyncio's.  There is one
`IOLoop` for each asyncio loop, kept in a dict, so that `IOLoop.current` is a single look-up.
`tornadic.platform.asyncio` has the classes that users get instances of; they differ in where the
asyncio loop comes from.

What is added is the care for callbacks that fail: an exception is logged with its traceback, and
so is that of a coroutine that a callback returns.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime
import functools
import math
import numbers
import os
import random
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, cast, overload

from tornadic import _legacy
from tornadic._yieldable import BadYieldError, convert_yielded, moment
from tornadic.concurrent import FUTURES, Future, _call_when_done, _failed_future
from tornadic.log import app_log
from tornadic.util import Configurable, TimeoutError, import_object

__all__ = ["IOLoop", "PeriodicCallback", "TimeoutError"]

_T = TypeVar("_T")


# Each open loop by its asyncio loop.
_loops: dict[asyncio.AbstractEventLoop | None, IOLoop] = {}

# Found as a global, this saves `IOLoop.current` a look-up.
_get_running_loop = asyncio._get_running_loop


class _Selectable(Protocol):
    def fileno(self) -> int: ...

    def close(self) -> None: ...


class IOLoop(Configurable):
    """An event loop, the one of asyncio with Tornado's methods.

    ``IOLoop()`` makes a new asyncio loop with it, and makes it the current one of the thread
    unless ``make_current=False`` is given.  Programs seldom need that: run the program with
    `asyncio.run` and call `IOLoop.current` in it.  The asyncio loop is the attribute
    ``asyncio_loop``.

    Only `add_callback` may be called from another thread.  An `IOLoop` does not survive a fork.
    """

    # The events of `add_handler`; the values are those of epoll.
    NONE = 0
    READ = 0x001
    WRITE = 0x004
    ERROR = 0x018

    _ioloop_for_asyncio = _loops

    asyncio_loop: asyncio.AbstractEventLoop
    # The loop that watches file descriptors: another one only where asyncio's cannot.
    selector_loop: asyncio.AbstractEventLoop
    _handlers: dict[int, tuple[int | _Selectable, Callable[..., Any]]]
    _readers: set[int]
    _writers: set[int]
    _shared: dict[Callable[..., Any], Any]
    _unfinished: set[Future[Any]]

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return IOLoop

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        from tornadic.platform.asyncio import AsyncIOLoop

        return AsyncIOLoop

    @classmethod
    def configure(cls, impl: str | type[Configurable] | None, **kwargs: Any) -> None:
        """Set the class that ``IOLoop()`` instantiates, and arguments to instantiate it with.

        Raises `RuntimeError` if ``impl`` is no `.BaseAsyncIOLoop`: there are no others.
        """
        from tornadic.platform.asyncio import BaseAsyncIOLoop

        if isinstance(impl, str):
            impl = import_object(impl)
        if impl is not None and not (isinstance(impl, type) and issubclass(impl, BaseAsyncIOLoop)):
            raise RuntimeError("only AsyncIOLoop is allowed when asyncio is available")
        super().configure(impl, **kwargs)

    def _set_up(self, make_current: bool = True) -> None:
        self._handlers = {}
        self._readers = set()
        self._writers = set()
        self._unfinished = set()
        self._shared = {}
        if make_current:
            self._make_current()

    # Typed loosely, since the classes below take arguments of their own.
    initialize: Callable[..., None] = _set_up

    def shared(self, factory: Callable[[IOLoop], _T]) -> _T:
        """Return the one object of its kind that belongs to this loop.

        ``factory(loop)`` makes it when it is first asked for; it is dropped when the loop closes.
        """
        if factory not in self._shared:
            self._shared[factory] = factory(self)
        made: _T = self._shared[factory]
        return made

    # The current loop

    @overload
    @staticmethod
    def current() -> IOLoop: ...

    @overload
    @staticmethod
    def current(instance: bool = True) -> IOLoop | None: ...

    @staticmethod
    def current(instance: bool = True) -> IOLoop | None:
        """Return the loop that runs in this thread, or that is set for it.

        If there is none, make one and set it; with ``instance=False`` return None instead.
        Calling this while no loop runs is deprecated.
        """
        try:
            # While nothing runs that is None, a key that is never there.
            return _loops[_get_running_loop()]
        except KeyError:
            return _find_loop(_get_running_loop(), instance)

    @staticmethod
    def instance() -> IOLoop:
        """Return `current()`.  Deprecated.

        In a thread without a loop it is the one that this gave in the main thread, if it did: old
        programs reach the loop of the main thread so.
        """
        instance: IOLoop = _legacy.room("loops").instance()
        return instance

    @staticmethod
    def initialized() -> bool:
        """Return whether there is a current loop.  Only for old programs."""
        _legacy.warn("IOLoop.initialized", "use IOLoop.current(instance=False)")
        return IOLoop.current(instance=False) is not None

    def make_current(self) -> None:
        """Make this the loop of the thread, for asyncio too.  Deprecated: start it instead."""
        warnings.warn(
            "make_current is deprecated; start the event loop first",
            DeprecationWarning,
            stacklevel=2,
        )
        self._make_current()

    def install(self) -> None:
        """Do what `make_current` does.  Deprecated."""
        self.make_current()

    @staticmethod
    def clear_current() -> None:
        """Leave the thread without a current loop, for asyncio too.  Deprecated."""
        warnings.warn("clear_current is deprecated", DeprecationWarning, stacklevel=2)
        IOLoop._clear_current()

    @staticmethod
    def clear_instance() -> None:
        """Do what `clear_current` does.  Deprecated."""
        IOLoop.clear_current()

    def _make_current(self) -> None:
        """Hook of the classes that come with a loop of their own."""

    @staticmethod
    def _clear_current() -> None:
        old = IOLoop.current(instance=False)
        if old is not None:
            old._clear_current_hook()

    def _clear_current_hook(self) -> None:
        """Hook, the reverse of `_make_current`."""

    # Running and closing

    def start(self) -> None:
        """Run the loop until `stop` is called.

        Raises `RuntimeError` if it runs already, another loop runs in this thread, or it is
        closed.  A `KeyboardInterrupt` or `SystemExit` in a callback comes out of here; the loop
        can be started again after it.
        """
        self.asyncio_loop.run_forever()

    def stop(self) -> None:
        """Stop the loop at the end of this turn; if it does not run, its next `start` returns
        after one turn.

        What was scheduled before still runs in that turn.
        """
        self.asyncio_loop.stop()

    def close(self, all_fds: bool = False) -> None:
        """Close the loop and the asyncio loop.  It must be stopped, with `start` returned.

        With ``all_fds`` the file descriptors and objects that have handlers are closed as well.
        Closing twice does nothing.

        Raises `RuntimeError` if the loop is running.
        """
        if self.asyncio_loop.is_running():
            raise RuntimeError("Cannot close a running event loop")
        _loops.pop(self.asyncio_loop, None)
        for fd, (fileobj, _) in list(self._handlers.items()):
            self.remove_handler(fd)
            if all_fds:
                self.close_fd(fileobj)
        self._unfinished.clear()
        self._shared.clear()
        self.selector_loop.close()

    def run_sync(self, func: Callable[[], Any], timeout: float | None = None) -> Any:
        """Start the loop, run ``func()`` in it, stop the loop and return the result.

        ``func`` returns an awaitable or another object that a coroutine may yield, whose result
        is returned, or None.  ``timeout`` is in seconds; None waits for ever.  When it is over,
        the awaitable is cancelled.

        Raises what ``func`` or its awaitable raises; `TimeoutError` when the time is over;
        `.BadYieldError` if ``func`` returns something else; `RuntimeError` if `stop` is called
        before the awaitable is done.
        """
        outcome: list[Future[Any]] = []
        timed_out: list[bool] = []
        over: list[bool] = []

        def begin() -> None:
            outcome.append(_started(func))
            _call_when_done(outcome[0], finish, self.asyncio_loop)

        def finish(_: Any) -> None:
            # After an interrupted run the awaitable may finish in the next one, and not stop it.
            if not over:
                self.stop()

        def give_up() -> None:
            timed_out.append(True)
            if not outcome or not outcome[0].cancel():
                self.stop()

        self.asyncio_loop.call_soon(begin)
        timer = None if timeout is None else self.call_later(timeout, give_up)
        try:
            self.start()
        finally:
            over.append(True)
            if timer is not None:
                self.remove_timeout(timer)
        future = outcome.pop()
        try:
            if timed_out and (not future.done() or future.cancelled()):
                raise TimeoutError(f"Operation timed out after {timeout} seconds")
            if not future.done():
                raise RuntimeError("Event loop stopped before Future completed.")
            return future.result()
        finally:
            # This frame is in the traceback of the exception that the future may hold.
            del future

    def time(self) -> float:
        """Return the time of this loop in seconds: `time.time`, unless a subclass overrides it."""
        return time.time()

    # Callbacks

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call ``callback(*args, **kwargs)`` in the next turn of the loop.

        May be called from any thread, though not from a signal handler.  Callbacks run in the
        order they were added.  The context variables are those of now.  Exceptions are logged;
        if the callback returns a coroutine or another awaitable, it is run, and its exception
        is logged.  On a closed loop nothing happens.
        """
        if args or kwargs:
            callback = functools.partial(callback, *args, **kwargs)
        loop = self.asyncio_loop
        try:
            if _get_running_loop() is loop:
                loop.call_soon(self._run_callback, callback)
            else:
                loop.call_soon_threadsafe(self._run_callback, callback)
        except RuntimeError:
            if not loop.is_closed():
                raise

    def add_callback_from_signal(
        self, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Do what `add_callback` does, in a signal handler.

        Deprecated: use ``asyncio_loop.add_signal_handler``.
        """
        warnings.warn("add_callback_from_signal is deprecated", DeprecationWarning, stacklevel=2)
        if args or kwargs:
            callback = functools.partial(callback, *args, **kwargs)
        try:
            self.asyncio_loop.call_soon_threadsafe(self._run_callback, callback)
        except RuntimeError:
            if not self.asyncio_loop.is_closed():
                raise

    def spawn_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Do what `add_callback` does."""
        self.add_callback(callback, *args, **kwargs)

    def add_future(
        self,
        future: Future[_T] | concurrent.futures.Future[_T],
        callback: Callable[[Any], Any],
    ) -> None:
        """Call ``callback(future)`` in a turn of this loop once ``future`` is done.

        ``future`` may be a concurrent future that another thread completes.  The callback is
        run as by `add_callback`, but its exception, not that of the future, is logged.

        Raises `TypeError` if ``future`` is no future; other awaitables are not accepted.
        """
        if not isinstance(future, FUTURES):
            raise TypeError(f"add_future needs a future, not {future!r}")
        _call_when_done(
            future,
            lambda done: self._run_callback(functools.partial(callback, done)),
            self.asyncio_loop,
        )

    def _run_callback(self, callback: Callable[[], Any]) -> None:
        try:
            returned = callback()
            if returned is None:
                return
            try:
                future = _future_of(returned)
            except BadYieldError:
                return  # a plain function that returns a value: not our business
        except asyncio.CancelledError:
            return
        except Exception:
            self.handle_callback_exception(callback)
            return
        # Nobody else need know this future; it lives until it is done.
        self._unfinished.add(future)
        _call_when_done(future, functools.partial(self._callback_done, callback), self.asyncio_loop)

    def _callback_done(self, callback: Callable[[], Any], future: Future[Any]) -> None:
        self._unfinished.discard(future)
        if not future.cancelled():
            try:
                future.result()
            except Exception:
                self.handle_callback_exception(callback)

    def handle_callback_exception(self, callback: Callable[[], Any]) -> None:
        """Log the exception that ``callback`` raised, which `sys.exc_info` gives.

        Old programs override it; in new ones, catch exceptions in the callback.
        """
        app_log.error("Exception in callback %r", callback, exc_info=True)

    # Timeouts

    def add_timeout(
        self,
        deadline: float | datetime.timedelta,
        callback: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> object:
        """Call ``callback(*args, **kwargs)`` at ``deadline``, and run it as `add_callback` does.

        ``deadline`` is a time in seconds on the scale of `time`, or a `datetime.timedelta` from
        now.  One that is past is due at once.  Returns a handle for `remove_timeout`.

        Raises `TypeError` if ``deadline`` is neither, and `RuntimeError` on a closed loop.
        """
        if isinstance(deadline, numbers.Real):
            return self.call_at(float(deadline), callback, *args, **kwargs)
        if isinstance(deadline, datetime.timedelta):
            return self.call_later(deadline.total_seconds(), callback, *args, **kwargs)
        raise TypeError(f"Unsupported deadline {deadline!r}")

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        """Call ``callback(*args, **kwargs)`` after ``delay`` seconds; else as `add_timeout`."""
        return self.call_at(self.time() + delay, callback, *args, **kwargs)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        """Call ``callback(*args, **kwargs)`` at the time ``when``; else as `add_timeout`.

        ``when`` is in seconds on the scale of `time`, not that of the asyncio loop.
        """
        if args or kwargs:
            callback = functools.partial(callback, *args, **kwargs)
        delay = max(0, when - self.time())
        return self.asyncio_loop.call_later(delay, self._run_callback, callback)

    def remove_timeout(self, timeout: object) -> None:
        """Cancel what `add_timeout`, `call_later` or `call_at` returned.

        Does nothing if the callback has run already.
        """
        cast(asyncio.Handle, timeout).cancel()

    def set_blocking_signal_threshold(self, seconds: float | None, action: Any) -> None:
        """Do nothing.  Only for old programs."""
        _legacy.room("loops").warn_of_threshold("set_blocking_signal_threshold")

    def set_blocking_log_threshold(self, seconds: float | None) -> None:
        """Do nothing.  Only for old programs."""
        _legacy.room("loops").warn_of_threshold("set_blocking_log_threshold")

    # File descriptors

    def add_handler(self, fd: int | _Selectable, handler: Callable[..., Any], events: int) -> None:
        """Call ``handler(fd, events)`` whenever one of ``events`` has happened on ``fd``.

        ``fd`` is a file descriptor or an object with ``fileno()`` and ``close()``, which is
        what the handler gets.  ``events`` is made of `READ`, `WRITE` and `ERROR` with ``|``; the
        handler is told of `READ` or of `WRITE`, and an error shows as either.  It is called in
        every turn until the reason is gone.  Its exceptions go to asyncio's exception handler.

        Raises `ValueError` if ``fd`` has a handler, and `OSError` if it cannot be watched.
        """
        number, fileobj = self.split_fd(fd)
        if number in self._handlers:
            raise ValueError(f"fd {number} added twice")
        self._handlers[number] = (fileobj, handler)
        try:
            self._watch(number, events)
        except BaseException:
            self.remove_handler(number)
            raise

    def update_handler(self, fd: int | _Selectable, events: int) -> None:
        """Set the events that the handler of ``fd`` is called for.

        Raises `KeyError` if ``fd`` has no handler.
        """
        self._watch(self.split_fd(fd)[0], events)

    def remove_handler(self, fd: int | _Selectable) -> None:
        """Stop watching ``fd``.  Does nothing if it has no handler."""
        number, fileobj = self.split_fd(fd)
        if number < 0:
            # A socket that was closed first has forgotten its number; we have not.
            number = next((n for n, (f, _) in self._handlers.items() if f is fileobj), number)
        if self._handlers.pop(number, None) is None:
            return
        # An OSError means that it was closed before, and so is not watched any more.
        if number in self._readers:
            self._readers.discard(number)
            with contextlib.suppress(OSError):
                self.selector_loop.remove_reader(number)
        if number in self._writers:
            self._writers.discard(number)
            with contextlib.suppress(OSError):
                self.selector_loop.remove_writer(number)

    def _watch(self, fd: int, events: int) -> None:
        fileobj, handler = self._handlers[fd]
        loop = self.selector_loop
        if events & IOLoop.READ:
            if fd not in self._readers:
                loop.add_reader(fd, handler, fileobj, IOLoop.READ)
                self._readers.add(fd)
        elif fd in self._readers:
            self._readers.discard(fd)
            loop.remove_reader(fd)
        if events & IOLoop.WRITE:
            if fd not in self._writers:
                loop.add_writer(fd, handler, fileobj, IOLoop.WRITE)
                self._writers.add(fd)
        elif fd in self._writers:
            self._writers.discard(fd)
            loop.remove_writer(fd)

    def split_fd(self, fd: int | _Selectable) -> tuple[int, int | _Selectable]:
        """Return the file descriptor of ``fd`` and ``fd`` itself; a number gives itself twice."""
        if isinstance(fd, int):
            return fd, fd
        return fd.fileno(), fd

    def close_fd(self, fd: int | _Selectable) -> None:
        """Close a file descriptor or object; one that is closed already is left in peace."""
        try:
            if isinstance(fd, int):
                os.close(fd)
            else:
                fd.close()
        except OSError:
            pass

    # Threads

    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[..., _T],
        *args: Any,
    ) -> Future[_T]:
        """Call ``func(*args)`` on ``executor``, None for the default one; return a future of it."""
        return self.asyncio_loop.run_in_executor(executor, func, *args)

    def set_default_executor(self, executor: concurrent.futures.Executor) -> None:
        """Set what `run_in_executor` uses for None.

        Raises `TypeError` if it is no `~concurrent.futures.ThreadPoolExecutor`.
        """
        if not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
            raise TypeError("executor must be ThreadPoolExecutor instance")
        self.asyncio_loop.set_default_executor(executor)


def _future_of(returned: Any) -> Future[Any]:
    """Return a future for what a callback returned; for None, one that is done."""
    future = convert_yielded(returned)
    if future is moment:
        future = Future()
        future.set_result(None)
    return future


def _started(func: Callable[[], Any]) -> Future[Any]:
    """Call ``func`` and return a future for what it returned or raised."""
    try:
        return _future_of(func())
    except asyncio.CancelledError:
        future: Future[Any] = Future()
        future.cancel()
        return future
    except Exception as error:
        return _failed_future(error)


def _asyncio_loop_of_thread() -> asyncio.AbstractEventLoop | None:
    """Return the asyncio loop that runs in this thread or is set for it; never make one.

    `asyncio.get_event_loop` makes one, or warns, or raises, as the Python version has it.
    """
    running = _get_running_loop()
    if running is not None:
        return running
    if sys.version_info < (3, 14):
        local = getattr(asyncio.get_event_loop_policy(), "_local", None)
        if local is not None:
            loop: asyncio.AbstractEventLoop | None = getattr(local, "_loop", None)
            return loop
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None


def _find_loop(running: asyncio.AbstractEventLoop | None, instance: bool) -> IOLoop | None:
    """Do the rarer work of `IOLoop.current`: no asyncio loop runs, or one that we do not know."""
    asyncio_loop = running or _asyncio_loop_of_thread()
    if asyncio_loop is None or asyncio_loop.is_closed():
        if not instance:
            return None
        asyncio_loop = asyncio.new_event_loop()
        asyncio.set_event_loop(asyncio_loop)
    found = _loops.get(asyncio_loop)
    if found is None and instance:
        from tornadic.platform.asyncio import AsyncIOMainLoop

        made: IOLoop = AsyncIOMainLoop()
        return made
    return found


class PeriodicCallback:
    """Calls ``callback()`` every ``callback_time`` milliseconds, or `datetime.timedelta`.

    The calls keep to the times ``start + n * callback_time``, however late each one is.  A call,
    and the coroutine it may return, is never overlapped by the next: times that pass meanwhile
    are left out.  Exceptions are logged and end nothing.

    ``jitter`` spreads the calls of many processes: each interval is chosen at random within
    ``callback_time * (1 ± jitter / 2)``.

    Does nothing until `start` is called.  Raises `ValueError` if ``callback_time`` is not above
    zero.
    """

    def __init__(
        self,
        callback: Callable[[], Awaitable[Any] | None],
        callback_time: datetime.timedelta | float,
        jitter: float = 0,
        io_loop: IOLoop | None = None,
    ) -> None:
        if isinstance(jitter, IOLoop):  # once it was the third argument
            given: Any = (0, jitter)
            jitter, io_loop = given
        if io_loop is not None:
            _legacy.room("loops").given("PeriodicCallback", io_loop)
        self._given_loop = io_loop
        if isinstance(callback_time, datetime.timedelta):
            callback_time = callback_time / datetime.timedelta(milliseconds=1)
        if callback_time <= 0:
            raise ValueError("Periodic callback must have a positive callback_time")
        self.callback = callback
        self.callback_time = callback_time
        self.jitter = jitter
        self._running = False
        self._timeout: object | None = None

    def start(self) -> None:
        """Begin: the first call comes after one interval.  Does nothing while it is running.

        The loop is the current one of this moment.
        """
        if self._running:
            return
        self.io_loop = self._given_loop or IOLoop.current()
        self._running = True
        self._next_timeout = self.io_loop.time()
        self._schedule_next()

    def stop(self) -> None:
        """End the calls.  A coroutine of the callback that has begun goes on to its end."""
        self._running = False
        if self._timeout is not None:
            self.io_loop.remove_timeout(self._timeout)
            self._timeout = None

    def is_running(self) -> bool:
        """Return whether it was started and not stopped since."""
        return self._running

    def _run(self) -> None:
        timeout = self._timeout
        future: Future[Any] | None = None
        try:
            future = _future_of(self.callback())
        except BadYieldError:
            pass  # a plain function that returns a value
        except Exception as error:
            app_log.error("Exception in callback %r", self.callback, exc_info=error)
        finally:
            if future is None or future.done():
                self._after_run(timeout, future)
            else:
                done = functools.partial(self._after_run, timeout)
                _call_when_done(future, done, self.io_loop.asyncio_loop)

    def _after_run(self, timeout: object, future: Future[Any] | None) -> None:
        if future is not None and not future.cancelled():
            error = future.exception()
            if error is not None:
                app_log.error("Exception in callback %r", self.callback, exc_info=error)
        # Stopped meanwhile, or stopped and started again: then this is not ours to go on with.
        if self._timeout is timeout:
            self._schedule_next()

    def _schedule_next(self) -> None:
        if self._running:
            self._update_next(self.io_loop.time())
            self._timeout = self.io_loop.call_at(self._next_timeout, self._run)

    def _update_next(self, current_time: float) -> None:
        """Move ``_next_timeout`` to the first time of the schedule after ``current_time``."""
        interval = self.callback_time / 1000
        if self.jitter:
            interval *= 1 + self.jitter * (random.random() - 0.5)
        # At least one interval, also when the clock was set back or fired a little early.
        late = max(0, current_time - self._next_timeout)
        self._next_timeout += (math.floor(late / interval) + 1) * interval
