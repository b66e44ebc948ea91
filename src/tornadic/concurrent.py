"""Helpers for futures.

``Future`` is `asyncio.Future`.  The functions here treat it and `concurrent.futures.Future`
alike, and hide the two differences that hurt: setting the outcome of a cancelled asyncio future
raises, and the callbacks of a concurrent future run in whichever thread finished it.  What is
done for a waiting asyncio future therefore always hops to that future's own loop first.
"""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from tornadic import _legacy
from tornadic.log import app_log

__all__ = [
    "FUTURES",
    "DummyExecutor",
    "Future",
    "ReturnValueIgnoredError",
    "chain_future",
    "dummy_executor",
    "future_add_done_callback",
    "future_set_exc_info",
    "future_set_exception_unless_cancelled",
    "future_set_result_unless_cancelled",
    "is_future",
    "run_on_executor",
]

__getattr__ = _legacy.names_of(__name__)

_T = TypeVar("_T")

Future = asyncio.Future

FUTURES = (futures.Future, Future)

AnyFuture = asyncio.Future[_T] | futures.Future[_T]


class ReturnValueIgnoredError(Exception):
    """A value was returned where nothing could have received it.  Only with old forms."""


def is_future(x: Any) -> bool:
    """Return whether ``x`` is an asyncio or a concurrent future."""
    return isinstance(x, FUTURES)


class DummyExecutor(futures.Executor):
    """An executor that runs each function at once, in the thread that submits it."""

    # Tornado's ``fn`` may be given by its name, where that of the base class may not.
    def submit(  # type: ignore[override]
        self, fn: Callable[..., _T], *args: Any, **kwargs: Any
    ) -> futures.Future[_T]:
        """Call ``fn(*args, **kwargs)`` and return a finished future with its outcome.

        An `Exception` goes into the future; anything more severe, like `KeyboardInterrupt`, is
        raised here.
        """
        future: futures.Future[_T] = futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        try:
            return future
        finally:
            # This frame is in the traceback of the exception that the future holds.
            del future

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        """Do nothing: there is nothing to wait for."""


dummy_executor = DummyExecutor()


def run_on_executor(*args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Decorator: run a blocking method on an executor, and return a future for the caller.

    The executor is the attribute ``executor`` of the method's object, or the one that is named::

        @run_on_executor(executor="_thread_pool")
        def read(self): ...

    The method returns an asyncio `Future` of the current loop.  A method that runs is not
    stopped when that future is cancelled; its result is dropped.  In new code
    `.IOLoop.run_in_executor` at the place of the call is clearer.

    Raises `ValueError` when given more than the function, and `TypeError` for a keyword
    other than ``executor``.
    """

    def decorate(fn: Callable[..., _T], executor: str = "executor") -> Callable[..., Future[_T]]:
        @functools.wraps(fn)
        def submit(self: Any, *args: Any, **kwargs: Any) -> Future[_T]:
            if "callback" in kwargs:
                room = _legacy.room("futures")
                if not room.takes_callback(fn):
                    again = functools.partial(submit, self)
                    called_back: Future[_T] = room.submit(again, args, kwargs)
                    return called_back
            running = getattr(self, executor).submit(fn, self, *args, **kwargs)
            future: Future[_T] = Future()
            chain_future(running, future)
            return future

        return submit

    if args and kwargs:
        raise ValueError("run_on_executor takes a function or keyword arguments, not both")
    if len(args) == 1:
        return decorate(args[0])
    if args:
        raise ValueError(f"expected 1 argument, got {len(args)}")
    if "io_loop" in kwargs:
        del kwargs["io_loop"]
        _legacy.warn("io_loop= of run_on_executor", "leave it out: it is the current loop")
    return functools.partial(decorate, **kwargs)


def chain_future(a: AnyFuture[_T], b: AnyFuture[_T]) -> None:
    """Give ``b`` the outcome of ``a`` (result, exception or cancellation) when it has one.

    Nothing happens if ``b`` is done by then.  Cancelling ``b`` does not cancel ``a``.  When ``a``
    is done already, ``b`` is too on return.  Otherwise an asyncio ``b`` is completed in its own
    loop, whatever thread completes ``a``.

    Raises `TypeError` if either is not a future.
    """
    if not isinstance(a, FUTURES) or not isinstance(b, FUTURES):
        raise TypeError(f"chain_future needs two futures, not {a!r} and {b!r}")
    if a.done():
        _copy_outcome(a, b)
    elif isinstance(b, Future):
        _call_when_done(a, functools.partial(_copy_outcome, target=b), b.get_loop())
    else:
        a.add_done_callback(functools.partial(_copy_outcome, target=b))


def _call_when_done(
    future: AnyFuture[_T], callback: Callable[[Any], Any], loop: asyncio.AbstractEventLoop
) -> None:
    """Call ``callback(future)`` in a later turn of ``loop``, when ``future`` is done.

    A future that finishes after the loop was closed calls nothing.
    """
    if isinstance(future, Future) and future.get_loop() is loop:
        future.add_done_callback(callback)
        return

    def hop(done: Any) -> None:
        try:
            loop.call_soon_threadsafe(callback, done)
        except RuntimeError:
            if not loop.is_closed():
                raise

    future.add_done_callback(hop)


def _hold(future: Future[Any], what: object) -> None:
    """Keep ``what`` alive for as long as ``future``; None lets go of what was held.

    A future is referred to by what completes it, but who awaits it refers only to it.
    """
    holder: Any = future
    holder.held = what


def _failed_future(error: BaseException) -> Future[Any]:
    """Return a future of the current loop that is done with ``error``."""
    future: Future[Any] = Future()
    try:
        future.set_exception(error)
        return future
    finally:
        del future


def _copy_outcome(source: AnyFuture[_T], target: AnyFuture[_T]) -> None:
    # The exception of a source is fetched only when it is passed on: one that nobody takes over
    # is still reported by the source.
    if target.done():
        return
    if source.cancelled():
        target.cancel()
        return
    error = source.exception()
    if error is not None:
        target.set_exception(error)
    else:
        target.set_result(source.result())


def future_set_result_unless_cancelled(future: AnyFuture[_T], value: _T) -> None:
    """Set the result of ``future``; do nothing if it is cancelled.

    Raises `asyncio.InvalidStateError` if it is done in another way.
    """
    if not future.cancelled():
        future.set_result(value)


def future_set_exception_unless_cancelled(future: AnyFuture[_T], exc: BaseException) -> None:
    """Set the exception of ``future``; if it is cancelled, log the exception instead.

    Raises `asyncio.InvalidStateError` if it is done in another way.
    """
    if not future.cancelled():
        future.set_exception(exc)
    else:
        app_log.error("Exception after Future was cancelled", exc_info=exc)


def future_set_exc_info(
    future: AnyFuture[_T],
    exc_info: tuple[type[BaseException] | None, BaseException | None, types.TracebackType | None],
) -> None:
    """Like `future_set_exception_unless_cancelled`, for what `sys.exc_info` returns.

    Raises `ValueError` if ``exc_info`` holds no exception.
    """
    if exc_info[1] is None:
        raise ValueError("future_set_exc_info called with no exception")
    future_set_exception_unless_cancelled(future, exc_info[1])


def future_add_done_callback(future: AnyFuture[_T], callback: Callable[[Any], Any]) -> None:
    """Call ``callback(future)`` when ``future`` is done: at once, here, if it already is.

    Otherwise an asyncio future calls it in a later turn of its loop, and a concurrent future in
    the thread that completes it.
    """
    if future.done():
        callback(future)
    else:
        future.add_done_callback(callback)
