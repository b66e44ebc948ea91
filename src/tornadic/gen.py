"""Coroutines from generators, and tools for native ones.

::

    @gen.coroutine
    def fetch_both(client):
        a, b = yield [client.fetch("http://a"), client.fetch("http://b")]
        return a.body + b.body

A function under `coroutine` returns a future.  It runs at once, up to the first yield of
something that is not done yet; one that never waits costs its future and nothing else.  From its
first wait on, a `Runner` resumes it, straight from the done callback of what it waits for.

The user's generator is run through `_deliver`, which hands its return value to the future itself:
that saves making and catching a `StopIteration` for every call.

A coroutine has a copy of its caller's context variables, like an asyncio task.  Nothing refers in
a circle once it is finished, its exception included, so that all is freed at once.

New code had better use ``async def``; the two can wait for one another freely.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextvars import Context, copy_context
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar, overload

from tornadic import _legacy
from tornadic._yieldable import (
    BadYieldError,
    ExceptionTypes,
    Yieldable,
    convert_yielded,
    exception_types,
    moment,
    multi,
    multi_future,
    ready,
)
from tornadic.concurrent import (
    Future,
    ReturnValueIgnoredError,
    _call_when_done,
    _failed_future,
    _hold,
    chain_future,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
    is_future,
)
from tornadic.ioloop import IOLoop
from tornadic.log import app_log
from tornadic.util import TimeoutError

__all__ = [
    "BadYieldError",
    "Future",
    "KeyReuseError",
    "LeakedCallbackError",
    "Multi",
    "Return",
    "ReturnValueIgnoredError",
    "Runner",
    "TimeoutError",
    "UnknownKeyError",
    "WaitIterator",
    "convert_yielded",
    "coroutine",
    "is_coroutine_function",
    "is_future",
    "maybe_future",
    "moment",
    "multi",
    "multi_future",
    "sleep",
    "with_timeout",
]

__getattr__ = _legacy.names_of(__name__)

_T = TypeVar("_T")
_P = ParamSpec("_P")

Multi = multi

_FINISHED = object()


class KeyReuseError(Exception):
    """A key is used for a second callback before the first was waited for.  Only with old forms."""


class UnknownKeyError(Exception):
    """A key is waited for that no callback was asked for with.  Only with old forms."""


class LeakedCallbackError(Exception):
    """A coroutine ended before it had waited for all its callbacks.  Only with old forms."""


class Return(Exception):
    """Raised in a `coroutine`, ends it with ``value`` as the result.

    From the days when a generator could not return a value; ``return value`` does the same.
    """

    def __init__(self, value: Any = None) -> None:
        self.args = (value,)
        self.value = value


@overload
def coroutine(func: Callable[_P, Generator[Any, Any, _T]]) -> Callable[_P, Future[_T]]: ...


@overload
def coroutine(func: Callable[_P, _T]) -> Callable[_P, Future[_T]]: ...


def coroutine(func: Callable[..., Any]) -> Callable[..., Future[Any]]:
    """Decorator: make a generator function a coroutine.

    What it yields is awaited as `convert_yielded` says, and the result is sent into it, or the
    exception raised in it.  ``yield None`` waits for the loop's next turn.  A function without
    ``yield`` may be decorated as well.

    The decorated function returns a future of the return value.  An exception goes into the
    future: look at it, or asyncio logs "Future exception was never retrieved".  If the coroutine
    ends with `asyncio.CancelledError` the future is cancelled.  Cancelling the future does not
    stop the coroutine: its result is dropped then, and an exception is logged.
    `KeyboardInterrupt` and other exceptions that are no `Exception` are raised in the caller,
    and after the first wait out of the loop.
    """

    # Frames live on in the tracebacks of the exceptions that futures hold.  So where there may be
    # one, the wrappers drop the futures from their frames before they return.

    def generator_wrapper(*args: Any, **kwargs: Any) -> Future[Any]:
        context = copy_context()
        future: Future[Any] = Future()
        yielded: Any = None
        try:
            generator = _deliver(func(*args, **kwargs), future)
            yielded = context.run(next, generator, _FINISHED)
            if yielded is _FINISHED:
                return future
            Runner(context.run, generator, future, yielded)
        except BaseException as error:
            if "callback" in kwargs and _is_for_us(func):
                return _call_back(decorated, args, kwargs)
            _end_with(future, error)
        try:
            return future
        finally:
            del future, yielded

    def wrapper(*args: Any, **kwargs: Any) -> Future[Any]:
        context = copy_context()
        future: Future[Any] = Future()
        returned: Any = None
        try:
            returned = context.run(func, *args, **kwargs)
            # The first test is a quick one, for what nearly all functions return.
            if not hasattr(returned, "send") or not isinstance(returned, Generator):
                future.set_result(returned)
                return future
            generator = _deliver(returned, future)
            returned = context.run(next, generator, _FINISHED)
            if returned is not _FINISHED:
                Runner(context.run, generator, future, returned)
        except BaseException as error:
            if "callback" in kwargs and _is_for_us(func):
                return _call_back(decorated, args, kwargs)
            _end_with(future, error)
        try:
            return future
        finally:
            del future, returned

    decorated = generator_wrapper if inspect.isgeneratorfunction(func) else wrapper
    functools.update_wrapper(decorated, func)
    decorated.__dict__["__tornado_coroutine__"] = True
    return decorated


def is_coroutine_function(func: Any) -> bool:
    """Return whether ``func`` was decorated with `coroutine`; False for a native coroutine."""
    return getattr(func, "__tornado_coroutine__", False)


def _deliver(generator: Generator[Any, Any, Any], future: Future[Any]) -> Generator[Any, Any, None]:
    """Run ``generator``, passing on what it yields, and set the result of ``future``."""
    try:
        result = yield from generator
    except Return as returned:
        result = returned.value
    except BaseException:
        # The frame would hold the future that is about to hold the exception.
        del future
        raise
    try:
        future.set_result(result)
    except asyncio.InvalidStateError:
        if not future.cancelled():
            raise


def _is_for_us(func: Callable[..., Any]) -> bool:
    """Whether a ``callback=`` that ``func`` was called with, in vain, is meant as in Tornado 5."""
    takes_callback: Callable[..., bool] = _legacy.room("futures").takes_callback
    return not takes_callback(func)


def _call_back(
    decorated: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Future[Any]:
    called_back: Future[Any] = _legacy.room("futures").call_coroutine(decorated, args, kwargs)
    return called_back


def _end_with(future: Future[Any], error: BaseException) -> None:
    """Complete ``future`` for a coroutine that ended with ``error``; raise what is too severe."""
    _forget_own_frames(future)
    if isinstance(error, (Return, StopIteration)):
        future_set_result_unless_cancelled(future, error.value)
    elif isinstance(error, asyncio.CancelledError):
        future.cancel()
    elif isinstance(error, Exception):
        future_set_exception_unless_cancelled(future, error)
    else:
        raise error


class Runner:
    """Resumes a generator each time that what it yielded is done.  Internal.

    ``ctx_run`` is the ``run`` method of the generator's context; ``first_yielded`` is what the
    generator has yielded already.  Its return value or exception goes to ``result_future``.
    """

    __slots__ = ("__weakref__", "_context", "_generator", "_loop", "_result_future", "_waiting_for")

    def __init__(
        self,
        ctx_run: Callable[..., Any],
        gen: Generator[Any, Any, Any],
        result_future: Future[Any],
        first_yielded: Any,
    ) -> None:
        context = getattr(ctx_run, "__self__", None)
        self._context = context if type(context) is Context else copy_context()
        self._generator = gen
        self._loop = result_future.get_loop()
        self._result_future: Future[Any] | None = result_future
        # Whoever holds the result future keeps the coroutine alive, and what it waits for.
        result: Any = result_future
        result.held = self  # as `_hold` does
        if result._source_traceback:
            _forget_own_frames(result_future)
        self._waiting_for: Any = None
        # Passed on without staying in this frame, as in the wrappers.
        del result_future, result
        ctx_run(self._resume, first_yielded)
        del first_yielded

    def _resume(self, yielded: Any) -> None:
        """Go on with what the generator has yielded until that is something not done.

        As a done callback this gets the very future that was waited for.
        """
        generator = self._generator
        value: Any = None
        failure: BaseException | None = None
        try:
            while True:
                kind = type(yielded)
                if kind is CoroutineType:
                    yielded = self._loop.create_task(yielded)
                elif kind is not Future and kind is not asyncio.Task:
                    yielded = _convert_or_fail(yielded, self)
                    generator = self._generator
                    if yielded is moment:
                        self._loop.call_soon(self._resume, ready, context=self._context)
                        return
                if not yielded.done():
                    self._wait_for(yielded)
                    return
                try:
                    value = yielded.result()
                except BaseException as error:
                    failure = error
                yielded = self._waiting_for = None
                if failure is None:
                    yielded = generator.send(value)
                else:
                    # Not in the clause above, where an exception that the generator raises next
                    # would get this one as its context.
                    yielded = generator.throw(failure)
                    failure = None
        except BaseException as error:
            self._finish(error)
        finally:
            # This frame is in the traceback of the exceptions, and would close a circle.
            yielded = value = failure = None

    def _wait_for(self, future: Any) -> None:
        self._waiting_for = future
        if isinstance(future, asyncio.Future):
            future.add_done_callback(self._resume, context=self._context)
        else:
            context = self._context
            _call_when_done(future, lambda done: context.run(self._resume, done), self._loop)

    def _finish(self, error: BaseException) -> None:
        future = self._result_future
        assert future is not None
        _hold(future, None)
        self._result_future = self._waiting_for = None
        if not isinstance(error, (Exception, asyncio.CancelledError)):
            # As for a task: it comes out of the loop, and who waits for it gets it too.
            if not future.done():
                future.set_exception(error)
            raise error
        # `_deliver` has set the result already; another generator has not.
        if not future.done() or not isinstance(error, StopIteration):
            _end_with(future, error)


# Does what `convert_yielded` does where old forms are in use, which it wants the runner for.
_begin_old_form: Callable[[Runner, Any], Future[Any]] | None = None


def _convert_or_fail(yielded: Any, runner: Runner) -> Any:
    """Do what `convert_yielded` does, with its exception in the future, for the generator."""
    if yielded is None or yielded is moment:
        return moment
    if yielded is ready:
        return ready
    try:
        if _begin_old_form is not None:
            return _begin_old_form(runner, yielded)
        return convert_yielded(yielded)
    except Exception as error:
        return _failed_future(error)


def _forget_own_frames(future: Any) -> None:
    """In asyncio's debug mode, let ``future`` have been created where the coroutine was called."""
    created = future._source_traceback
    while created and created[-1].filename == __file__:
        created.pop()


def sleep(duration: float) -> Future[None]:
    """Return a future that is done after ``duration`` seconds, zero or less being the next turn.

    ``yield gen.sleep(0.5)`` waits without blocking the loop.
    """
    future: Future[None] = Future()
    timer = future.get_loop().call_later(
        max(0, duration), future_set_result_unless_cancelled, future, None
    )
    # A long timer must not outlive a wait that was cancelled.
    future.add_done_callback(lambda _: timer.cancel())
    return future


def maybe_future(x: Any) -> Future[Any]:
    """Return ``x`` if it is a future, else a future that is done with ``x``.  Deprecated.

    Other awaitables are not looked at, only wrapped.
    """
    if is_future(x):
        given: Future[Any] = x
        return given
    future: Future[Any] = Future()
    future.set_result(x)
    return future


def with_timeout(
    timeout: float | datetime.timedelta,
    future: Yieldable,
    quiet_exceptions: ExceptionTypes = (),
    *,
    message: str | Callable[[], str] | None = None,
    io_loop: IOLoop | None = None,
) -> Future[Any]:
    """Wait for ``future``, or anything a coroutine may yield, but not beyond ``timeout``.

    ``timeout`` is a time on the scale of `.IOLoop.time` or a `datetime.timedelta` from now.  The
    returned future gets the outcome, or else `TimeoutError` with ``message`` as its text; if that
    is a function, it is called only then.

    What was waited for is not cancelled and may be used again.  If it fails after the time is
    over its exception is logged, unless it is one of ``quiet_exceptions`` or a cancellation.

    Raises `BadYieldError` if ``future`` cannot be waited for.  ``io_loop`` is of old programs.
    """
    if quiet_exceptions and isinstance(quiet_exceptions, IOLoop):  # once it was the third argument
        quiet_exceptions, io_loop = (), quiet_exceptions
    if io_loop is not None:
        _legacy.room("loops").given("with_timeout", io_loop)
    waited = convert_yielded(future)
    result: Future[Any] = Future()
    if waited.done():
        if waited is moment:
            result.set_result(None)
        else:
            chain_future(waited, result)
        return result

    def expire() -> None:
        if not result.done():
            result.set_exception(_timeout_error(message))

    def finished(done: Future[Any]) -> None:
        if not result.done():
            chain_future(done, result)
        elif not result.cancelled() and not done.cancelled():
            error = done.exception()
            if error is not None and not isinstance(error, quiet):
                app_log.error("Exception in Future %r after timeout", done, exc_info=error)

    quiet = exception_types(quiet_exceptions)
    io_loop = IOLoop.current()
    timer = io_loop.add_timeout(timeout, expire)

    def clean_up(_: Any) -> None:
        # Also when the caller cancels it, however far off the timeout is.
        io_loop.remove_timeout(timer)
        _hold(result, None)

    _hold(result, waited)
    result.add_done_callback(clean_up)
    _call_when_done(waited, finished, io_loop.asyncio_loop)
    return result


def _timeout_error(message: str | Callable[[], str] | None) -> Exception:
    if message is None:
        return TimeoutError("Timeout")
    if isinstance(message, str):
        return TimeoutError(message)
    try:
        return TimeoutError(message())
    except Exception as error:
        return error


class WaitIterator:
    """Gives the results of several futures as they come in, in whatever order.

    ::

        results = gen.WaitIterator(first, second)
        while not results.done():
            try:
                value = yield results.next()
            except Exception as error:
                print(f"{error} from {results.current_index}")
            else:
                print(f"{value} from {results.current_index}")

    ``current_future`` is the one whose outcome was given last, and ``current_index`` its place
    among the arguments, or its keyword if keywords were used.  ``async for`` works too, and ends
    with the first exception.  Awaitables that are no futures are started as tasks.

    Raises `ValueError` if both kinds of arguments are used.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError("You must provide args or kwargs, not both")
        self.current_index: int | str | None = None
        self.current_future: Future[Any] | None = None
        self._unfinished: dict[int | str, Future[Any]] = {}
        self._finished: deque[tuple[int | str, Future[Any]]] = deque()
        self._next: Future[Any] | None = None
        children: Iterable[tuple[int | str, Any]] = kwargs.items() if kwargs else enumerate(args)
        for index, child in children:
            future = convert_yielded(child)
            self._unfinished[index] = future
            if future.done():
                self._finished.append((index, future))
            else:
                loop = IOLoop.current().asyncio_loop
                _call_when_done(future, functools.partial(self._child_done, index), loop)

    def done(self) -> bool:
        """Return whether every outcome has been given.

        If so, ``current_future`` and ``current_index`` become None.
        """
        if self._unfinished:
            return False
        self.current_future = self.current_index = None
        return True

    def next(self) -> Future[Any]:
        """Return a future of the next outcome, a new one.  One at a time: a call while the last
        future is pending takes its place.

        When `done`, the future is never completed.
        """
        self._next = Future()
        if self._finished:
            self._give(*self._finished.popleft())
        return self._next

    def _child_done(self, index: int | str, future: Future[Any]) -> None:
        if self._next is not None and not self._next.done():
            self._give(index, future)
        else:
            self._finished.append((index, future))

    def _give(self, index: int | str, future: Future[Any]) -> None:
        assert self._next is not None
        chain_future(future, self._next)
        del self._unfinished[index]
        self.current_future = future
        self.current_index = index

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __anext__(self) -> Future[Any]:
        if self.done():
            raise StopAsyncIteration()
        return self.next()
